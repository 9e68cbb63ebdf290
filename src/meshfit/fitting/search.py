"""The legal meshes of a world, each left-out one by a rule that refuses it.

Sizes are given axis by axis. A rule that has asked for known sizes only, and refuses them, refuses every mesh that has
them (see `watched`), so those are not visited. Nothing is assumed of the rules: not that a larger size is worse,
not that axes are independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final, NamedTuple

from meshfit.errors import MeshfitError
from meshfit.facts import ModelFacts
from meshfit.fitting.memory import Asked, RuleMemory, Watched
from meshfit.fitting.watched import WORLD, Sizes
from meshfit.mesh import AXES, MeshSpec
from meshfit.rules.judge import axis_engine
from meshfit.rules.proofs import proven_axes
from meshfit.rules.registry import rules_for

__all__ = ["ORDER", "Found", "Row", "Sweep", "all_divisors", "refuse_huge"]

ORDER: Final = ("tp", "pp", "cp", "ep", "sp", "dp_replicate", "dp_shard")
"""The order in which axes are kept small: those whose traffic is dearest first, the data axes take what is left."""

LARGEST: Final = 1_000_000
"""Ranks of the largest world; nobody has more, and divisors of huge numbers take long to find."""

Pending = Sequence[tuple[RuleMemory, Asked]]


class Row(NamedTuple):
    """A legal mesh.

    Args:
        warnings, unknown: how many its report has.
        unproven: axes of it that no proof by execution shows to work; 0 where nothing of the model was executed.
        sizes: of the axes, in `ORDER`.
    """

    warnings: int
    unknown: int
    unproven: int
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
        self._proven = proven_axes(facts, engine)
        self._begun = 0.0, 1.0

    def meshes(self, world: int, fixed: Mapping[str, int], *, keep: int | None) -> Found:
        """The legal meshes of `world` ranks.

        The dense sizes of a mesh have the world as their product. `ep` lays the same ranks out again: its sizes are the
        divisors of the world.

        Args:
            world: ranks, at least 1.
            fixed: axis -> the one size to try.
            keep: rows to keep; None for all.
        """
        walk = _Walk(self._rules, world, fixed, keep, self._tell, proven=self._proven)
        walk.run()
        best = [row for quality in sorted(walk.kept) for row in walk.kept[quality]]
        legal = {axis: tuple(sorted(sizes)) for axis, sizes in walk.legal.items()}
        return Found(walk.total, tuple(best[:keep]), legal)

    def fits(self, world: int, fixed: Mapping[str, int]) -> bool:
        """Whether any mesh of the world is legal."""
        return _Walk(self._rules, world, fixed, 0, self._tell, first_only=True).run()


class _Walk:
    """One way through the sizes of a world, axis by axis, that leaves a size out once a rule refuses it.

    Args:
        rules: axis, or "mesh" -> the rules that judge it.
        world, fixed, keep, tell: as `Sweep` has them.
        proven: axes that a proof by execution shows to work.
        first_only: stop at the first legal mesh.
    """

    def __init__(
        self,
        rules: Mapping[str, Sequence[RuleMemory]],
        world: int,
        fixed: Mapping[str, int],
        keep: int | None,
        tell: Callable[[float], None],
        *,
        proven: frozenset[str] = frozenset(),
        first_only: bool = False,
    ) -> None:
        self.total = 0
        self.kept: dict[tuple[int, int, int], list[Row]] = {}
        self.legal: dict[str, set[int]] = {axis: set() for axis in ORDER}
        self._rules = rules
        self._fixed = fixed
        self._keep = keep
        self._tell = tell
        self._first_only = first_only
        self._proven = proven
        self._sizes: Sizes = {WORLD: world}
        free = [axis for axis in ORDER if axis not in fixed and axis != "ep"]
        self._choices = _Choices(world, free[-1] if free else "")
        self._left, over = divmod(world, prod(size for axis, size in fixed.items() if axis != "ep"))
        self._possible = not over and (bool(free) or self._left == 1)
        self._begun = 0.0, 1.0

    def run(self) -> bool:
        """Whether there is a legal mesh."""
        start = [(memory, memory.start) for memory in self._rules["mesh"]]
        judged = self._judged(WORLD, (), start) if self._possible else None
        return judged is not None and self._visit(0, self._left, *judged)

    def _visit(self, depth: int, left: int, warnings: int, unknown: int, pending: Pending) -> bool:
        """Whether a legal mesh has the sizes that are given so far; those that are found are counted and kept."""
        if depth == len(ORDER):
            self._take(warnings, unknown)
            return True
        axis = ORDER[depth]
        known = self._fixed.get(axis)
        tried = self._choices.of(axis, left) if known is None else (known,)
        shared = known is None and axis != "ep"
        waited_for = any(point.axis == axis for _, point in pending)
        any_found = False
        for number, size in enumerate(tried):
            self._sizes[axis] = size
            if depth == 0:
                self._begun = number / len(tried), 1 / len(tried)
            rules = self._rules[axis] if size > 1 else ()
            judged = self._judged(axis, rules, pending) if rules or waited_for else (0, 0, pending)
            if judged is not None:
                more, lacking, still = judged
                rest = left // size if shared else left
                if self._visit(depth + 1, rest, warnings + more, unknown + lacking, still):
                    self.legal[axis].add(size)
                    any_found = True
                    if self._first_only:
                        break
            if depth <= 1:
                begun, share = self._begun
                self._tell(begun + share * ((number + 1) / len(tried) if depth else 1))
        del self._sizes[axis]
        return any_found

    def _take(self, warnings: int, unknown: int) -> None:
        self.total += 1
        unproven = sum(self._sizes[axis] > 1 and axis not in self._proven for axis in ORDER) if self._proven else 0
        rows = self.kept.setdefault((warnings, unknown, unproven), [])
        # meshes come smallest sizes first, so the first of each quality are the best of it
        if self._keep is None or len(rows) < self._keep:
            rows.append(Row(warnings, unknown, unproven, tuple([self._sizes[axis] for axis in ORDER])))

    def _judged(self, axis: str, rules: Sequence[RuleMemory], pending: Pending) -> tuple[int, int, Pending] | None:
        """What is said once `axis` has its size: warnings, unknown facts, and which rules are open; None: refused.

        Rules that are pending ask for sizes that were not known before; `rules` are those of the axis itself.
        """
        warnings = unknown = 0
        still = []
        for memory, point in (*pending, *((memory, memory.start) for memory in rules)):
            if point.axis is not None and point.axis != axis and point is not memory.start:
                still.append((memory, point))
                continue
            reached = memory.follow(point, self._sizes)
            outcome = reached.outcome
            if outcome is None:
                still.append((memory, reached))
            elif outcome.refuses:
                return None
            else:
                warnings += outcome.warnings
                unknown += outcome.unknown
        return warnings, unknown, still


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


def refuse_huge(world: int) -> None:
    """Raise MeshfitError for more ranks than there are anywhere."""
    if world > LARGEST:
        raise MeshfitError(f"a world has at most {LARGEST} ranks here, got {world}")
