"""Which worlds a mesh fits, with the data axes that it leaves open filled up."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final, NamedTuple

from meshfit.facts import ModelFacts
from meshfit.fitting.search import ORDER, Sweep, refuse_huge
from meshfit.mesh import MeshSpec

__all__ = ["LARGEST_WORLD", "Worlds", "fitting_worlds", "fixed_by"]

LARGEST_WORLD: Final = 4096
"""Worlds up to this size are tried, or the mesh's own where it is larger."""

DATA: Final = ("dp_shard", "dp_replicate")


class Worlds(NamedTuple):
    """The worlds that a mesh fits.

    Args:
        ranks: of the mesh itself; every world that it could fit is a multiple of them.
        fitting: the worlds that it fits, ascending.
        largest: the largest that was tried.
    """

    ranks: int
    fitting: tuple[int, ...]
    largest: int

    @property
    def step(self) -> int | None:
        """The number of which every multiple fits, up to the largest that was tried, and nothing else does."""
        if not self.fitting:
            return None
        first = self.fitting[0]
        regular = self.fitting == tuple(range(first, self.largest + 1, first))
        return first if regular and len(self.fitting) > 1 else None


def fixed_by(mesh: MeshSpec) -> dict[str, int]:
    """The sizes that a mesh says: all of them but the data axes that it leaves out, which are free."""
    return {axis: mesh.size(axis) for axis in ORDER if axis not in DATA or mesh.size(axis) > 1}


def fitting_worlds(
    facts: ModelFacts,
    mesh: MeshSpec,
    engine: str,
    *,
    strict: bool = False,
    tell: Callable[[float], None] | None = None,
) -> Worlds:
    """The worlds up to `LARGEST_WORLD` that have a legal mesh with these sizes.

    Args:
        facts: the model; a world among them is not read.
        mesh: its sizes; a data axis of size 1 is free.
        engine: who runs it.
        strict: count warnings as errors.
        tell: called with the part of the work that is done, 0 to 1.

    Raises:
        MeshfitError: the mesh has more ranks than anybody.
    """
    fixed = fixed_by(mesh)
    ranks = prod(size for axis, size in fixed.items() if axis != "ep")
    refuse_huge(ranks)
    sweep = Sweep(facts, engine, strict=strict)
    full = all(axis in fixed for axis in DATA)
    largest = ranks if full else max(LARGEST_WORLD // ranks, 1) * ranks
    fitting = []
    for world in range(ranks, largest + 1, ranks):
        if world % mesh.ep_size == 0 and sweep.fits(world, fixed):
            fitting.append(world)
        if tell is not None:
            tell(world / largest)
    return Worlds(ranks, tuple(fitting), largest)
