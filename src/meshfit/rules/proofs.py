"""Which proof by execution settles a question, and which it does not.

A proof ran a twin of other sizes, so it settles size-free questions alone, for the class and structure it is kept
under.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec

if TYPE_CHECKING:
    from meshfit.evidence import Evidence
    from meshfit.rules.registry import Rule

__all__ = ["PROVEN", "against", "proven_axes", "refuted"]

PROVEN: Final = frozenset({"transformers", "accelerate"})
"""The engines that proofs run."""
LEADING: Final = ("ep", "cp", "pp", "tp", "dp_shard", "dp_replicate", "sp")
"""The axis that a failure of several together is told of: the first of them here."""


def against(facts: ModelFacts, axis: str, mesh: MeshSpec) -> Iterator[Evidence]:
    """The proofs of failure on axes that the mesh uses, told of `axis`.

    Experts take over what other axes would cut, so a proof without ep says nothing of a mesh with it. They never run
    alone: on a mesh with no other axis they fail where each layout that ran with another did.
    """
    failed = [e for e in _settling(facts) if axis in _parts(e) and not e.outcome.works and _divides(e)]
    if not failed:
        return
    used = set(mesh.used)
    for evidence in failed:
        if (
            _parts(evidence) <= used
            and ("ep" in _parts(evidence)) is ("ep" in used)
            and axis == next(a for a in LEADING if a in _parts(evidence))
        ):
            yield evidence
    if axis == "ep" and used == {"ep"} and {e.axes for e in failed} >= {"ep+tp", "ep+fsdp"}:
        yield failed[0]


def refuted(facts: ModelFacts, rule: Rule, mesh: MeshSpec) -> bool:
    """Whether a proof that the axis works, on no other axes than the mesh has, stands against a rule that it cannot."""
    works = [
        _parts(e)
        for e in _settling(facts)
        if e.outcome.works and rule.code in e.refused_by and e.engine in rule.engines and rule.axis in _parts(e)
    ]
    if not works:
        return False
    used = set(mesh.used)
    return any(axes <= used or used == {"ep"} for axes in works)


def proven_axes(facts: ModelFacts, engine: str) -> frozenset[str]:
    """The axes that a proof by execution shows to work under the engine, whatever rules say."""
    if engine not in PROVEN or not facts.knows("executed"):
        return frozenset()
    return frozenset(axis for e in facts.executed.values() if e.outcome.works for axis in _parts(e))


def _settling(facts: ModelFacts) -> tuple[Evidence, ...]:
    """Proofs that say something else than the rules did: what both say needs no proof.

    Which kinds of layers a stage holds is a matter of sizes, so along pp a model of several kinds is not settled.
    """
    if not facts.knows("executed"):
        return ()
    found = tuple(e for e in facts.executed.values() if e.disagrees)
    if found and facts.knows("layer_types") and len(set(facts.layer_types or ())) > 1:
        return tuple(e for e in found if "pp" not in _parts(e))
    return found


def _divides(evidence: Evidence) -> bool:
    """Whether tp cut the sizes of the twin evenly: a failure on others may be one of sizes."""
    return all(size % evidence.mesh.tp_size == 0 for size in evidence.sizes.values())


def _parts(evidence: Evidence) -> set[str]:
    return set(evidence.mesh.used)
