"""Each rule fires on its bad row and is silent one change away."""

from __future__ import annotations

import pytest
from builders import facts, mesh
from engine_rows import ALL_ROWS
from rows import ALWAYS, Row

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Severity
from meshfit.rules.judge import judge
from meshfit.rules.registry import ENGINES, all_rules


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
def test_a_broken_rule_is_reported_with_what_disagrees(row: Row) -> None:
    """The violation carries the rule's code, says both sides of the conflict, and tells what to do."""
    report = judge(facts(**row.changes), mesh(row.mesh, **row.settings), engine=row.engine)
    found = [violation for violation in report.violations if violation.code == row.code]
    assert found, report.codes
    assert any(all(part in violation.message for part in row.says) for violation in found), found
    assert all(violation.help for violation in found)


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
def test_the_same_rule_is_silent_one_change_away(row: Row) -> None:
    """Without the change of facts, of settings or of the mesh, the rule has nothing to say."""
    settings = {} if row.good_mesh is None and not row.changes else row.settings
    report = judge(facts(), mesh(row.good_mesh or row.mesh, **settings), engine=row.engine)
    assert row.code not in report.codes


@pytest.mark.parametrize(("code", "engine", "text"), [(code, *rest) for code, rest in ALWAYS.items()])
def test_what_an_engine_never_does_is_always_said(code: str, engine: str, text: str) -> None:
    """Some limits hold for every model, and only for meshes that use the axis."""
    assert code in judge(facts(), mesh(text), engine=engine).codes
    assert code not in judge(facts(), mesh("tp=2"), engine=engine).codes


def test_every_way_to_enforce_a_rule_has_a_bad_row() -> None:
    """A rule without a row is a rule nobody has seen fire."""
    rows = {(row.code, row.engine) for row in ALL_ROWS} | {(code, engine) for code, (engine, _) in ALWAYS.items()}
    shown = {
        (rule.code, rule.engines) for rule in all_rules() for engine in rule.engines if (rule.code, engine) in rows
    }
    assert {(rule.code, rule.engines) for rule in all_rules()} == shown


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", ["tp=2", "pp=2", "cp=2", "ep=2,dp_shard=2", "dp_shard=2", "tp=2,ep=2,dp_shard=2"])
def test_the_valid_model_passes(engine: str, text: str) -> None:
    """The builder is valid, or every test above would prove nothing."""
    codes = {violation.code for violation in judge(facts(), mesh(text), engine=engine).errors}
    assert codes <= {"PP011"}


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
def test_every_size_offered_instead_really_passes(row: Row) -> None:
    """A size among the alternatives is refused by no error rule of its axis."""
    known, asked = facts(**row.changes), mesh(row.mesh, **row.settings)
    for violation in judge(known, asked, engine=row.engine).violations:
        for size in violation.alternatives[:16]:
            changed = mesh(_with(asked, violation.axis, size), **row.settings)
            errors = judge(known, changed, engine=row.engine).errors
            assert not [error for error in errors if error.axis == violation.axis]


ABOUT_THE_MESH = frozenset(
    {
        *("MS002", "MS003", "MS004", "MS005", "MS006", "EP004", "EP005", "CP006", "PP011", "TP001", "TP005", "EP008"),
    }
)
"""Rules that can be broken by the mesh and its settings, whatever the model is."""

FROM_DECLARATION = [row for row in ALL_ROWS if "declared" in row.changes]
FROM_FACTS = [
    row
    for row in ALL_ROWS
    if row.changes and not row.settings and row not in FROM_DECLARATION and "executed" not in row.changes
]


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
def test_an_unknown_model_is_not_accused(row: Row) -> None:
    """When nothing is known of the model, only what the mesh alone breaks is an error."""
    report = judge(ModelFacts(), mesh(row.mesh, **row.settings), engine=row.engine)
    assert {error.code for error in report.errors} <= ABOUT_THE_MESH


@pytest.mark.parametrize("row", FROM_FACTS, ids=str)
def test_a_rule_that_lacks_a_fact_lists_it_as_unknown(row: Row) -> None:
    """Silence for want of a fact is not a verdict: the report names the rule and the fact."""
    report = judge(ModelFacts(), mesh(row.mesh), engine=row.engine)
    assert row.code in {fact.code for fact in report.unknown}


@pytest.mark.parametrize("row", FROM_DECLARATION, ids=str)
def test_an_unknown_declaration_leaves_the_axis_open(row: Row) -> None:
    """A class whose declaration depends on a config is neither refused for it nor for what it lacks."""
    report = judge(facts(tp_plan={}, pp_plan={}, ep_plan={}).without("declared"), mesh(row.mesh), engine=row.engine)
    assert [violation.code for violation in report.errors if violation.axis == mesh(row.mesh).used[0]] == []
    assert row.code in {fact.code for fact in report.unknown}


def test_a_trivial_mesh_passes_on_anything() -> None:
    """Sizes of 1 ask nothing of a model, whatever else was said."""
    for engine in ENGINES:
        report = judge(facts(tp_plan={}, world_size=8), mesh("tp=1", sequence_packing=True), engine=engine)
        assert report.ok
        assert report.violations == ()


def test_a_warning_does_not_refuse_the_mesh_unless_asked() -> None:
    """An empty stage is waste; `strict` makes it an error."""
    report = judge(facts(), mesh("pp=16"), engine="transformers")
    assert report.ok
    assert {violation.severity for violation in report.violations} == {Severity.WARNING}
    assert not report.strict().ok


def _with(asked: MeshSpec, axis: str, size: int) -> str:
    sizes = {used: asked.size(used) for used in asked.used} | {axis: size}
    return ",".join(f"{name}={value}" for name, value in sizes.items())
