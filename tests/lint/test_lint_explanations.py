"""Each code of the linter is explained: by the command, and on the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshfit.cli.main import main
from meshfit.lint.explanations import EXPLANATIONS
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.recipe import PROBLEMS
from meshfit.lint.sweep import Choice, lint_text
from meshfit.rules.registry import find_rules

PAGE = Path(__file__).parents[2] / "docs" / "lint.md"


@pytest.mark.parametrize("code", PROBLEMS)
def test_the_example_of_a_code_has_that_mistake_alone(code: str) -> None:
    """So the explanation is true."""
    result = lint_text(EXPLANATIONS[code].example, "a.yaml", Question(models=Models()), Choice(unused_ignores=True))
    assert [notice.code for notice in result.notices] == [code]


def test_page_and_command_know_the_same_codes() -> None:
    """With the same names and severities, and none that a rule has."""
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| RC")]
    assert [(row[0].strip("| "), row[1], row[2]) for row in rows] == [
        (code, kind.slug, kind.severity.value) for code, kind in PROBLEMS.items()
    ]
    assert set(EXPLANATIONS) == set(PROBLEMS)
    assert not any(find_rules(name) for code, kind in PROBLEMS.items() for name in (code, kind.slug))


def test_explain_takes_them_with_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """By code or name, in one answer."""
    assert main(["explain", "rc001", "TP002", "recipe-bad-size"]) == 0
    told = capsys.readouterr().out
    assert told.index("RC001 recipe-unknown-key") < told.index("TP002 tp-kv-heads") < told.index("RC002")
    assert main(["explain", "RC009", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"][0]["slug"] == "recipe-unreadable"
