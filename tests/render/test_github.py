"""Annotations on GitHub: one workflow command for each notice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from meshfit.notice import Notice, Place
from meshfit.render.github import to_github
from meshfit.report import Consequence, Severity

NOTICE = Notice(
    code="TP002",
    slug="tp-kv-heads",
    severity=Severity.ERROR,
    consequence=Consequence.WASTE,
    message="num_key_value_heads (2)",
    help="use tp_size 1 or 2",
    place=Place("train.yaml", 3, 12, 3, 13),
)


def decoded(line: str) -> tuple[str, dict[str, str], str]:
    """Command, properties and message, taken apart as the runner does."""
    head, _, data = line.removeprefix("::").partition("::")
    command, _, listed = head.partition(" ")
    pairs = (part.partition("=") for part in listed.split(","))
    return command, {name: unescaped(value, ":,\r\n%") for name, _, value in pairs}, unescaped(data, "\r\n%")


def unescaped(text: str, letters: str) -> str:
    """The text with the escapes of these letters undone, the percent sign last."""
    for letter in letters:
        text = text.replace(f"%{ord(letter):02X}", letter)
    return text


def test_a_notice_is_one_command_on_its_region() -> None:
    """The title names the rule; fix and consequence are lines of the message."""
    assert to_github([NOTICE]) == (
        "::error file=train.yaml,line=3,col=12,endColumn=13,title=TP002 tp-kv-heads::num_key_value_heads (2)%0A"
        "help: use tp_size 1 or 2%0Aif ignored, runs, but wastes devices or time"
    )


def test_each_notice_has_a_line_and_its_severity() -> None:
    """Warnings are warnings; nothing found prints nothing."""
    lines = to_github([NOTICE, NOTICE._replace(severity=Severity.WARNING)]).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning"]
    assert to_github([]) == ""


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        (Place("a.json"), {"file": "a.json"}),
        (Place("a.json", 3), {"file": "a.json", "line": "3"}),
        (Place("a.json", 3, 5), {"file": "a.json", "line": "3", "col": "5"}),
        (Place("a.json", 3, 5, 4, 2), {"file": "a.json", "line": "3", "endLine": "4"}),
        (Place("b/../a,b:c.json"), {"file": "a,b:c.json"}),
        (Place(""), {}),
        (Place("../a.json", 3), {}),
    ],
)
def test_a_place_is_told_as_far_as_github_takes_it(place: Place, shown: dict[str, str]) -> None:
    """Columns within one line only, files of the checkout only."""
    properties = decoded(to_github([NOTICE._replace(place=place)]))[1]
    del properties["title"]
    assert properties == shown


def test_a_file_below_the_working_directory_is_named_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner knows no other root."""
    monkeypatch.chdir(tmp_path)
    command = to_github([NOTICE._replace(place=Place(str(tmp_path / "a" / "b.json")))])
    assert decoded(command)[1]["file"] == "a/b.json"


def test_a_job_below_the_checkout_names_files_from_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GITHUB_WORKSPACE counts where the working directory lies in it."""
    (tmp_path / "checkout" / "training").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout" / "training")
    for workspace, file in (("checkout", "training/a.json"), ("checkout/other", "a.json"), ("", "a.json")):
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / workspace) if workspace else "")
        assert decoded(to_github([NOTICE._replace(place=Place("a.json"))]))[1]["file"] == file


@given(message=st.text(), advice=st.text(min_size=1), slug=st.text())
def test_no_text_ends_the_command_or_a_property(message: str, advice: str, slug: str) -> None:
    """What is escaped comes back, on one line."""
    line = to_github([NOTICE._replace(message=message, help=advice, slug=slug, consequence=None)])
    assert "\n" not in line
    command, properties, data = decoded(line)
    assert (command, properties["title"], data) == ("error", f"TP002 {slug}", f"{message}\nhelp: {advice}")
