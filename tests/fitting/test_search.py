"""A sweep comes to what judging every mesh comes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.fitting.brute import DENSE, divisors, legal_meshes
from tests.rules.builders import PARAMETERS, facts, without

from meshfit.checking import judged
from meshfit.evidence import Evidence, Outcome
from meshfit.facts import ModelFacts
from meshfit.fitting.search import ORDER, Row, Sweep, all_divisors
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules import registry
from meshfit.rules.registry import Finding, Rule, engine_names

ENGINES = engine_names()

MODELS: dict[str, dict[str, Any]] = {
    "experts": {},
    "dense": {"num_experts": None, "ep_plan": {}, "gpus_per_node": 8, "seq_len": 4096},
    "odd": {
        "num_attention_heads": 12,
        "heads_per_layer": (12, 18),
        "num_key_value_heads": 6,
        "kv_heads_per_layer": (6,),
        "num_hidden_layers": 30,
        "num_experts": 24,
        "seq_len": 720,
        "gpus_per_node": 6,
    },
    "tied": {"tied_head": True, "backend_attn": "te", "is_hybrid": True, "mamba_heads": 4, "mamba_groups": 2},
    "unfit": {"tp_plan": {}, "pp_plan": {}, "fsdp_plan": {}, "supports_sdpa": False, "moe_mixin": True},
}


def model(name: str) -> ModelFacts:
    """One of the models above."""
    return facts(**MODELS[name])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("world", [1, 6, 8])
def test_a_sweep_lists_what_judging_every_mesh_lets_through(name: str, engine: str, world: int) -> None:
    """The same meshes, with as many warnings and unknown facts, in the same order."""
    found = Sweep(model(name), engine).meshes(world, {}, keep=None)
    assert list(found.rows) == legal_meshes(model(name), engine, world)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_sweep_is_exhaustive_for_every_world_up_to_64(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models take turns, each in one sweep: what it remembers of one world may not mislead it about another."""
    # what a violation offers instead, and which version it speaks of, take most of the time and refuse nothing
    monkeypatch.setattr("meshfit.rules.judge._advised", lambda found, *_: found)
    monkeypatch.setattr("meshfit.checking._versions", lambda _: {})
    names = sorted(MODELS)
    sweeps = {name: Sweep(model(name), engine) for name in names}
    for world in range(1, 65):
        name = names[world % len(names)]
        assert list(sweeps[name].meshes(world, {}, keep=None).rows) == legal_meshes(model(name), engine, world), world


@pytest.mark.parametrize("engine", ENGINES)
def test_strictly_a_mesh_with_a_warning_is_none(engine: str) -> None:
    """As `strict` reports have it."""
    found = Sweep(model("odd"), engine, strict=True).meshes(12, {}, keep=None)
    assert list(found.rows) == legal_meshes(model("odd"), engine, 12, strict=True)


COUNTS = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16, 64])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "num_key_value_heads": COUNTS,
        "num_attention_heads": COUNTS,
        "num_hidden_layers": COUNTS,
        "num_experts": st.none() | COUNTS,
        "seq_len": COUNTS,
        "gpus_per_node": COUNTS,
        "tied_head": st.booleans(),
        "is_hybrid": st.booleans(),
        "moe_mixin": st.booleans(),
        "supports_sdpa": st.booleans(),
        "linear_num_key_heads": st.none() | COUNTS,
        "parameters": st.just(without(PARAMETERS, "lm_head.weight")),
    },
)


@given(
    changes=CHANGES,
    missing=st.sets(st.sampled_from(sorted(dict(facts()))), max_size=4),
    engine=st.sampled_from(ENGINES),
    world=st.sampled_from([60, 64, 72, 96, 128, 144, 240, 512, 4096]),
    strict=st.booleans(),
    data=st.data(),
)
@settings(max_examples=300)
def test_any_mesh_is_listed_exactly_when_it_is_let_through(
    changes: dict[str, Any], missing: set[str], engine: str, world: int, strict: bool, data: st.DataObject
) -> None:
    """Whatever is known of the model and whatever is not, among all meshes that share three of its sizes."""
    known = facts(**changes).without(*missing)
    sizes = {"ep": data.draw(st.sampled_from(divisors(world)))}
    left = world
    for axis in data.draw(st.permutations(DENSE))[:-1]:
        sizes[axis] = data.draw(st.sampled_from(divisors(left)))
        left //= sizes[axis]
    sizes[next(axis for axis in ORDER if axis not in sizes)] = left
    asked = Row(0, 0, 0, tuple(sizes[axis] for axis in ORDER))
    report = judged(known.replace(world_size=world), asked.mesh, engine=engine, strict=strict)
    expected = [asked._replace(warnings=len(report.warnings), unknown=len(report.unknown))] if report.ok else []
    fixed = {axis: sizes[axis] for axis in data.draw(st.permutations(ORDER))[:3]}
    rows = Sweep(known, engine, strict=strict).meshes(world, fixed, keep=None).rows
    assert [row for row in rows if row.sizes == asked.sizes] == expected


# --- rules that nobody foresaw


@contextmanager
def _with_rule(axis: str, judge: Any) -> Iterator[None]:
    """One more rule, for the engine generic alone."""
    rules = list(registry.all_rules())
    more = Rule(
        "ZZ001", "zz-more", axis, ("generic",), Consequence.CLEAN, registry.Severity.ERROR, size_free=False, judge=judge
    )
    registry.add_rule(more)
    try:
        yield
    finally:
        registry._RULES[:] = rules
        registry._SELECTED.clear()


def _refuse(facts: ModelFacts, mesh: MeshSpec, when: bool) -> Iterator[Finding]:
    if when:
        yield Finding("no", "do else", facts=("world_size",))


STRANGE = {
    "not monotone": lambda f, m: _refuse(f, m, m.pp_size in (2, 8)),
    "of two axes": lambda f, m: _refuse(f, m, m.tp_size * m.pp_size == 4),
    "of all axes": lambda f, m: _refuse(f, m, len(m.used) > 2),
    "of the whole mesh": lambda f, m: _refuse(f, m, hash(m) % 3 == 0),
    "of the other order": lambda f, m: _refuse(f, m, m.dp_shard_size > m.tp_size and m.sp_size == 1),
    "of the world": lambda f, m: _refuse(f, m, f.world_size % 8 == 0 and m.cp_size > 1),
    "of a copy of the facts": lambda f, m: _refuse(f, m, f.replace(seq_len=1).world_size == 8 and m.cp_size > 1),
    "of a copy of the mesh": lambda f, m: _refuse(f, m, m.with_size("tp", 1).world_size % 3 == 0),
    "of a known world": lambda f, m: _refuse(f, m, f.knows("world_size") and m.world_size % 3 == 0),
    "of its text": lambda f, m: _refuse(f, m, "pp=2" in str(m)),
}


@pytest.mark.parametrize("judge", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("axis", ["mesh", "tp", "ep", "dp_shard"])
def test_a_sweep_assumes_nothing_of_a_rule(axis: str, judge: Any) -> None:
    """A rule of another package may hang on any size in any way."""
    with _with_rule(axis, judge):
        sweep = Sweep(model("experts"), "generic")
        for world in (6, 8):
            assert list(sweep.meshes(world, {}, keep=None).rows) == legal_meshes(model("experts"), "generic", world)


def test_a_rule_that_swallows_what_it_lacks_is_asked_again() -> None:
    """It asked for a size that was not known yet, so what it said then does not count."""

    def judge(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
        try:
            small = mesh.dp_shard_size == 1
        except LookupError:
            small = True
        return _refuse(facts, mesh, small)

    with _with_rule("tp", judge):
        rows = Sweep(model("dense"), "generic").meshes(8, {}, keep=None).rows
        assert list(rows) == legal_meshes(model("dense"), "generic", 8)


def test_a_rule_that_tells_one_thing_now_and_another_then_is_a_fault() -> None:
    """Better than a list that depends on luck."""
    calls = []

    def judge(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
        calls.append(mesh.tp_size if len(calls) % 2 else mesh.pp_size)
        return iter(())

    with _with_rule("mesh", judge), pytest.raises(RuntimeError, match="ZZ001"):
        Sweep(model("dense"), "generic").meshes(8, {}, keep=None)


# --- what is asked of it


@pytest.mark.parametrize("fixed", [{"tp": 2}, {"ep": 4}, {"dp_shard": 2}, {"tp": 2, "dp_shard": 4, "ep": 2}])
def test_a_fixed_axis_is_a_filter(fixed: dict[str, int]) -> None:
    """No more and no fewer meshes than the whole list has with that size."""
    sweep = Sweep(model("experts"), "nemo")
    every = sweep.meshes(16, {}, keep=None).rows
    of_size = [row for row in every if all(row.mesh.size(axis) == size for axis, size in fixed.items())]
    assert of_size
    assert list(sweep.meshes(16, fixed, keep=None).rows) == of_size


def test_where_every_axis_is_fixed_there_is_one_mesh_or_none() -> None:
    """It must cover the world."""
    sizes = dict.fromkeys(ORDER, 1)
    sweep = Sweep(model("dense"), "generic")
    assert sweep.meshes(8, {**sizes, "tp": 2, "dp_shard": 4}, keep=None).total == 1
    assert sweep.meshes(8, {**sizes, "tp": 2, "dp_shard": 2}, keep=None).total == 0


@pytest.mark.parametrize("keep", [0, 1, 10, 1000])
def test_the_rows_kept_are_the_best_of_all(keep: int) -> None:
    """Counts and sizes are those of all, whatever is kept."""
    sweep = Sweep(model("odd"), "transformers")
    every = sweep.meshes(24, {}, keep=None)
    some = sweep.meshes(24, {}, keep=keep)
    assert some == every._replace(rows=every.rows[:keep])
    assert every.total == len(every.rows)


def test_the_sizes_of_an_axis_are_those_it_has_in_some_mesh() -> None:
    """No more and no fewer, ascending."""
    found = Sweep(model("odd"), "torchtitan").meshes(24, {}, keep=None)
    for number, axis in enumerate(ORDER):
        assert found.legal[axis] == tuple(sorted({row.sizes[number] for row in found.rows}))


def test_a_world_fits_where_it_has_a_mesh() -> None:
    """Told without looking at the rest."""
    sweep = Sweep(model("dense"), "nemo")
    fits = [world for world in range(1, 33) if sweep.fits(world, {"tp": 4, "cp": 1, "sp": 1, "pp": 1, "ep": 1})]
    assert fits == list(range(4, 33, 4))


def test_the_work_done_is_told() -> None:
    """Rising to the whole."""
    told: list[float] = []
    Sweep(model("experts"), "generic", tell=told.append).meshes(12, {}, keep=1)
    assert told == sorted(told)
    assert told[-1] == 1


@given(st.integers(1, 5000))
def test_all_divisors_are_found(number: int) -> None:
    """As by trial."""
    assert list(all_divisors(number)) == divisors(number)


def test_axes_that_were_executed_come_first_among_equals() -> None:
    """Of meshes without a warning and without an unknown fact, those that a proof shows to work."""
    proof = Evidence(target="MyLM", mesh=MeshSpec(tp_size=2), engine="transformers", outcome=Outcome.WORKS)
    plain = Sweep(facts(gpus_per_node=8), "transformers").meshes(2, {}, keep=None)
    proven = Sweep(facts(gpus_per_node=8, executed={"tp": proof}), "transformers").meshes(2, {}, keep=None)
    assert {row.mesh for row in plain.rows} == {row.mesh for row in proven.rows}
    best = [row for row in proven.rows if (row.warnings, row.unknown) == proven.rows[0][:2]]
    assert best[0].mesh == MeshSpec(tp_size=2)
    assert plain.rows[0].mesh != best[0].mesh
