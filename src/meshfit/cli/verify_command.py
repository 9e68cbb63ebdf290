"""`meshfit verify`: run a small twin of a model on real ranks, and say what happened."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meshfit.evidence import Evidence
    from meshfit.proof.job import Job
    from meshfit.proof.ranks import Pool

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
Prove by execution that TARGET runs on each mesh: a small twin of the model (same class, plans and structure, random
weights) runs in one process and then on real ranks, gloo on this machine's CPU, and is compared: logits, every
gradient, the loss, generated tokens, a save and a reload. Needs torch and transformers, no weights and no network.

  meshfit verify LlamaForCausalLM --mesh tp=2
  meshfit verify examples/llama-8b --mesh tp=2 --mesh pp=2 --mesh dp_shard=2 --output proofs.jsonl
  meshfit verify my_models:MyLM --mesh tp=2 --parallelize my_models:shard --inputs my_models:batch
"""

EXIT_CODES: Final = """\
exit codes: 0 every mesh works, 1 one does not or stays undecided, 2 the input is wrong, 3 a fault of meshfit
"""

_GIB: Final = 1 << 30


def configure(verify: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    verify.add_argument(
        "target",
        metavar="TARGET",
        help="a config.json, a folder that holds one, the name of a class of transformers, or a module:Class of yours",
    )
    verify.add_argument(
        "-m",
        "--mesh",
        action="append",
        required=True,
        metavar="SIZES",
        help="sizes of a mesh that really runs, such as tp=2; may be given several times",
    )
    verify.add_argument("--full-config", action="store_true", help="run the config as it is, not a small twin")
    verify.add_argument(
        "--parallelize", metavar="MODULE:FUNCTION", help="how a model of your own is spread: (model, mesh) -> model"
    )
    verify.add_argument(
        "--inputs", metavar="MODULE:FUNCTION", help="what a model of your own is called with: () -> dict of tensors"
    )
    verify.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="for one run (120)")
    verify.add_argument("--memory", type=float, default=6.0, metavar="GIB", help="for all ranks of a run (6)")
    verify.add_argument("-o", "--output", type=Path, metavar="FILE", help="append the evidence, one JSON object a line")
    verify.add_argument(
        "--trust-remote-code", action="store_true", help="run modelling code that lies beside the config"
    )
    verify.add_argument("-f", "--format", choices=("text", "json"), default="text", help="how to print (text)")
    verify.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def run(options: argparse.Namespace) -> Verdict:
    """Prove each mesh. Raises MeshfitError for a mistake of the user."""
    from meshfit.mesh import MeshSpec
    from meshfit.proof.api import code_beside, target_of
    from meshfit.proof.job import is_job
    from meshfit.proof.proving import plain_of, require_axes, require_installed
    from meshfit.proof.ranks import Pool
    from meshfit.proof.runs import limits_of

    asked = {
        "meshes": [require_axes(MeshSpec.parse(text)) for text in options.mesh],
        "plain": plain_of(options.parallelize, options.inputs),
        "limits": limits_of(options.timeout, options.memory * _GIB),
        "target": target_of(options.target),
        "code": code_beside(options.target) if options.trust_remote_code else None,
        "full_config": options.full_config,
    }
    require_installed()
    if is_job():
        return _by_job(options, asked)
    with Pool() as pool:
        return _told(_prove(pool, asked), options)


def _told(proofs: Sequence[Evidence], options: argparse.Namespace) -> Verdict:
    if options.output:
        _append(options.output, proofs)
    return Verdict(_printed(proofs, options), int(not all(proof.outcome.works for proof in proofs)))


def _by_job(options: argparse.Namespace, asked: Mapping[str, Any]) -> Verdict:
    """On the ranks that torchrun started, of which this process is one; the first tells what came of it."""
    import os
    import sys

    from meshfit.proof.job import Job

    with Job() as job:
        proofs = _prove(job, asked)
    verdict = _told(proofs, options) if job.rank == 0 else Verdict("", 0)
    if job.broken:
        # ranks that are stuck in a collective cannot be ended in any other way
        print(verdict.text, flush=True)  # noqa: T201 - this is a command
        sys.stderr.flush()
        os._exit(verdict.code)
    return verdict


def _prove(pool: Pool | Job, asked: Mapping[str, Any]) -> list[Evidence]:
    from meshfit.cli.progress import progress
    from meshfit.proof.proving import prove

    found: list[Evidence] = []
    with progress("proving") as tell:
        for proof in prove(pool, **asked):
            found.append(proof)
            tell(len(found) / len(asked["meshes"]))
    return found


def _append(path: Path, proofs: Sequence[Evidence]) -> None:
    import json

    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(proof.to_dict())}\n" for proof in proofs)
    except OSError as fault:
        raise MeshfitError(f"{path} cannot be written: {fault.strerror}; name another file with --output") from None


def _printed(proofs: Sequence[Evidence], options: argparse.Namespace) -> str:
    if options.format == "json":
        from meshfit.render.json_format import as_json

        values: dict[str, Any] = {"proofs": [proof.to_dict() for proof in proofs]}
        return as_json(values)
    from meshfit.atlas.telling import detail

    return detail(proofs)
