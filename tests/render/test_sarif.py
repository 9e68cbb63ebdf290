"""SARIF: what code-scanning services read."""

from __future__ import annotations

import importlib.metadata
import json
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from sarif_pydantic import Sarif

from meshfit.notice import Notice, Place
from meshfit.render.sarif import Description, to_sarif
from meshfit.report import Consequence, Severity
from meshfit.rules.registry import all_rules

NOTICE = Notice(
    code="TP002",
    slug="tp-kv-heads",
    severity=Severity.ERROR,
    consequence=Consequence.LATE,
    message="num_key_value_heads (2) is not divisible by tp_size (8)",
    help="use tp_size 1 or 2",
    place=Place("train.yaml", 3, 12, 3, 13),
    related=((Place("models/config.json", 14, 26), "num_key_value_heads was read here"),),
)


def run(*notices: Notice, **options: Any) -> dict[str, Any]:
    """The one run of the log, which a reader of SARIF takes."""
    log: dict[str, Any] = json.loads(to_sarif(notices, **options))
    Sarif.model_validate(log)
    (only,) = log["runs"]
    return dict(only)


def test_a_result_names_its_rule_and_says_why_what_and_what_would_happen() -> None:
    """The message stands alone: many viewers show nothing else."""
    (result,) = run(NOTICE)["results"]
    assert (result["ruleId"], result["level"], result["properties"]) == ("TP002", "error", {"consequence": "late"})
    assert result["message"]["text"] == (
        "num_key_value_heads (2) is not divisible by tp_size (8). Help: use tp_size 1 or 2. If ignored: crashes after "
        "the weights have loaded, in the first forward or backward."
    )


def test_a_sentence_ends_once() -> None:
    """Also one that asks."""
    (result,) = run(NOTICE._replace(message="did you mean tp?", help="write tp.", consequence=None))["results"]
    assert result["message"]["text"] == "did you mean tp? Help: write tp."


def test_a_region_is_exact() -> None:
    """Lines and columns from 1, the end behind the last character, counted in characters."""
    only = run(NOTICE)
    place = only["results"][0]["locations"][0]["physicalLocation"]
    assert only["columnKind"] == "unicodeCodePoints"
    assert place["region"] == {"startLine": 3, "startColumn": 12, "endLine": 3, "endColumn": 13}
    assert place["artifactLocation"] == {"uri": "train.yaml", "uriBaseId": "%SRCROOT%"}


def test_a_file_as_a_whole_has_no_region_and_no_file_no_location() -> None:
    """An empty region would be read as the first line."""
    whole, nowhere = run(NOTICE._replace(place=Place("a.json")), NOTICE._replace(place=Place("")))["results"]
    assert "region" not in whole["locations"][0]["physicalLocation"]
    assert "locations" not in nowhere


def test_where_facts_were_read_is_related() -> None:
    """Numbered, with what was read there."""
    (related,) = run(NOTICE)["results"][0]["relatedLocations"]
    assert related["id"] == 1
    assert related["physicalLocation"]["region"] == {"startLine": 14, "startColumn": 26}
    assert related["message"]["text"] == "num_key_value_heads was read here"


@pytest.mark.parametrize("code", sorted({rule.code for rule in all_rules()}))
def test_every_rule_brings_its_description(code: str) -> None:
    """What must hold, why, and the whole explanation; `ruleIndex` finds it."""
    rule = next(rule for rule in all_rules() if rule.code == code)
    only = run(NOTICE, NOTICE._replace(code=code, slug=rule.slug))
    told = only["tool"]["driver"]["rules"][only["results"][1]["ruleIndex"]]
    assert (told["id"], told["name"], told["defaultConfiguration"]) == (code, rule.slug, {"level": rule.severity.value})
    assert told["properties"]["consequence"] == rule.consequence.value
    assert told["fullDescription"]["text"].startswith(f"{told['shortDescription']['text']} Why: ")
    assert told["help"]["text"].startswith(f"{code} {rule.slug}")
    assert told["help"]["markdown"].startswith(f"## {code} {rule.slug}\n\n**")


def test_a_mistake_of_a_file_is_a_rule_too() -> None:
    """Its code stands in no registry of rules on meshes; whoever knows more of it says so."""
    mistake = NOTICE._replace(code="RC001", slug="unknown-mesh-key", consequence=None)
    (rule,) = run(mistake)["tool"]["driver"]["rules"]
    assert (rule["id"], rule["shortDescription"]["text"], "help" in rule) == ("RC001", "unknown mesh key", False)
    described = {"RC001": Description("A key is known.", "Some tools drop others.", "All of it.")}
    (rule,) = run(mistake, described=described)["tool"]["driver"]["rules"]
    assert (rule["shortDescription"]["text"], rule["help"]["text"]) == ("A key is known.", "All of it.")
    assert rule["fullDescription"]["text"] == "A key is known. Why: Some tools drop others."


def test_a_rule_links_to_the_page_when_the_package_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute address, as SARIF wants it; none without one."""
    assert "helpUri" not in run(NOTICE)["tool"]["driver"]["rules"][0]
    said = Message()
    said["Project-URL"] = "Documentation, https://example.org/docs/"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: said)
    (rule,) = run(NOTICE)["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://example.org/docs/rules.md#tp002-tp-kv-heads"
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    assert "(#tp002-tp-kv-heads)" in page


def test_a_fingerprint_holds_when_lines_move_and_tells_apart() -> None:
    """Two of the same words in one file are the first and the second."""
    moved = NOTICE._replace(place=Place("train.yaml", 30, 2))
    other = NOTICE._replace(message="num_key_value_heads (4) is not divisible by tp_size (8)")
    first, second, third = (
        result["partialFingerprints"]["meshfit/v1"] for result in run(NOTICE, moved, other)["results"]
    )
    assert run(moved)["results"][0]["partialFingerprints"]["meshfit/v1"] == first
    assert len({first, second, third}) == 3


def test_what_could_not_be_judged_makes_the_run_a_failure() -> None:
    """And an empty log of sound files is a success."""
    assert run()["invocations"] == [{"executionSuccessful": True}]
    (invocation,) = run(failures=["a.json is empty"])["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"] == [{"level": "error", "message": {"text": "a.json is empty"}}]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("my recipes/50%.yaml", "my%20recipes/50%25.yaml"),
        ("./a/../b.yaml", "b.yaml"),
        ("a:b.yaml", "a%3Ab.yaml"),
        ("модель.json", "%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C.json"),
        ("#1?.json", "%231%3F.json"),
    ],
)
def test_a_path_becomes_a_relative_reference(
    path: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Percent-encoded, slashes forward; the same for the absolute path of a file below the working directory."""
    monkeypatch.chdir(tmp_path)
    for named in (path, str(tmp_path / path)):
        location = run(NOTICE._replace(place=Place(named)))["results"][0]["locations"][0]["physicalLocation"]
        assert location["artifactLocation"] == {"uri": uri, "uriBaseId": "%SRCROOT%"}


def test_a_file_elsewhere_has_its_whole_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference may not climb out of the root."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    location = run(NOTICE._replace(place=Place("../a b.json")))["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": f"file://{tmp_path.as_posix()}/a%20b.json"}


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
number = st.integers(1, 10**6)
paths = text.filter(lambda path: "\0" not in path)
places = st.builds(Place, paths, *(st.none() | number for _ in range(4))) | st.builds(Place, paths, *[number] * 4)
notices = st.builds(
    Notice,
    code=text,
    slug=text,
    severity=st.sampled_from(Severity),
    consequence=st.none() | st.sampled_from(Consequence),
    message=text,
    help=text,
    place=places,
    related=st.lists(st.tuples(places, text), max_size=2).map(tuple),
)


@given(st.lists(notices, max_size=4))
def test_whatever_is_noticed_makes_a_log_that_is_read(found: list[Notice]) -> None:
    """One result for each notice, ASCII only."""
    assert len(run(*found)["results"]) == len(found)
    assert to_sarif(found).isascii()
