"""What differs between two atlases, such as those of two versions of transformers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from meshfit.evidence import Evidence, Outcome

__all__ = ["KINDS", "Change", "Kind", "changes"]

Kind = Literal["worse", "better", "no longer decided", "decided now", "appeared", "vanished"]

KINDS: Final[Mapping[Kind, str]] = {
    "worse": "the model runs less well than it did",
    "better": "it runs better",
    "no longer decided": "nothing can be said any more",
    "decided now": "something can be said now",
    "appeared": "only the new atlas has it",
    "vanished": "only the old atlas has it",
}
"""What can have become of a class on a mesh, the worst first."""

_BADNESS: Final = (*(Outcome.WORKS, Outcome.CLEAN, Outcome.VACUOUS, Outcome.LATE, Outcome.HANG, Outcome.SILENT),)
"""From what one wants to what one fears: an early error costs less than a late one, and a wrong number the most."""

_Key = tuple[str, str, str]


class Change(NamedTuple):
    """What became of a class on a mesh.

    Args:
        kind: one of `KINDS`.
        old: the earlier evidence, None where it appeared.
        new: the later evidence, None where it vanished.
    """

    kind: Kind
    old: Evidence | None
    new: Evidence | None

    @property
    def evidence(self) -> Evidence:
        """The later evidence, or the earlier where there is none."""
        found = self.new or self.old
        assert found is not None
        return found


def changes(old: Iterable[Evidence], new: Iterable[Evidence], *, common: bool = False) -> tuple[Change, ...]:
    """Each class and mesh whose outcome differs, by kind in the order of `KINDS`, then by class.

    Args:
        old: the earlier evidence.
        new: the later evidence.
        common: leave out what only one of them has.
    """
    before, after = _grouped(old), _grouped(new)
    found = []
    for key in {**before, **after}:
        for one, other in _pairs(before.get(key, ()), after.get(key, ())):
            kind = _kind(one, other)
            if kind is not None and not (common and kind in ("appeared", "vanished")):
                found.append(Change(kind, one, other))
    order = list(KINDS)
    return tuple(sorted(found, key=lambda change: (order.index(change.kind), change.evidence.target)))


def _grouped(evidence: Iterable[Evidence]) -> dict[_Key, list[Evidence]]:
    found: dict[_Key, list[Evidence]] = {}
    for each in evidence:
        found.setdefault((each.target, str(each.mesh), each.engine), []).append(each)
    return found


def _pairs(old: Sequence[Evidence], new: Sequence[Evidence]) -> Iterator[tuple[Evidence | None, Evidence | None]]:
    """The same structure of the config with itself; one with the only other one, since code may change a structure."""
    if len(old) == len(new) == 1:
        yield old[0], new[0]
        return
    after = {each.structure: each for each in new}
    for one in old:
        yield one, after.pop(one.structure, None)
    for other in after.values():
        yield None, other


def _kind(old: Evidence | None, new: Evidence | None) -> Kind | None:
    if old is None or new is None:
        return "appeared" if old is None else "vanished"
    if old.outcome is new.outcome:
        return None
    if new.outcome is Outcome.UNDECIDED:
        return "no longer decided"
    if old.outcome is Outcome.UNDECIDED:
        return "decided now"
    return "worse" if _BADNESS.index(new.outcome) > _BADNESS.index(old.outcome) else "better"
