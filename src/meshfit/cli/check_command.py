"""`meshfit check`: targets, one mesh, a verdict each."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from meshfit.cli.model_options import add_model_options
from meshfit.cli.ranks import add_rank_options, given_ranks
from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError
from meshfit.mesh import AXES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from meshfit.cli.check_output import Answer
    from meshfit.facts import ModelFacts
    from meshfit.mesh import MeshSpec
    from meshfit.report import Report

    Judge = Callable[[ModelFacts], tuple[Report, ...]]

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = f"""\
Say whether each TARGET runs on the mesh, without loading it: no torch, no weights, no network.
Axes of a mesh are {", ".join(AXES)}; one that is left out has size 1.

  meshfit check config.json --mesh tp=8,pp=2
  meshfit check examples/llama-8b --mesh tp=16 --engine transformers
  meshfit check config.json --mesh dp_shard=4,cp=2 --seq-len 8192 --nodes 1 --gpus-per-node 8
  meshfit check meta-llama/Llama-3.1-8B --mesh tp=8 --download --engine all
  meshfit check models/* --mesh pp=4 --format sarif
  meshfit check LlamaForCausalLM my_package.models:MyLM --mesh pp=4 --json
"""

FORMATS: Final = ("text", "json", "sarif", "github")
ALL: Final = "all"


def configure(check: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    check.add_argument(
        "targets",
        metavar="TARGET",
        nargs="+",
        help="a config.json, a folder that holds one, a hub id in the local cache (org/model, org/model@revision), the "
        "name of a class of transformers, or a module:Class of yours, which is read, not run",
    )
    check.add_argument(
        "-m",
        "--mesh",
        required=True,
        metavar="SIZES",
        help="sizes of the mesh, such as tp=8,pp=2",
    )
    check.add_argument(
        "--engine",
        metavar="NAME",
        help="who will run the mesh, such as transformers, nemo or torchtitan; all for a column each; told by the "
        "target when left out",
    )
    add_rank_options(check)
    add_model_options(check)
    check.add_argument("--download", action="store_true", help="fetch the config.json of a hub id that is not here")
    check.add_argument(
        "--live", action="store_true", help="import the class, build it on the meta device, and judge that (seconds)"
    )
    check.add_argument("--strict", action="store_true", help="count warnings as errors")
    check.add_argument("--show-unknown", action="store_true", help="list each fact that a rule needed and nobody knew")
    check.add_argument(
        "--show-evidence", action="store_true", help="list each proof by execution that speaks of the target"
    )
    check.add_argument("-f", "--format", choices=FORMATS, default="text", help="how to print (text)")
    check.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def run(options: argparse.Namespace) -> Verdict:
    """The verdict on each of `options.targets`. Raises MeshfitError for a mistake of the user.

    Of several targets, one that cannot be read is a complaint, and the others are judged.
    """
    from meshfit.cli.check_output import printed
    from meshfit.mesh import MeshSpec

    judge = _judge(options, MeshSpec.parse(options.mesh))
    question = _question(options)
    folders = _folders(options.model_map)
    answers = [_answer(target, folders.get(target, target), options, question, judge) for target in options.targets]
    mistakes = tuple(answer.mistake for answer in answers if answer.mistake)
    if len(answers) == 1 and mistakes and options.format != "sarif":
        raise MeshfitError(mistakes[0])
    refused = any(not report.ok for answer in answers for report in answer.reports)
    return Verdict(printed(answers, options), 2 if mistakes else int(refused), mistakes)


def _judge(options: argparse.Namespace, mesh: MeshSpec) -> Judge:
    """What is asked of the facts of each target: one report, or one for each engine."""
    from meshfit.checking import judged

    if options.engine == ALL:
        from meshfit.rules.registry import engine_names

        engines: tuple[str | None, ...] = engine_names()
    elif options.engine is not None:
        from meshfit.cli.naming import engine_name

        engines = (engine_name(options.engine),)
    else:
        engines = (None,)
    return lambda facts: tuple(judged(facts, mesh, engine=engine, strict=options.strict) for engine in engines)


def _question(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say besides target, mesh and engine, as `asked_facts` takes it."""
    ranks = given_ranks(options)
    if options.seq_len is not None and options.seq_len < 1:
        raise MeshfitError(f"--seq-len must be at least 1, got {options.seq_len}")
    for option, name, example in (("--attn", options.attn, "sdpa"), ("--experts", options.experts, "eager")):
        if name is not None and not name.strip():
            raise MeshfitError(f"{option} is empty; name an implementation such as {example}")
    if options.live and options.tied is not None:
        raise MeshfitError("--live builds what the config says; leave out --tied and --no-tied, or --live")
    return {
        "world_size": ranks.world,
        "gpus_per_node": ranks.per_node,
        "seq_len": options.seq_len,
        "attn_implementation": options.attn,
        "experts_implementation": options.experts,
        "tied": options.tied,
    }


def _folders(given: list[str]) -> Mapping[str, str]:
    if not given:
        return {}
    from meshfit.readers.model_map import read_model_map

    return read_model_map(given)


def _answer(given: str, target: str, options: argparse.Namespace, question: Mapping[str, Any], judge: Judge) -> Answer:
    from meshfit.checking import asked_facts, with_proofs
    from meshfit.cli.check_output import Answer

    try:
        if options.download:
            _fetch(target)
        # facts of a live model hold it weakly: it must not go before they are judged
        subject = _live(target) if options.live else target
        return Answer(given, target, judge(with_proofs(asked_facts(subject, **question), options.evidence)))
    except MeshfitError as mistake:
        return Answer(given, target, mistake=str(mistake))


def _live(target: str) -> Any:
    from meshfit.cli.live import built

    return built(target)


def _fetch(target: str) -> None:
    """Fetch the config of a hub id that is not here. Raises TargetError where that fails."""
    import os

    from meshfit.checking import read_facts
    from meshfit.errors import TargetError
    from meshfit.readers.hub import cached_config, hub_id

    model = hub_id(target)
    if model is None or os.path.lexists(target) or cached_config(model) is not None:
        return
    if target.isidentifier():  # a class of that name comes first
        try:
            read_facts(target)
        except TargetError:
            pass
        else:
            return
    from meshfit.readers.download import download_config

    download_config(model)
