"""One `Evidence` as a short row: figures as they are, all else as numbers of a pool that rows share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from meshfit.evidence import COMPARED, Compared, Evidence, Outcome
from meshfit.mesh import AXES, MeshSpec

__all__ = ["Pool", "evidence_of", "rounded", "row_of"]

_DIGITS: Final = 2
_MEBIBYTE: Final = 1 << 20
_TEXTS: Final = ("engine", "step", "reason", "date", "backend", "class_digest", "structure")
_MAPPINGS: Final = ("placed", "sizes", "config", "versions")
_SHARED: Final = (*_TEXTS, *_MAPPINGS)


class Pool:
    """Values that many rows hold, each once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        """Where the value is in `values`."""
        told = json.dumps(value)
        if told not in self._numbers:
            self._numbers[told] = len(self.values)
            self.values.append(value)
        return self._numbers[told]


def rounded(evidence: Evidence) -> Evidence:
    """The evidence with figures as an atlas keeps them: deviations to two digits, time to 0.1 s, memory to MiB."""
    compared = {
        name: each._replace(error=None if each.error is None else float(f"{each.error:.{_DIGITS}g}"))
        for name, each in evidence.compared.items()
    }
    memory = round(evidence.memory / _MEBIBYTE) * _MEBIBYTE
    return replace(evidence, compared=compared, seconds=round(evidence.seconds, 1), memory=memory)


def row_of(evidence: Evidence, pool: Pool) -> list[Any]:
    """The row of an evidence that is `rounded`; its class is told elsewhere."""
    compared = {name: [pool.number([each.state, each.where]), each.error] for name, each in evidence.compared.items()}
    texts = [getattr(evidence, name) for name in _TEXTS]
    mappings = [dict(getattr(evidence, name)) for name in _MAPPINGS]
    sizes = {axis: evidence.mesh.size(axis) for axis in evidence.mesh.used}
    known = [compared.pop(name, 0) for name in COMPARED]
    return [
        pool.number([evidence.outcome.value, sizes, list(evidence.notes), list(evidence.refused_by)]),
        *(pool.number(value) for value in (*texts, *mappings)),
        evidence.rank,
        evidence.seconds,
        evidence.memory // _MEBIBYTE,
        *known,
        *([compared] if compared else []),
    ]


def evidence_of(target: str, row: Sequence[Any], pool: Sequence[Any]) -> Evidence:
    """The evidence of a row. Raises LookupError, TypeError or ValueError for a row that `row_of` did not make."""
    outcome, sizes, notes, refused_by = pool[row[0]]
    shared_end = 1 + len(_SHARED)
    shared = {name: pool[number] for name, number in zip(_SHARED, row[1:shared_end], strict=True)}
    rank, seconds, memory, *results = row[shared_end:]
    found = dict(zip(COMPARED, results[: len(COMPARED)], strict=True))
    for further in results[len(COMPARED) :]:
        found.update(further)
    compared = {}
    for name, each in found.items():
        if each:
            state, where = pool[each[0]]
            compared[name] = Compared(state, each[1], where)
    mesh = MeshSpec(**{f"{axis}_size": sizes[axis] for axis in AXES if axis in sizes})
    return Evidence(
        target=target,
        mesh=mesh,
        outcome=Outcome(outcome),
        notes=tuple(notes),
        refused_by=tuple(refused_by),
        rank=rank,
        seconds=seconds,
        memory=memory * _MEBIBYTE,
        compared=compared,
        **shared,
    )
