"""The page, the command and the registry tell the same, and every example is what the rule makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules import explain
from meshfit.rules.example import Example, broken, example_of, examples
from meshfit.rules.explain import explanation, judged_under, rule_page, rule_table, rule_text, to_dict
from meshfit.rules.judge import judge
from meshfit.rules.registry import Judge, Rule, all_rules, find_rules

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
ALWAYS = frozenset({"PP004"})
"""What transformers says of every pipeline, whatever else is wrong."""


def _named(rule: Rule) -> str:
    return f"{rule.code}-{rule.engines[0]}"


def _foreign(judge: Judge) -> Rule:
    """A rule of another package."""
    return Rule("XX001", "x", "mesh", ("generic",), Consequence.LATE, Severity.ERROR, False, judge)


def test_the_page_is_what_the_registry_tells() -> None:
    """Regenerate with: python -c "from meshfit.rules.explain import rule_page; print(rule_page(), end='')"."""
    assert PAGE.read_text(encoding="utf-8") == rule_page()


@pytest.mark.parametrize("rule", all_rules(), ids=_named)
def test_every_rule_gives_formula_reason_and_source(rule: Rule) -> None:
    """A rule that cites nothing cannot be checked."""
    told = explanation(rule)
    assert told.formula.endswith(".")
    assert told.why.endswith(".")
    assert len(told.source) > 10


@pytest.mark.parametrize("rule", all_rules(), ids=_named)
def test_every_rule_of_ours_has_an_example(rule: Rule) -> None:
    """They stand in `tensor_examples`, `other_examples` and `engine_examples`, with just the facts the rule needs."""
    assert example_of(rule) is not None


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.code}-{example.engine}")
def test_an_example_breaks_its_rule_and_no_other(example: Example) -> None:
    """The facts of an example are those its rule needs, so nothing else can be said of it."""
    mesh = replace(MeshSpec.parse(example.mesh), settings=example.settings)
    codes = judge(ModelFacts(**example.facts), mesh, engine=example.engine).codes
    assert set(codes) - (ALWAYS - {example.code}) == {example.code}


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.code}-{example.engine}")
def test_an_example_tells_its_numbers(example: Example) -> None:
    """A count that the rule reads stands in the words that a reader sees."""
    counts = [value for value in example.facts.values() if type(value) is int and value > 2]
    assert all(str(count) in example.given for count in counts)


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.code}-{example.engine}")
def test_an_example_belongs_to_a_rule_of_its_engine(example: Example) -> None:
    """An example of a rule that is gone would never be shown."""
    assert any(example.engine in rule.engines for rule in find_rules(example.code))


@pytest.mark.parametrize("rule", all_rules(), ids=_named)
def test_page_command_and_json_tell_the_same_of_a_rule(rule: Rule) -> None:
    """One explanation, three forms."""
    told, shown = explanation(rule), to_dict(rule)
    text = " ".join(rule_text([rule]).split())
    for part in (told.formula, told.why, told.source, told.message, told.help):
        assert part in text
    assert (shown["must_hold"], shown["why"], shown["source"]) == (told.formula, told.why, told.source)
    assert all(f"- {part}: {said}\n" in PAGE.read_text(encoding="utf-8") for part, said in _on_the_page(rule))


def _on_the_page(rule: Rule) -> list[tuple[str, str]]:
    told = explanation(rule)
    return [("Must hold", told.formula), ("Why", told.why), ("Source", told.source)]


def test_a_rule_that_cites_nothing_has_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is explained as far as it goes, and the page cannot be made with it."""

    def judge_nothing(facts: object, mesh: object) -> tuple[()]:
        """Only a formula."""
        return ()

    bare = _foreign(judge_nothing)
    assert explanation(bare)[:3] == ("Only a formula.", "", "")
    assert "why" not in rule_text([bare])
    monkeypatch.setattr(explain, "all_rules", lambda: (bare,))
    with pytest.raises(ValueError, match="XX001"):
        rule_page()


def test_an_example_that_breaks_nothing_is_no_example() -> None:
    """Four heads do divide over four ranks."""
    fine = Example("TP002", "nemo", "tp=4", "num_key_value_heads: 4", {"kv_heads_per_layer": (4,)})
    with pytest.raises(ValueError, match="TP002"):
        broken(fine)


def test_a_rule_of_another_package_may_have_no_example() -> None:
    """It is then told without one."""
    foreign = _foreign(all_rules()[0].judge)
    assert example_of(foreign) is None
    assert "it says" not in rule_text([foreign])
    assert to_dict(foreign)["example"] is None


def test_an_engine_is_judged_by_the_rules_of_who_runs_the_axis_for_it() -> None:
    """With transformers, accelerate runs context parallelism, and leaves tensor plans to transformers."""
    assert {rule.code for rule in judged_under("transformers", "cp")} >= {"CP001", "CP002"}
    assert all("accelerate" in rule.engines for rule in judged_under("transformers", "cp"))
    assert "TP001" in {rule.code for rule in judged_under("accelerate")}


def test_the_table_has_a_line_for_each_rule() -> None:
    """And a head."""
    assert len(rule_table(all_rules()).splitlines()) == len(all_rules()) + 1
