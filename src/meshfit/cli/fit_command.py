"""`meshfit fit`: the meshes of a world that a model fits, or the worlds that a mesh fits."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from meshfit.cli.model_options import add_model_options
from meshfit.cli.ranks import add_rank_options, given_ranks
from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError
from meshfit.mesh import AXES, AXIS_WORDS, MeshSpec

if TYPE_CHECKING:
    from meshfit.facts import ModelFacts

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
List the meshes of so many ranks that TARGET runs on, best first: fewest warnings, fewest unknown facts, then smallest
tp, pp, cp. Each axis tells how far it goes, and what stops it. With --mesh alone: the worlds which that mesh fits.
Memory is not judged: weights are counted where it is known how they are cut; activations, gradients and the optimizer's
state come on top.

  meshfit fit examples/llama-8b --world 64
  meshfit fit examples/llama-8b --nodes 8 --gpus-per-node 8 --tp 8 --all
  meshfit fit examples/llama-8b --mesh pp=2
  meshfit fit config.json --world 16 --seq-len 8192 --engine torchtitan --json
"""

ROWS: Final = 10

EXIT_CODES: Final = "exit codes: 0 something fits, 1 nothing does, 2 the input is wrong, 3 a fault of meshfit\n"


def configure(fit: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    fit.add_argument("target", metavar="TARGET", help="a model, as `meshfit check` takes it")
    add_rank_options(fit)
    fit.add_argument("-m", "--mesh", metavar="SIZES", help="sizes such as tp=8,pp=2; data axes left out are free")
    for axis in AXES:
        fit.add_argument(
            f"--{axis.replace('_', '-')}", type=int, metavar="N", help=f"only this size: {AXIS_WORDS[axis].lower()}"
        )
    fit.add_argument("--engine", metavar="NAME", help="who will run the meshes; told by the target when left out")
    add_model_options(fit)
    fit.add_argument("--strict", action="store_true", help="count warnings as errors")
    fit.add_argument("--all", action="store_true", help=f"list every mesh, not the best {ROWS} alone")
    fit.add_argument("-f", "--format", choices=("text", "json"), default="text", help="how to print (text)")
    fit.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def run(options: argparse.Namespace) -> Verdict:
    """The meshes or the worlds that fit; code 1 where none does. Raises MeshfitError for a mistake of the user."""
    from meshfit.checking import asked_facts, with_proofs

    ranks = given_ranks(options)
    mesh = None if options.mesh is None else MeshSpec.parse(options.mesh)
    fixed = _fixed(options, mesh)
    if ranks.world is None and mesh is None:
        raise MeshfitError("how many ranks? give --world 64, or --nodes and --gpus-per-node, or a mesh: --mesh tp=8")
    asked = asked_facts(
        _folder(options),
        world_size=ranks.world,
        gpus_per_node=ranks.per_node,
        seq_len=options.seq_len,
        attn_implementation=options.attn,
        experts_implementation=options.experts,
        tied=options.tied,
    )
    facts = with_proofs(asked, options.evidence)
    engine = _engine(options.engine, facts)
    if ranks.world is None and mesh is not None:
        return _worlds(options, facts, engine, mesh)
    return _meshes(options, facts, engine, fixed)


def _folder(options: argparse.Namespace) -> str:
    """The target, or where the model map leads it."""
    target: str = options.target
    if options.model_map:
        from meshfit.readers.model_map import read_model_map

        return read_model_map(options.model_map).get(target, target)
    return target


def _fixed(options: argparse.Namespace, mesh: MeshSpec | None) -> dict[str, int]:
    """The sizes that are not to be sought."""
    from meshfit.fitting.worlds import fixed_by

    told = {axis: getattr(options, axis) for axis in AXES if getattr(options, axis) is not None}
    if mesh is None:
        for axis, size in told.items():
            MeshSpec().with_size(axis, size)  # refuses what is no size
        return told
    if told:
        axis, size = next(iter(told.items()))
        raise MeshfitError(f"--mesh and --{axis.replace('_', '-')} both tell sizes; write {axis}={size} into --mesh")
    return fixed_by(mesh)


def _engine(given: str | None, facts: ModelFacts) -> str:
    if given is None:
        return facts.engine
    from meshfit.cli.naming import engine_name

    return engine_name(given)


def _meshes(options: argparse.Namespace, facts: ModelFacts, engine: str, fixed: Mapping[str, int]) -> Verdict:
    from meshfit.cli import fit_output
    from meshfit.cli.progress import progress
    from meshfit.fitting.answer import fit

    with progress("judging meshes") as tell:
        found = fit(facts, engine, fixed=fixed, keep=None if options.all else ROWS, strict=options.strict, tell=tell)
    text = fit_output.meshes_json(found) if options.format == "json" else fit_output.meshes_text(found)
    return Verdict(text, 0 if found.total else 1)


def _worlds(options: argparse.Namespace, facts: ModelFacts, engine: str, mesh: MeshSpec) -> Verdict:
    from meshfit.checking import judged
    from meshfit.cli import fit_output
    from meshfit.cli.progress import progress
    from meshfit.fitting.worlds import fitting_worlds

    with progress("judging worlds") as tell:
        worlds = fitting_worlds(facts, mesh, engine, strict=options.strict, tell=tell)
    report = judged(facts, mesh, engine=engine, strict=options.strict)
    written = fit_output.worlds_json if options.format == "json" else fit_output.worlds_text
    return Verdict(written(worlds, report), 0 if worlds.fitting else 1)
