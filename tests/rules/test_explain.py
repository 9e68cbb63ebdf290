"""The rule page and the registry tell the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshfit.rules.explain import explanation, rule_page
from meshfit.rules.registry import Rule, all_rules

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_is_what_the_registry_tells() -> None:
    """Regenerate with: python -c "from meshfit.rules.explain import rule_page; print(rule_page(), end='')"."""
    assert PAGE.read_text(encoding="utf-8") == rule_page()


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: f"{rule.code}-{rule.engines[0]}")
def test_every_rule_gives_formula_reason_and_source(rule: Rule) -> None:
    """A rule that cites nothing cannot be checked."""
    told = explanation(rule)
    assert told.formula.endswith(".")
    assert told.why.endswith(".")
    assert len(told.source) > 10


def test_a_rule_that_cites_nothing_is_refused() -> None:
    """The page cannot be made with a docstring that lacks a part."""
    bare = next(rule for rule in all_rules())

    def judge(facts: object, mesh: object) -> tuple[()]:
        """Only a formula."""
        return ()

    broken = Rule(
        code="XX001",
        slug="x",
        axis=bare.axis,
        engines=bare.engines,
        consequence=bare.consequence,
        severity=bare.severity,
        size_free=False,
        judge=judge,
    )
    with pytest.raises(ValueError, match="XX001"):
        explanation(broken)
