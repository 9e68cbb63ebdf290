"""`Evidence`: what happened when one model ran on one mesh. A value; `meshfit.proof` makes it, readers look it up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from meshfit.errors import MeshfitError
from meshfit.mesh import MeshSpec

__all__ = ["COMPARED", "SCHEMA", "Compared", "Evidence", "EvidenceError", "Outcome", "axes_of", "read_evidence"]

SCHEMA: Final = 1
"""The version of the JSON form."""

COMPARED: Final = ("logits", "gradients", "loss", "tokens", "reload")
"""What the ranks are compared in with one process: logits of the forward, every gradient, the loss of given labels, a
few greedily generated tokens, and the logits after a save and a reload."""


class EvidenceError(MeshfitError, ValueError):
    """A file of evidence cannot be read."""


class Outcome(str, Enum):
    """How a proof ended."""

    WORKS = "works"
    SILENT = "silent mismatch"
    """Ran to the end and computed something else than one process."""
    LATE = "late error"
    """Raised after the weights had loaded, or a rank died."""
    CLEAN = "clean error"
    """Refused before anything ran: while the weights loaded, or by the engine's own check."""
    VACUOUS = "vacuous"
    """Ran and equals one process, because nothing that matters was sharded, split or placed."""
    HANG = "hang"
    """Ranks waited for each other until the limit."""
    UNDECIDED = "undecided"
    """Nothing can be said: `reason` tells why (memory, a limit of the CPU, a model that does not run at all)."""

    @property
    def told(self) -> str:
        """The outcome as the end of a sentence: `tp=2 works`, `tp=2 ended in a late error`."""
        if self is Outcome.WORKS:
            return str(self.value)
        return f"ended in a {self.value}" if self in _NOUNS else f"is {self.value}"

    @property
    def works(self) -> bool | None:
        """Whether the mesh runs the model; None where the proof decides nothing."""
        return None if self is Outcome.UNDECIDED else self is Outcome.WORKS


_NOUNS: Final = frozenset({Outcome.SILENT, Outcome.LATE, Outcome.CLEAN, Outcome.HANG})


class Compared(NamedTuple):
    """One comparison of the ranks with one process.

    Args:
        state: `equal`, `different`, `failed` (raised), or `left out` (does not apply, or was not reached).
        error: largest deviation, relative to the largest value compared; None when nothing was compared.
        where: the parameter, rank or position of that deviation, or why it was left out.
    """

    state: Literal["equal", "different", "failed", "left out"]
    error: float | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What happened when a small twin of one model ran on one mesh, compared with one process.

    Args:
        target: the model class.
        mesh: the sizes that really ran, one process a rank.
        engine: who ran it.
        outcome: how it ended.
        step: where it ended: `build`, `load`, `forward`, `backward`, `generate`, `save`, `reload`, `compare`; empty
            when it worked.
        reason: the first line of the first failing rank's own error, or what differed; empty when it worked.
        rank: the rank that failed first.
        compared: each of `COMPARED` to its result.
        placed: counts of what was really sharded, split or placed: `sharded` of `body` parameters (tp, fsdp), `stages`
            that hold a layer (pp), `experts` on the rank that holds most of `all experts` (ep), `tokens` a rank (cp).
        sizes: of the twin, under transformers' names.
        config: of the twin, as `config.json` holds it: with the class, all that is needed to run the proof again.
        versions: of python, torch, transformers, accelerate, meshfit.
        date: ISO 8601 day, UTC.
        seconds: wall time of the ranks.
        memory: peak bytes of the largest rank.
        backend: `gloo` or `nccl`.
        notes: what else a reader must know, such as a mapping that only a CPU needs.
        class_digest: of the source that decides the class; empty when there is none.
        structure: of the size-free structure of the config; empty when it is not known.
        refused_by: codes of the errors that the rules alone had against the twin on this mesh.
    """

    target: str
    mesh: MeshSpec
    engine: str
    outcome: Outcome
    step: str = ""
    reason: str = ""
    rank: int | None = None
    compared: Mapping[str, Compared] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    placed: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False, repr=False)
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    date: str = ""
    seconds: float = 0.0
    memory: int = 0
    backend: str = "gloo"
    notes: tuple[str, ...] = ()
    class_digest: str = ""
    structure: str = ""
    refused_by: tuple[str, ...] = ()

    @property
    def disagrees(self) -> bool:
        """Whether rules alone would have said something else than what happened."""
        works = self.outcome.works
        return works is not None and works is bool(self.refused_by)

    @property
    def axes(self) -> str:
        """The axes that ran, joined (`tp`, `ep+tp`, `ep+fsdp`): size-free questions are settled by them."""
        return axes_of(self.mesh)

    def summary(self) -> dict[str, Any]:
        """What a report says of the evidence, as JSON holds it."""
        return {
            "mesh": {f"{axis}_size": self.mesh.size(axis) for axis in self.mesh.used},
            "outcome": self.outcome.value,
            "reason": self.reason,
            "versions": dict(self.versions),
            "date": self.date,
        }

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON holds it."""
        sizes = {f"{axis}_size": self.mesh.size(axis) for axis in self.mesh.used}
        compared = {name: {"state": c.state, "error": c.error, "where": c.where} for name, c in self.compared.items()}
        plain = {name: getattr(self, name) for name in _PLAIN}
        mappings = {name: dict(getattr(self, name)) for name in _MAPPINGS}
        return {
            "schema": SCHEMA,
            **plain,
            "outcome": self.outcome.value,
            "mesh": sizes,
            "compared": compared,
            **mappings,
            "notes": list(self.notes),
            "refused_by": list(self.refused_by),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evidence:
        """Read what `to_dict` wrote.

        Raises:
            EvidenceError: another schema, a missing or malformed entry.
        """
        if values.get("schema") != SCHEMA:
            raise EvidenceError(
                f"not evidence of schema {SCHEMA}: found {values.get('schema')!r}; make it anew by meshfit verify"
            )
        try:
            given: dict[str, Any] = {name: values[name] for name in _PLAIN}
            given.update({name: dict(values[name]) for name in _MAPPINGS})
            given["compared"] = {name: Compared(**compared) for name, compared in values["compared"].items()}
            return cls(
                **given,
                outcome=Outcome(values["outcome"]),
                mesh=MeshSpec(**values["mesh"]),
                notes=tuple(values["notes"]),
                refused_by=tuple(values["refused_by"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise EvidenceError(f"malformed evidence: {fault!r:.200}") from fault


_PLAIN: Final = (
    *("target", "engine", "step", "reason", "rank", "date", "seconds", "memory", "backend"),
    *("class_digest", "structure"),
)

_MAPPINGS: Final = ("placed", "sizes", "config", "versions")

_NAMES: Final = {"dp_shard": "fsdp", "dp_replicate": "ddp"}


def axes_of(mesh: MeshSpec) -> str:
    """The used axes as evidence names them, joined in alphabetical order: `tp`, `ep+tp`, `ep+fsdp`."""
    return "+".join(sorted(_NAMES.get(axis, axis) for axis in mesh.used))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise EvidenceError(f"evidence is a JSON object, got {type(value).__name__}")
    return value


def read_evidence(path: str | Path) -> tuple[Evidence, ...]:
    """The evidence in a file that `meshfit verify --output` wrote: one JSON object a line.

    Raises:
        EvidenceError: the file cannot be read, or a line is no evidence; the message names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise EvidenceError(f"cannot read evidence from {path}: {fault}") from fault
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(Evidence.from_dict(_object(json.loads(line))))
        except EvidenceError as fault:
            raise EvidenceError(f"{path}:{number}: {fault}") from fault
        except (json.JSONDecodeError, RecursionError) as fault:
            raise EvidenceError(f"{path}:{number}: no line of evidence, which is one JSON object: {fault}") from fault
    return tuple(found)
