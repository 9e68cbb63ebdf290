"""How far an axis goes, and what is quoted as the reason."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fitting.test_search import ENGINES, MODELS, model
from tests.rules.builders import facts

from meshfit.checking import judged
from meshfit.fitting.answer import fit
from meshfit.fitting.limits import Limit, least_refused
from meshfit.fitting.search import ORDER, all_divisors


def limits(engine: str = "transformers", world: int = 16, fixed: Any = None, **changes: Any) -> dict[str, Limit]:
    """The limits of a model that is one change away from the sound one."""
    found = fit(facts(world_size=world, **changes), engine, fixed=fixed)
    return {each.axis: each for each in found.limits}


def test_the_largest_size_comes_with_what_refuses_the_next() -> None:
    """The message of the rule, with both numbers."""
    tp = limits()["tp"]
    assert (tp.legal, tp.refused) == ((1, 2, 4), 8)
    assert tp.reason is not None
    assert tp.reason.message == "num_key_value_heads (4) is not divisible by tp_size (8)"


def test_an_axis_that_goes_through_the_whole_world_has_no_reason() -> None:
    """Nothing stops it."""
    assert limits()["dp_shard"] == Limit("dp_shard", (1, 2, 4, 8, 16))


def test_an_axis_that_does_not_work_at_all_says_why_at_the_smallest_size() -> None:
    """A model without a plan."""
    tp = limits(tp_plan={})["tp"]
    assert (tp.legal, tp.refused) == ((1,), 2)
    assert tp.reason is not None
    assert tp.reason.code == "TP001"


def test_sizes_that_the_world_does_not_allow_are_told_apart() -> None:
    """Three ranks would suit twelve heads, in a world of other size."""
    tp = limits(
        num_key_value_heads=12, num_attention_heads=24, engine="nemo", heads_per_layer=(24,), kv_heads_per_layer=(12,)
    )["tp"]
    assert (tp.legal, tp.refused, tp.elsewhere) == ((1, 2, 4), 8, (3, 6, 12))


def test_a_fixed_axis_bounds_the_others() -> None:
    """Four of sixteen ranks are left, and the fixed axis has no limit of its own."""
    found = limits(fixed={"tp": 4})
    assert "tp" not in found
    assert found["dp_shard"].legal == (1, 2, 4)


def test_what_two_axes_refuse_together_is_told() -> None:
    """Token dispatch and a pipeline exclude each other under transformers."""
    pp = limits(fixed={"ep": 4})["pp"]
    assert pp.legal == (1,)
    assert pp.reason is not None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_no_legal_mesh_has_the_size_that_is_called_refused(name: str, engine: str) -> None:
    """And every limit that has a larger size to try has a reason for not having it."""
    known = model(name).replace(world_size=12)
    found = fit(known, engine, keep=None)
    for limit in found.limits:
        larger = [size for size in all_divisors(12) if size > limit.legal[-1]]
        assert limit.refused == (larger[0] if larger else None)
        assert (limit.reason is None) == (limit.refused is None)
        sizes = {choice.report.mesh.size(limit.axis) for choice in found.choices}
        assert tuple(sorted(sizes)) == limit.legal


def test_the_nearest_of_the_refused_meshes_has_the_fewest_errors() -> None:
    """One that breaks rules of the asked axis alone."""
    report = least_refused(facts(world_size=16), "transformers", {"tp": 8}, strict=False)
    assert report is not None
    assert {error.axis for error in report.errors} == {"tp"}


def test_where_every_plain_mesh_is_legal_there_is_none_to_show() -> None:
    """Nothing was refused."""
    assert least_refused(facts(world_size=4), "transformers", {"tp": 4}, strict=False) is None


def test_every_axis_has_a_place_in_the_order() -> None:
    """An axis that is left out of the order would never be tried."""
    report = judged(facts(), facts_mesh(), engine="generic")
    assert set(report.mesh.used) == set(ORDER)


def facts_mesh() -> Any:
    """A mesh that uses every axis there is."""
    from meshfit.mesh import AXES, MeshSpec

    return MeshSpec(**{f"{axis}_size": 2 for axis in AXES})
