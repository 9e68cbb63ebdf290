"""How far each axis goes in a world, and what stops it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final, NamedTuple

from meshfit.checking import judged
from meshfit.facts import ModelFacts
from meshfit.fitting.search import ORDER, all_divisors
from meshfit.mesh import MeshSpec
from meshfit.report import Report, Violation

__all__ = ["Limit", "least_refused", "limit"]

DENSE: Final = tuple(axis for axis in ORDER if axis != "ep")


class Limit(NamedTuple):
    """One axis in one world.

    Args:
        axis: its name.
        legal: the sizes that it has in legal meshes, ascending.
        refused: the next larger size that the world allows, which no legal mesh has; None where there is none.
        reason: why a mesh of that size is refused.
        elsewhere: sizes that would work in worlds that they divide, ascending.
    """

    axis: str
    legal: tuple[int, ...]
    refused: int | None = None
    reason: Violation | None = None
    elsewhere: tuple[int, ...] = ()


def limit(
    axis: str, legal: tuple[int, ...], facts: ModelFacts, engine: str, fixed: Mapping[str, int], *, strict: bool
) -> Limit:
    """What stops an axis at the largest of its legal sizes.

    Args:
        axis: one that is not fixed.
        legal: its sizes in the legal meshes of the world; not empty.
        facts: the model, with its world.
        engine: who runs the meshes.
        fixed: axis -> the one size that was tried.
        strict: count warnings as errors.
    """
    world = facts.world_size
    left = world if axis == "ep" else world // prod(size for name, size in fixed.items() if name != "ep")
    refused = next((size for size in all_divisors(left) if size > legal[-1]), None)
    if refused is None:
        return Limit(axis, legal)
    report = least_refused(facts, engine, {**fixed, axis: refused}, strict=strict)
    if report is None:
        return Limit(axis, legal, refused)
    of_axis = [error for error in report.errors if error.axis == axis]
    common = set[int].intersection(*(set(error.alternatives) for error in of_axis)) if of_axis else set[int]()
    elsewhere = sorted(size for size in common if size > 1 and left % size)
    return Limit(axis, legal, refused, (of_axis or list(report.errors))[0], tuple(elsewhere))


def least_refused(facts: ModelFacts, engine: str, fixed: Mapping[str, int], *, strict: bool) -> Report | None:
    """The refusal with the fewest errors among plain meshes with these sizes; None where each of them is legal.

    Plain ones give all ranks that are left to one axis. An error of an axis in `fixed` tells more than one of another.
    """
    least: tuple[tuple[int, int], Report] | None = None
    for mesh in _plain_meshes(facts.world_size, fixed):
        report = judged(facts, mesh, engine=engine, strict=strict)
        if report.ok:
            continue
        strangeness = sum(error.axis not in fixed for error in report.errors), len(report.errors)
        if least is None or strangeness < least[0]:
            least = strangeness, report
        if strangeness == (0, 1):
            break
    return least and least[1]


def _plain_meshes(world: int, fixed: Mapping[str, int]) -> Iterator[MeshSpec]:
    given: dict[str, Any] = {f"{axis}_size": size for axis, size in fixed.items()}
    left, over = divmod(world, prod(size for axis, size in fixed.items() if axis != "ep"))
    if over:
        return
    if left == 1:
        yield MeshSpec(**given)
        return
    for axis in reversed(DENSE):
        if axis not in fixed:
            yield MeshSpec(**{**given, f"{axis}_size": left})
