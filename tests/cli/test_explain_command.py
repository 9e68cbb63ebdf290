"""`meshfit explain` and `meshfit rules`: what they print, and what they say of names that are none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from meshfit.cli.main import main
from meshfit.rules.registry import all_rules


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["TP002", "tp002", "tp-kv-heads"])
def test_a_rule_is_found_by_code_and_by_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In any letter case, with all ways that engines enforce it."""
    text = _printed(capsys, "explain", name)
    assert text.startswith("TP002 tp-kv-heads: tensor parallelism\n")
    assert "num_key_value_heads (4) is not divisible by tp_size (8)" in text
    assert text.count("\nUnder ") == len([rule for rule in all_rules() if rule.code == "TP002"])


def test_several_rules_are_told_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that is named twice is not told twice."""
    text = _printed(capsys, "explain", "TP002", "PP002", "tp-kv-heads")
    assert (text.count("TP002 tp-kv-heads:"), text.count("PP002 pp-structure:")) == (1, 1)


def test_a_terminal_shows_how_severe_a_rule_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In colour; without the colours the table is what a pipe gets."""
    plain = _printed(capsys, "rules")
    monkeypatch.setattr("meshfit.cli.rules_command.wants_color", lambda: True)
    colored = _printed(capsys, "rules")
    assert "\033" not in plain
    assert re.sub(r"\033\[\d*m", "", colored) == plain
    assert colored.count("\033[31merror") + colored.count("\033[33mwarning") == plain.count("\n") - 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TP02", "TP002"),
        ("tp-kv-haeds", "did you mean tp-kv-heads"),
        ("zzzzzz", "meshfit rules lists them"),
        ("TP", "meshfit rules --axis tp lists them"),
    ],
)
def test_an_unknown_rule_is_bad_input(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, with the nearest names."""
    assert main(["explain", "TP002", name]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert hint in told.err


def test_json_holds_the_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, with the example's message."""
    shown = json.loads(_printed(capsys, "explain", "MS001", "--json"))
    assert {rule["code"] for rule in shown["rules"]} == {"MS001"}
    assert "world_size is 8" in shown["rules"][0]["example"]["message"] + shown["rules"][1]["example"]["message"]


def test_every_rule_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """As a table and as JSON."""
    table = _printed(capsys, "rules")
    assert len(table.splitlines()) == len(all_rules()) + 1
    listed = json.loads(_printed(capsys, "rules", "--json"))["rules"]
    assert [(rule["code"], tuple(rule["engines"])) for rule in listed] == [(r.code, r.engines) for r in all_rules()]


def test_the_list_is_filtered_by_engine_and_axis(capsys: pytest.CaptureFixture[str]) -> None:
    """Each alone, and both."""
    assert {line.split()[2] for line in _printed(capsys, "rules", "--axis", "ep").splitlines()[1:]} == {"ep"}
    assert "PP011" in _printed(capsys, "rules", "--engine", "accelerate")
    assert "PP011" not in _printed(capsys, "rules", "--engine", "accelerate", "--axis", "tp")
    assert _printed(capsys, "rules", "--engine", "generic", "--axis", "dp_shard").startswith("no rule judges dp_shard")


def test_an_unknown_engine_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest one."""
    assert main(["rules", "--engine", "trnsformers"]) == 2
    assert "did you mean transformers?" in capsys.readouterr().err


def test_an_explanation_comes_at_once() -> None:
    """A quarter of a second with the interpreter, of processor time so that a busy machine changes nothing."""
    seconds = []
    for _ in range(3):
        start = _spent_by_children()
        subprocess.run([sys.executable, "-m", "meshfit", "explain", "TP002"], capture_output=True, check=True)
        seconds.append(_spent_by_children() - start)
    assert min(seconds) < 0.25


def _spent_by_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize("arguments", [["explain", "TP002"], ["rules"], ["rules", "--json"]])
def test_no_framework_is_loaded(arguments: list[str]) -> None:
    """The rules are all that is needed to tell of them."""
    code = (
        f"import sys; from meshfit.cli.main import main; main({arguments!r}); "
        "sys.exit(bool({'torch', 'transformers', 'rich'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
