"""The answer to "which meshes of this world does the model fit?", with what a reader wants to know of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple

from meshfit.checking import judged
from meshfit.errors import MeshfitError
from meshfit.facts import ModelFacts
from meshfit.fitting.limits import Limit, least_refused, limit
from meshfit.fitting.multiples import Multiples, multiples
from meshfit.fitting.search import ORDER, Row, Sweep, refuse_huge
from meshfit.fitting.weights import weight_bytes
from meshfit.report import Report

__all__ = ["Choice", "Fit", "fit"]

Tell = Callable[[float], None]


class Choice(NamedTuple):
    """One legal mesh.

    Args:
        report: what `check` says of it.
        weight_bytes: bytes of weights on the fullest rank; None where not known.
        multiples: what lengths are padded to.
    """

    report: Report
    weight_bytes: int | None
    multiples: Multiples


class Fit(NamedTuple):
    """The meshes of one world that a model fits.

    Args:
        target: the model class.
        engine: who runs the meshes.
        world: ranks.
        fixed: axis -> the one size that was tried.
        total: how many meshes fit.
        choices: the best of them, best first.
        limits: how far each axis goes that is not fixed; empty where nothing fits.
        refusal: why nothing fits; None where something does.
    """

    target: str
    engine: str
    world: int
    fixed: Mapping[str, int]
    total: int
    choices: tuple[Choice, ...]
    limits: tuple[Limit, ...]
    refusal: Report | None


def fit(
    facts: ModelFacts,
    engine: str,
    *,
    fixed: Mapping[str, int] | None = None,
    keep: int | None = 10,
    strict: bool = False,
    tell: Tell | None = None,
) -> Fit:
    """The legal meshes of a world: fewest warnings first, then fewest unknown facts, then executed axes, then smallest.

    A mesh is legal when its report is ok. Its dense sizes have the world as their product; `ep` lays the same ranks out
    again, so its size is a divisor of the world.

    Args:
        facts: the model, with its world.
        engine: who runs the meshes.
        fixed: axis -> the one size to try.
        keep: meshes to describe; None for all.
        strict: count warnings as errors.
        tell: called now and then with the part of the work that is done, 0 to 1.

    Raises:
        MeshfitError: the world is too large, or the fixed sizes cannot make it up.
    """
    given = dict(fixed or {})
    world = facts.world_size
    _refuse_impossible(world, given)
    whole = keep is None
    found = Sweep(facts, engine, strict=strict, tell=tell if not whole else _half(tell, 0)).meshes(
        world, given, keep=keep
    )
    describing = _half(tell, 1) if whole else None
    choices = []
    for number, row in enumerate(found.rows):
        choices.append(_described(row, facts, engine, strict=strict))
        if describing is not None:
            describing((number + 1) / len(found.rows))
    free = [axis for axis in ORDER if axis not in given and found.total]
    return Fit(
        target=facts.class_name if facts.knows("class_name") else "model",
        engine=engine,
        world=world,
        fixed=given,
        total=found.total,
        choices=tuple(choices),
        limits=tuple(limit(axis, found.legal[axis], facts, engine, given, strict=strict) for axis in free),
        refusal=None if found.total else least_refused(facts, engine, given, strict=strict),
    )


def _described(row: Row, facts: ModelFacts, engine: str, *, strict: bool) -> Choice:
    mesh = row.mesh
    report = judged(facts, mesh, engine=engine, strict=strict)
    if not report.ok or (len(report.warnings), len(report.unknown)) != row[:2]:
        raise RuntimeError(f"the sweep and the judge differ on {mesh}")
    return Choice(report, weight_bytes(facts, mesh, engine), multiples(facts, mesh, engine))


def _refuse_impossible(world: int, fixed: Mapping[str, int]) -> None:
    refuse_huge(world)
    dense = {axis: size for axis, size in fixed.items() if axis != "ep"}
    ranks = prod(dense.values())
    told = ",".join(f"{axis}={size}" for axis, size in dense.items() if size > 1)
    if world % ranks:
        raise MeshfitError(f"no mesh of {world} ranks has {told}: {world} is not a multiple of {ranks}")
    if len(dense) == len(ORDER) - 1 and world != ranks:
        raise MeshfitError(f"{told or 'one device'} has {ranks} ranks, not {world}; leave an axis open")
    if world % fixed.get("ep", 1):
        raise MeshfitError(f"no mesh of {world} ranks has ep={fixed['ep']}: ep lays the same ranks out again")


def _half(tell: Tell | None, half: int) -> Tell | None:
    """The first or the second half of the work, as a part of the whole."""
    return None if tell is None else lambda part: tell((half + part) / 2)
