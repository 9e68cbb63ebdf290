"""What only an execution showed: no rule refuses the axis, and the model failed when it ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from meshfit.facts import ModelFacts, Origin
from meshfit.mesh import AXIS_WORDS, MeshSpec
from meshfit.report import Consequence
from meshfit.rules.proofs import against
from meshfit.rules.registry import Finding, Judge, rule

if TYPE_CHECKING:
    from meshfit.evidence import Evidence

_CONSEQUENCES: Final = {
    "silent mismatch": Consequence.SILENT,
    "vacuous": Consequence.SILENT,
    "late error": Consequence.LATE,
    "clean error": Consequence.CLEAN,
    "hang": Consequence.HANG,
}
_TOLD: Final = {
    "silent mismatch": "ran to the end and computed something else than one process",
    "vacuous": "ran, but nothing of the body was sharded",
    "late error": "failed after the weights had loaded",
    "clean error": "was refused before it ran",
    "hang": "hung",
}


def _finding(evidence: Evidence) -> Finding:
    outcome = evidence.outcome.value
    reason = f": {evidence.reason}" if evidence.reason else ""
    mesh = ", ".join(f"{axis}_size={evidence.mesh.size(axis)}" for axis in evidence.mesh.used)
    library = evidence.engine if evidence.engine in evidence.versions else "transformers"
    return Finding(
        f"a small twin of {evidence.target} {_TOLD[outcome]} when it was executed with {mesh}{reason}",
        f"use another axis, or prove it on your versions with meshfit verify {evidence.target} --mesh {evidence.mesh}",
        origins=(Origin(f"executed with {library} {evidence.versions.get(library, '?')}", level="executed"),),
        consequence=_CONSEQUENCES[outcome],
    )


def _rule_of(axis: str, code: str, slug: str, engines: tuple[str, ...]) -> Judge:
    def judge(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
        for evidence in against(facts, axis, mesh):
            yield _finding(evidence)

    judge.__doc__ = f"""No recorded proof by execution shows that {AXIS_WORDS[axis].lower()} fails for this class.

    Why: a small twin of the model, same class, plans and structure, ran on real ranks and was compared with one
    process; where that failed and no other rule knows why, the proof stands.
    Source: `meshfit verify`, which runs such a proof again, and `meshfit atlas show`, which prints what is recorded.
    """
    return rule(code, slug, axis=axis, engines=engines, consequence=Consequence.SILENT, size_free=True)(judge)


_rule_of("tp", "TP028", "tp-executed", ("transformers",))
_rule_of("pp", "PP014", "pp-executed", ("transformers",))
_rule_of("cp", "CP008", "cp-executed", ("accelerate",))
_rule_of("ep", "EP009", "ep-executed", ("transformers",))
_rule_of("dp_shard", "DP005", "dp-shard-executed", ("transformers",))
