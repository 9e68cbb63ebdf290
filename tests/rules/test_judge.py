"""The engine: order, who runs an axis, what `supports` promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import facts, mesh
from engine_rows import ALL_ROWS, Row
from hypothesis import given, strategies as st

from meshfit.facts import ModelFacts, Origin
from meshfit.report import Severity
from meshfit.rules.judge import axis_engine, judge, supports
from meshfit.rules.registry import rules_for


@pytest.mark.parametrize(
    ("engine", "axis", "runs"),
    [
        ("transformers", "cp", "accelerate"),
        ("transformers", "sp", "accelerate"),
        ("accelerate", "tp", "transformers"),
        ("accelerate", "ep", "transformers"),
        ("accelerate", "pp", "accelerate"),
        ("transformers", "tp", "transformers"),
        ("generic", "cp", "generic"),
    ],
)
def test_an_axis_goes_to_the_engine_that_runs_it(engine: str, axis: str, runs: str) -> None:
    """The library transformers has no context axis and accelerate no plans of its own."""
    assert axis_engine(facts(), engine, axis) == runs


def test_every_fault_is_reported_in_a_fixed_order() -> None:
    """The mesh first, then the axes in the order of reports, each by code."""
    bad = facts(tp_plan={}, ep_plan={}, pipeline_faults=(("needs-input-ids", "m.py:1"),), world_size=3)
    codes = judge(bad, mesh("tp=2,pp=2,ep=2"), engine="transformers").codes
    assert codes == ("MS001", "TP001", "PP003", "PP004", "EP001")


def test_a_violation_points_at_where_its_facts_were_read() -> None:
    """The origin of the head count goes into the violation about it."""
    place = Origin("config.json", line=14, pointer="/num_key_value_heads")
    known = facts().replace(origins={"num_key_value_heads": place})
    (violation,) = judge(known, mesh("tp=8"), engine="nemo").errors
    assert violation.origins == (place,)


def test_alternatives_satisfy_the_whole_axis() -> None:
    """Sizes that suit the key/value heads but not the query heads are not offered."""
    bad = facts(num_attention_heads=12, num_key_value_heads=8, heads_per_layer=(12,), kv_heads_per_layer=(8,))
    report = judge(bad, mesh("tp=3"), engine="nemo")
    assert report.codes == ("TP002",)
    assert report.errors[0].alternatives == (1, 2, 4)
    assert report.errors[0].help == "use tp_size 1, 2 or 4"


SIZE_FREE = [
    row
    for row in ALL_ROWS
    if not row.settings
    and any(
        rule.code == row.code and rule.size_free and rule.severity is Severity.ERROR
        for axis in ("tp", "pp", "cp", "ep", "dp_shard", "dp_replicate", "sp")
        for rule in rules_for(axis_engine(facts(), row.engine, axis), axis)
    )
]


@pytest.mark.parametrize("row", SIZE_FREE, ids=str)
def test_an_unsupported_axis_is_refused_at_every_size(row: Row) -> None:
    """`supports` False means that no mesh with that axis passes; True, that no size-free rule objects."""
    known = facts(**row.changes)
    axis = next(rule.axis for rule in rules_for(*_judged(row)) if rule.code == row.code)
    assert supports(facts(), axis, engine=row.engine)
    assert not supports(known, axis, engine=row.engine)
    for size in (2, 3, 4, 8):
        assert not judge(known, mesh(f"{axis}={size}"), engine=row.engine).ok


def _judged(row: Row) -> tuple[str, str]:
    names = {"TP": "tp", "PP": "pp", "CP": "cp", "EP": "ep", "SP": "sp", "DP": "dp_shard"}
    axis = "dp_replicate" if row.code in ("DP002", "DP010") else names[row.code[:2]]
    return axis_engine(facts(), row.engine, axis), axis


flags = st.booleans()
MODELS = st.fixed_dictionaries(
    {
        "tp_plan": st.sampled_from([{}, {"q": "colwise"}]),
        "registered_tp_plan": flags,
        "pp_plan": st.sampled_from([{}, {"layers": (["x"], ["x"])}]),
        "ep_plan": st.sampled_from([{}, {"experts": "grouped_gemm"}]),
        "moe_mixin": flags,
        "backend_attn": st.sampled_from([None, "te", "sdpa", "flex", "magi"]),
        "te_injected": flags,
        "owns_cp_attention": flags,
        "supports_cp_sdpa": flags,
        "supports_sdpa": flags,
        "is_hybrid": flags,
    }
)


def _context(model: dict[str, Any]) -> bool:
    """The table's sentence about context parallelism, written as a table."""
    backend = "te" if model["te_injected"] and model["backend_attn"] else model["backend_attn"]
    if model["owns_cp_attention"]:
        return True
    if backend is None:
        return model["supports_sdpa"] and not model["is_hybrid"]
    allowed = (
        {"te", "sdpa"} if model["is_hybrid"] else {"te", "magi"} | ({"sdpa"} if model["supports_cp_sdpa"] else set())
    )
    return backend in allowed


TABLE: dict[str, Callable[[dict[str, Any]], bool]] = {
    "tp": lambda model: bool(model["registered_tp_plan"] or model["tp_plan"]),
    "pp": lambda model: bool(model["pp_plan"] or model["moe_mixin"]),
    "cp": _context,
    "ep": lambda model: bool(model["moe_mixin"] or model["ep_plan"]),
}


@given(MODELS, st.sampled_from(["generic", "nemo"]))
def test_the_seed_rules_say_what_the_table_says(model: dict[str, Any], engine: str) -> None:
    """For every combination of what a model may bring, `supports` equals the table of capabilities."""
    known = ModelFacts(class_name="M", declared={}, **model)
    for axis, expected in TABLE.items():
        assert supports(known, axis, engine=engine) == expected(model), axis
        assert judge(known, mesh(f"{axis}=2"), engine="generic").ok == expected(model), axis


@given(MODELS, st.sampled_from(["tp", "pp", "cp", "ep"]), flags)
def test_a_declaration_stands_instead_of_the_observation(model: dict[str, Any], axis: str, declared: bool) -> None:
    """The verdict is the declared one, and a yes that nothing confirms is reported beside it."""
    known = ModelFacts(class_name="M", declared={axis: declared}, **model)
    report = judge(known, mesh(f"{axis}=2"), engine="generic")
    assert supports(known, axis, engine="generic") == declared == report.ok
    observed = TABLE[axis](model)
    assert any("declares" in violation.message for violation in report.violations) == (not declared or not observed)
