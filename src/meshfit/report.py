"""What a judgement says: violations, what stayed unknown, and the error that carries both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from meshfit.errors import MeshfitError
from meshfit.facts import Origin
from meshfit.mesh import MeshSpec
from meshfit.values import Value

if TYPE_CHECKING:
    from meshfit.evidence import Evidence

__all__ = ["Consequence", "Report", "Severity", "UnknownFact", "UnsupportedMeshError", "Violation"]


class Severity(str, Enum):
    """ERROR: cannot run, runs wrong, or does nothing for the axis. WARNING: waste, or a limit of use."""

    ERROR = "error"
    WARNING = "warning"


class Consequence(str, Enum):
    """What happens to whoever ignores the rule."""

    CLEAN = "clean"
    LATE = "late"
    HANG = "hang"
    SILENT = "silent"
    WASTE = "waste"

    @property
    def sentence(self) -> str:
        """The consequence in words, for a report."""
        return _SENTENCES[self]


_SENTENCES = {
    Consequence.CLEAN: "refused with an error before the weights load",
    Consequence.LATE: "crashes after the weights have loaded, in the first forward or backward",
    Consequence.HANG: "ranks wait for each other until the process-group timeout",
    Consequence.SILENT: "runs without an error and computes the wrong thing",
    Consequence.WASTE: "runs, but wastes devices or time",
}


class Violation(NamedTuple):
    """One rule broken by one mesh.

    Args:
        code: the rule's code (`TP002`).
        slug: the rule's name (`tp-kv-heads`).
        axis: the axis judged, or `mesh`.
        size: ranks along that axis; for `mesh` those of all axes, None where one of these is not known.
        severity, consequence: how bad, and what would happen.
        message: why, with both numbers where numbers disagree.
        help: what to set instead.
        alternatives: sizes of the axis that would work, ascending; empty when none is known.
        origins: where the facts were read.
    """

    code: str
    slug: str
    axis: str
    size: int | None
    severity: Severity
    consequence: Consequence
    message: str
    help: str
    alternatives: tuple[int, ...] = ()
    origins: tuple[Origin, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The violation as JSON holds it."""
        return {
            "code": self.code,
            "slug": self.slug,
            "axis": self.axis,
            "size": self.size,
            "severity": self.severity.value,
            "consequence": self.consequence.value,
            "message": self.message,
            "help": self.help,
            "alternatives": list(self.alternatives),
            "origins": [origin.to_dict() for origin in self.origins],
        }


class UnknownFact(NamedTuple):
    """A fact that a rule of an axis needed and nobody knew."""

    axis: str
    fact: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True, init=False, eq=False, repr=False)
class Report(Value):
    """The verdict on one target and one mesh.

    `ok` means no violation of severity error. It does not mean that everything was known: see `unknown`.
    """

    target: str
    mesh: MeshSpec
    engine: str
    violations: tuple[Violation, ...]
    unknown: tuple[UnknownFact, ...]
    versions: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    """Proofs by execution of this class and structure on axes that the mesh uses, whatever they showed."""

    def __init__(
        self,
        *,
        target: str,
        mesh: MeshSpec,
        engine: str,
        violations: tuple[Violation, ...] = (),
        unknown: tuple[UnknownFact, ...] = (),
        versions: Mapping[str, str] | None = None,
        evidence: tuple[Evidence, ...] = (),
    ) -> None:
        self._fill(target=target, mesh=mesh, engine=engine, violations=violations, unknown=unknown)
        self._fill(versions={} if versions is None else versions, evidence=evidence)

    @property
    def ok(self) -> bool:
        """No violation of severity error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Violation, ...]:
        """The violations that refuse the mesh."""
        return tuple(v for v in self.violations if v.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """The violations that do not."""
        return tuple(v for v in self.violations if v.severity is Severity.WARNING)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all violations, in report order."""
        return tuple(v.code for v in self.violations)

    def proven_by(self, proofs: Iterable[Evidence]) -> Report:
        """The same report with those of the proofs that ran on axes which the mesh uses, and on no others."""
        used = set(self.mesh.used)
        return replace(self, evidence=tuple(proof for proof in proofs if set(proof.mesh.used) <= used))

    def strict(self) -> Report:
        """The same report with every warning promoted to an error."""
        return replace(self, violations=tuple(v._replace(severity=Severity.ERROR) for v in self.violations))

    def raise_if_any(self) -> Report:
        """Raise `UnsupportedMeshError` when the mesh is refused; return the report otherwise."""
        if not self.ok:
            raise UnsupportedMeshError(self)
        return self

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "target": self.target,
            "mesh": {axis: self.mesh.size(axis) for axis in self.mesh.used},
            "engine": self.engine,
            "ok": self.ok,
            "violations": [v.to_dict() for v in self.violations],
            "unknown": [{"axis": u.axis, "fact": u.fact, "rule": u.code} for u in self.unknown],
            "versions": dict(self.versions),
            "evidence": [e.summary() for e in self.evidence],
        }

    def __str__(self) -> str:
        from meshfit.render.text import render

        return render(self)


class UnsupportedMeshError(MeshfitError, ValueError):
    """The mesh cannot run the model. `report` holds every violation; the text has one bullet for each error."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        from meshfit.render.text import error_text

        return error_text(self.report)
