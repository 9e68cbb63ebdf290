"""From a class to evidence: a twin, its reference in one process, then real ranks for each mesh."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from meshfit import errors
from meshfit.errors import MeshError, MeshfitError, ProofError
from meshfit.evidence import Evidence, Outcome
from meshfit.proof.context_ranks import UNBALANCED
from meshfit.proof.deciding import decide
from meshfit.proof.runs import Limits, Run

if TYPE_CHECKING:
    from meshfit.facts import ModelFacts
    from meshfit.mesh import MeshSpec
    from meshfit.proof.job import Job
    from meshfit.proof.ranks import Pool

__all__ = ["Plain", "plain_of", "prove", "require_axes", "require_installed", "versions"]

_TWIN: Final = "meshfit.proof.twin:make_twin"
_REFERENCE: Final = "meshfit.proof.reference:make_reference"
_ENGINE: Final = "meshfit.proof.engine_ranks:run"
_CONTEXT: Final = "meshfit.proof.context_ranks:run"
_PLAIN: Final = "meshfit.proof.plain_ranks:run"


class Plain(NamedTuple):
    """What a model without transformers needs to be proved, each `module:function`.

    Args:
        parallelize: called as `parallelize(model, device_mesh) -> model` on every rank.
        inputs: called as `inputs() -> dict` of tensors, the same on every rank; `labels` among them are for the loss.
    """

    parallelize: str
    inputs: str


def plain_of(parallelize: str | None, inputs: str | None) -> Plain | None:
    """What a user said of a model without transformers; None where nothing.

    Raises:
        MeshfitError: only one of the two was named.
    """
    if parallelize is None and inputs is None:
        return None
    if parallelize is None or inputs is None:
        raise MeshfitError("parallelize and inputs belong together: name both, each as module:function")
    return Plain(parallelize, inputs)


def require_axes(mesh: MeshSpec) -> MeshSpec:
    """The mesh. Raises MeshError where no axis is in use, so that nothing would be proved."""
    if not mesh.used:
        raise MeshError("a proof needs a mesh with an axis in use, such as tp=2")
    return mesh


def require_installed() -> None:
    """Raise MeshfitError where a package that runs a proof is absent; none is imported for it."""
    from importlib.util import find_spec

    absent = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if absent:
        raise MeshfitError(f"a proof runs {' and '.join(absent)}, not installed here; pip install 'meshfit[hf,torch]'")


def prove(
    pool: Pool | Job,
    target: str | Mapping[str, Any],
    meshes: Sequence[MeshSpec],
    *,
    full_config: bool = False,
    limits: Limits | None = None,
    extras: bool = True,
    plain: Plain | None = None,
    code: str | None = None,
) -> Iterator[Evidence]:
    """Run a model on meshes: evidence of each as it comes.

    Args:
        pool: where ranks come from.
        target: a class of transformers by name, `module:Class` of another, or the values of a `config.json`.
        meshes: to run, a proof each.
        full_config: run the config as it is, not a twin of it.
        limits: of each run.
        extras: generate tokens, save and load again as well.
        plain: how a model that is none of transformers is parallelized and called.
        code: a folder of modelling code that may be run, where the config names such code.

    Raises:
        TargetError: there is no such class, or its config is none that it takes.
        ProofError: the model would run code that it brings along, or the pool cannot start.
    """
    limits = limits or Limits()
    with pool.folder() as folder:
        order = {"target": target, "meshes": [str(mesh) for mesh in meshes], "full_config": full_config, "code": code}
        twin = _twin(pool, order, limits)
        payload = {
            **twin,
            "folder": folder,
            "length": _length(meshes),
            "extras": extras,
            **(plain._asdict() if plain else {}),
        }
        reference = pool.run(_REFERENCE, payload, world_size=1, limits=limits)
        told = reference.ranks[0].value if reference.state == "done" else {}
        ran = {**twin, **told}
        facts = _facts_of(ran)
        about = _about(ran, facts)
        for mesh in meshes:
            engine = "plain" if plain else "accelerate" if mesh.cp_size > 1 else "transformers"
            known = {**about, "mesh": mesh, "engine": engine, "refused_by": _refused_by(facts, mesh)}
            known["notes"] = tuple(ran.get("notes", ()))
            if reference.state != "done":
                yield _undecided(known, reference, folder)
            elif refused := pool.refuses(mesh.world_size):
                yield Evidence(
                    **known, outcome=Outcome.UNDECIDED, reason=f"{mesh} takes {mesh.world_size} ranks, and {refused}"
                )
            else:
                yield _ran(pool, {**payload, **told, "mesh": str(mesh)}, mesh, known, limits)


def _length(meshes: Sequence[MeshSpec]) -> int:
    """Tokens of a text, which every cp_size and sp_size asked for cuts into two equal parts a rank."""
    from math import lcm

    step = lcm(*(2 * mesh.cp_size * mesh.sp_size for mesh in meshes))
    return step * max(1, -(-16 // step))


def _twin(pool: Pool | Job, order: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    made = pool.run(_TWIN, order, world_size=1, limits=limits)
    if made.state != "done":
        raise ProofError(f"no twin could be made: {_cause(made)}")
    twin: dict[str, Any] = made.ranks[0].value
    if "refused" in twin:
        raised: type[MeshfitError] = getattr(errors, twin["kind"], ProofError)
        raise raised(twin["refused"])
    return twin


def _ran(
    pool: Pool | Job, payload: Mapping[str, Any], mesh: MeshSpec, known: dict[str, Any], limits: Limits
) -> Evidence:
    task = _PLAIN if known["engine"] == "plain" else _CONTEXT if mesh.cp_size > 1 else _ENGINE
    run = pool.run(task, payload, world_size=mesh.world_size, limits=limits)
    decided = decide(run, payload["folder"], mesh)
    notes = (*known.pop("notes"), *decided.notes)
    if UNBALANCED in notes:
        known["engine"] = "torch"
        if decided.outcome.works:  # what accelerate would have refused, and rules of accelerate speak of
            known["refused_by"] = ()
    return Evidence(
        **known,
        outcome=decided.outcome,
        step=decided.step,
        reason=_placeless(decided.reason, payload["folder"]),
        rank=decided.rank,
        compared=decided.compared,
        placed=decided.placed,
        backend=decided.backend,
        notes=notes,
        seconds=round(run.seconds, 3),
        memory=run.memory,
    )


def _undecided(known: dict[str, Any], reference: Run, folder: str) -> Evidence:
    step = reference.first.step if reference.first else ""
    reason = _placeless(f"one process: {_cause(reference)}", folder)
    return Evidence(**known, outcome=Outcome.UNDECIDED, step=step, reason=reason)


def _placeless(reason: str, folder: str) -> str:
    """The reason without the folder of the proof, which is gone when it is read."""
    return reason.replace(f"{folder}/", "")


def _cause(run: Run) -> str:
    """Why a run of one process did not end well."""
    if run.state == "failed" and run.first is not None:
        kind = f"{run.first.kind}: " if run.first.kind not in ("", "ProofError") else ""
        return f"{kind}{run.first.message}"
    return _ENDS.get(run.state, run.state)


_ENDS: Final = {
    "hang": "it stood still until the limit",
    "slow": "it was not done within the limit of time",
    "memory": "it takes more memory than the limit",
    "lost": "the process that started it was killed",
}


def _about(twin: Mapping[str, Any], facts: ModelFacts | None) -> dict[str, Any]:
    """What evidence says of the twin, whatever the mesh."""
    from meshfit.readers.proven import structure_of

    source = facts.class_source if facts is not None and facts.knows("class_source") else None
    return {
        "target": twin["class_name"],
        "sizes": twin["sizes"],
        "config": twin["config"],
        "versions": versions(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "class_digest": source[1] if source else "",
        "structure": structure_of(facts) if facts is not None else "",
    }


def _refused_by(facts: ModelFacts | None, mesh: MeshSpec) -> tuple[str, ...]:
    """The codes of the errors that rules alone have against the twin."""
    from meshfit.checking import judged

    if facts is None:
        return ()
    return tuple(dict.fromkeys(violation.code for violation in judged(facts, mesh).errors))


def _facts_of(twin: Mapping[str, Any]) -> ModelFacts | None:
    """What the rules know of the twin; None of a model that they cannot read."""
    from meshfit.readers.source.facts import facts_from_config

    if not twin["config"]:
        return None
    try:
        return facts_from_config(twin["config"], where=twin["class_name"], class_name=twin["class_name"])
    except MeshfitError:
        return None


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """The versions of everything that takes part in a proof."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("torch", "transformers", "accelerate", "meshfit"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
