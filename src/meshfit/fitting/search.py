"""The legal meshes of a world, each left-out one by a rule that refuses it.

Sizes are given axis by axis. A rule that has asked for known sizes only, and refuses them, refuses every mesh that has
them (see `watched`), so those are not visited. Nothing is assumed of the rules: not that a larger size is worse,
not that axes are independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final, NamedTuple

from meshfit.facts import ModelFacts
from meshfit.fitting.memory import Asked, RuleMemory, Watched
from meshfit.fitting.watched import WORLD, Sizes
from meshfit.mesh import AXES, MeshSpec
from meshfit.rules.judge import axis_engine
from meshfit.rules.registry import rules_for

__all__ = ["ORDER", "Found", "Row", "Sweep", "all_divisors"]

ORDER: Final = ("tp", "pp", "cp", "ep", "sp", "dp_replicate", "dp_shard")
"""The order in which axes are kept small: those whose traffic is dearest first, the data axes take what is left."""

Pending = Sequence[tuple[RuleMemory, Asked]]


class Row(NamedTuple):
    """A legal mesh.

    Args:
        warnings, unknown: how many its report has.
        sizes: of the axes, in `ORDER`.
    """

    warnings: int
    unknown: int
    sizes: tuple[int, ...]

    @property
    def mesh(self) -> MeshSpec:
        """The mesh itself."""
        sizes: dict[str, Any] = {f"{axis}_size": size for axis, size in zip(ORDER, self.sizes, strict=True)}
        return MeshSpec(**sizes)


class Found(NamedTuple):
    """The legal meshes of one world.

    Args:
        total: how many there are.
        rows: the best of them, best first.
        legal: axis -> the sizes that it has in any of them, ascending.
    """

    total: int
    rows: tuple[Row, ...]
    legal: Mapping[str, tuple[int, ...]]


class Sweep:
    """One model under one engine, asked about all meshes of one world after another.

    Args:
        facts: the model.
        engine: who runs the meshes.
        strict: count warnings as errors.
        tell: called now and then with the part of the work that is done, 0 to 1.
    """

    def __init__(
        self,
        facts: ModelFacts,
        engine: str,
        *,
        strict: bool = False,
        tell: Callable[[float], None] | None = None,
    ) -> None:
        watched = Watched(facts, {}, strict=strict)
        self._rules = {
            axis: [RuleMemory(rule, watched) for rule in rules_for(axis_engine(facts, engine, axis), axis)]
            for axis in ("mesh", *AXES)
        }
        self._tell = tell or (lambda _: None)

    def meshes(self, world: int, fixed: Mapping[str, int], *, keep: int | None) -> Found:
        """The legal meshes of `world` ranks.

        The dense sizes of a mesh have the world as their product. `ep` lays the same ranks out again: its sizes are the
        divisors of the world.

        Args:
            world: ranks, at least 1.
            fixed: axis -> the one size to try.
            keep: rows to keep; None for all.
        """
        kept: dict[tuple[int, int], list[Row]] = {}
        legal: dict[str, set[int]] = {axis: set() for axis in ORDER}
        count = 0
        for row in self._walk(world, fixed):
            count += 1
            rows = kept.setdefault(row[:2], [])
            # rows come smallest sizes first, so the first of each quality are the best of it
            if keep is None or len(rows) < keep:
                rows.append(row)
            for axis, size in zip(ORDER, row.sizes, strict=True):
                legal[axis].add(size)
        best = [row for quality in sorted(kept) for row in kept[quality]]
        return Found(count, tuple(best[:keep]), {axis: tuple(sorted(sizes)) for axis, sizes in legal.items()})

    def fits(self, world: int, fixed: Mapping[str, int]) -> bool:
        """Whether any mesh of the world is legal."""
        return next(self._walk(world, fixed), None) is not None

    def _walk(self, world: int, fixed: Mapping[str, int]) -> Iterator[Row]:
        left, over = divmod(world, prod(size for axis, size in fixed.items() if axis != "ep"))
        free = [axis for axis in ORDER if axis not in fixed and axis != "ep"]
        if over or (left != 1 and not free):
            return
        sizes = {WORLD: world}
        judged = self._judge(WORLD, 1, [(memory, memory.start) for memory in self._rules["mesh"]], sizes)
        if judged is not None:
            start = _Place(0, left, *judged)
            yield from self._visit(start, sizes, fixed, _Choices(world, free[-1] if free else ""))

    def _visit(self, place: _Place, sizes: Sizes, fixed: Mapping[str, int], choices: _Choices) -> Iterator[Row]:
        depth, left, warnings, unknown, pending = place
        if depth == len(ORDER):
            yield Row(warnings, unknown, tuple([sizes[axis] for axis in ORDER]))
            return
        axis = ORDER[depth]
        known = axis in fixed
        tried = (fixed[axis],) if known else choices.of(axis, left)
        for number, size in enumerate(tried):
            sizes[axis] = size
            judged = self._judge(axis, size, pending, sizes)
            if judged is not None:
                rest = left if known or axis == "ep" else left // size
                below = _Place(depth + 1, rest, warnings + judged[0], unknown + judged[1], judged[2])
                yield from self._visit(below, sizes, fixed, choices)
            if depth == 0:
                self._tell((number + 1) / len(tried))
        del sizes[axis]

    def _judge(
        self, axis: str, size: int, pending: Pending, sizes: Sizes
    ) -> tuple[int, int, list[tuple[RuleMemory, Asked]]] | None:
        """What the rules say once `axis` has that size: warnings, unknown facts, rules still open; None: refused.

        The rules that are pending ask for sizes that were not known before; those of the axis run where it is used.
        """
        warnings = unknown = 0
        still = []
        for memory, point in pending:
            if point.axis is not None and point.axis != axis:
                still.append((memory, point))
                continue
            reached = memory.follow(point, sizes)
            outcome = reached.outcome
            if outcome is None:
                still.append((memory, reached))
            elif outcome.refuses:
                return None
            else:
                warnings += outcome.warnings
                unknown += outcome.unknown
        if size > 1:
            for memory in self._rules[axis]:
                reached = memory.follow(memory.start, sizes)
                outcome = reached.outcome
                if outcome is None:
                    still.append((memory, reached))
                elif outcome.refuses:
                    return None
                else:
                    warnings += outcome.warnings
                    unknown += outcome.unknown
        return warnings, unknown, still


class _Place(NamedTuple):
    """How far sizes are given: so many axes, with so many ranks left to share out, and what was said so far."""

    depth: int
    left: int
    warnings: int
    unknown: int
    pending: Pending


class _Choices:
    """The sizes to try for an axis, when so many ranks are left."""

    def __init__(self, world: int, last: str) -> None:
        self._world = world
        self._last = last
        self._divisors: dict[int, tuple[int, ...]] = {}

    def of(self, axis: str, left: int) -> tuple[int, ...]:
        if axis == self._last:
            return (left,)
        number = self._world if axis == "ep" else left
        found = self._divisors.get(number)
        if found is None:
            found = self._divisors[number] = all_divisors(number)
        return found


def all_divisors(number: int) -> tuple[int, ...]:
    """Every divisor of `number` (>= 1), ascending."""
    small = [size for size in range(1, int(number**0.5) + 1) if number % size == 0]
    return tuple(sorted({*small, *(number // size for size in small)}))
