"""The engine: facts and a mesh in, a report out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Report, Severity, UnknownFact, Violation
from meshfit.rules.registry import Finding, Rule, rules_for
from meshfit.rules.sizes import one_of

__all__ = ["axis_engine", "judge", "run_rule", "supports"]


def judge(facts: ModelFacts, mesh: MeshSpec, *, engine: str, versions: Mapping[str, str] | None = None) -> Report:
    """Every violation of `mesh` by the model that `facts` describe, in a fixed order.

    The rules of the mesh as a whole come first, then each used axis in the order of `AXES`. The sizes a violation
    offers instead satisfy every error rule of its axis, the other axes as they are.
    """
    violations: list[Violation] = []
    unknown: set[UnknownFact] = set()
    for axis in ("mesh", *mesh.used):
        rules = rules_for(axis_engine(facts, engine, axis), axis)
        for rule in rules:
            for found in run_rule(rule, facts, mesh):
                if isinstance(found, UnknownFact):
                    unknown.add(found)
                else:
                    violations.append(_advised(found, rules, facts, mesh))
    name = facts.class_name if facts.knows("class_name") else "model"
    return Report(
        target=name,
        mesh=mesh,
        engine=engine,
        violations=tuple(violations),
        unknown=tuple(sorted(unknown)),
        versions=dict(versions or {}),
    )


def supports(facts: ModelFacts, axis: str, *, engine: str) -> bool:
    """Whether no size-free error rule fires for `axis`: if one does, every mesh that uses the axis is refused."""
    mesh = _smallest(axis)
    for rule in rules_for(axis_engine(facts, engine, axis), axis):
        if rule.size_free and rule.severity is Severity.ERROR:
            for found in run_rule(rule, facts, mesh):
                if isinstance(found, Violation):
                    return False
    return True


def axis_engine(facts: ModelFacts, engine: str, axis: str) -> str:  # noqa: ARG001 - a later engine may ask the facts
    """Who runs `axis` for this model: `engine`, or the one it leaves the axis to."""
    if engine == "transformers" and axis in ("cp", "sp"):
        return "accelerate"
    if engine == "accelerate" and axis in ("tp", "ep"):
        return "transformers"
    return engine


@lru_cache(maxsize=32)
def _smallest(axis: str) -> MeshSpec:
    return MeshSpec().with_size(axis, 2)


def run_rule(rule: Rule, facts: ModelFacts, mesh: MeshSpec) -> list[Violation | UnknownFact]:
    """What one rule says of one mesh: its violations, then the fact that it lacked where it ended for want of one.

    A size-free error says that no mesh with the axis runs the model; a proof that one does refutes it.
    """
    found: list[Violation | UnknownFact] = []
    try:
        for finding in rule.judge(facts, mesh):
            found.append(_violation(rule, facts, mesh, finding))  # noqa: PERF401 - those before a missing fact stay
    except MissingFact as missing:
        found.append(UnknownFact(rule.axis, missing.name, rule.code))
    if found and rule.size_free and rule.severity is Severity.ERROR and facts.knows("executed"):
        from meshfit.rules.proofs import refuted

        return [] if refuted(facts, rule, mesh) else found
    return found


def _violation(rule: Rule, facts: ModelFacts, mesh: MeshSpec, finding: Finding) -> Violation:
    return Violation(
        code=rule.code,
        slug=rule.slug,
        axis=rule.axis,
        size=_ranks(mesh) if rule.axis == "mesh" else mesh.size(rule.axis),
        severity=rule.severity,
        consequence=finding.consequence or rule.consequence,
        message=finding.message,
        help=finding.help,
        alternatives=finding.alternatives,
        origins=(*facts.origin(*finding.facts), *finding.origins),
    )


def _ranks(mesh: MeshSpec) -> int | None:
    """Ranks of the whole mesh. A rule may have decided by some of the sizes while others are not known."""
    try:
        return mesh.world_size
    except MissingFact:
        return None


def _advised(found: Violation, rules: tuple[Rule, ...], facts: ModelFacts, mesh: MeshSpec) -> Violation:
    """The violation with only those alternatives that no error rule of the axis refuses, named in its help."""
    if not found.alternatives:
        return found
    # Size 1 leaves the axis unused, so none of its rules would run.
    working = [
        size
        for size in found.alternatives
        if size == 1 or not _is_refused(rules, facts, mesh.with_size(found.axis, size))
    ]
    if not working:
        return found._replace(alternatives=())
    use = f"use {found.axis}_size {one_of(working)}"
    return found._replace(alternatives=tuple(working), help=f"{use}, or {found.help}" if found.help else use)


def _is_refused(rules: tuple[Rule, ...], facts: ModelFacts, mesh: MeshSpec) -> bool:
    """Whether an error rule refuses the mesh."""
    errors = (rule for rule in rules if rule.severity is Severity.ERROR)
    return any(isinstance(found, Violation) for rule in errors for found in run_rule(rule, facts, mesh))
