"""Which worlds a mesh fits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fitting.brute import divisors
from tests.fitting.test_search import ENGINES
from tests.rules.builders import facts

from meshfit.checking import judged
from meshfit.fitting.worlds import Worlds, fitting_worlds, fixed_by
from meshfit.mesh import MeshSpec


def worlds(text: str, engine: str = "transformers", **changes: Any) -> Worlds:
    """The worlds that a mesh of the sound model fits."""
    return fitting_worlds(facts(**changes), MeshSpec.parse(text), engine)


def test_a_mesh_fits_every_multiple_of_its_ranks() -> None:
    """The data axes that it leaves out take the rest."""
    found = worlds("tp=4")
    assert (found.ranks, found.step, found.largest) == (4, 4, 4096)


def test_a_pipeline_of_transformers_fits_its_own_ranks_alone() -> None:
    """It has no data axis beside it."""
    found = worlds("pp=2")
    assert (found.fitting, found.step) == ((2,), None)


def test_experts_ask_for_more_ranks_than_the_mesh_has() -> None:
    """Eight ranks must share what four tensor groups hold."""
    assert worlds("tp=2,ep=8").step == 8


def test_a_mesh_that_is_refused_fits_no_world() -> None:
    """Four key/value heads cannot be cut in eight."""
    assert worlds("tp=8").fitting == ()


def test_a_data_axis_that_is_given_is_not_filled_up() -> None:
    """The other one is."""
    assert fixed_by(MeshSpec(tp_size=2, dp_shard_size=4)) == {
        **dict.fromkeys(("pp", "cp", "ep", "sp"), 1),
        "tp": 2,
        "dp_shard": 4,
    }
    assert worlds("tp=2,dp_shard=4").step == 8


def test_a_mesh_that_gives_both_data_axes_fits_one_world() -> None:
    """Nothing is left to fill up."""
    assert worlds("tp=2,dp_shard=4,dp_replicate=2") == Worlds(16, (16,), 16)


@pytest.mark.parametrize(
    ("fitting", "step"),
    [((4, 8, 12, 16), 4), ((8, 16), 8), ((4,), None), ((4, 12), None), ((), None), ((16,), None), ((4, 8, 12), None)],
)
def test_a_step_is_told_when_its_multiples_fit_and_nothing_else(fitting: tuple[int, ...], step: int | None) -> None:
    """Up to the largest world that was tried."""
    assert Worlds(4, fitting, 16).step == step


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", ["tp=2", "pp=2", "cp=2", "ep=4", "tp=2,ep=4", "dp_shard=2,ep=4"])
def test_a_world_fits_exactly_when_check_lets_some_mesh_of_it_through(text: str, engine: str) -> None:
    """Every way to share what is left over the data axes that are free."""
    given = MeshSpec.parse(text)
    found = worlds(text, engine)

    def legal(world: int) -> bool:
        known = facts(world_size=world)
        left, over = divmod(world, given.world_size)
        if over or world % given.ep_size:
            return False
        for replicas in divisors(left):
            shards = left // replicas if given.dp_shard_size == 1 else given.dp_shard_size
            mesh = given.with_size("dp_replicate", replicas).with_size("dp_shard", shards)
            if mesh.world_size == world and judged(known, mesh, engine=engine).ok:
                return True
        return False

    assert [world for world in found.fitting if world <= 48] == [world for world in range(1, 49) if legal(world)]


def test_the_work_done_is_told() -> None:
    """Rising to the whole."""
    told: list[float] = []
    fitting_worlds(facts(), MeshSpec(tp_size=256), "generic", tell=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
