"""`meshfit check`: one target, one mesh, one verdict."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from meshfit.cli.verdict import Verdict
from meshfit.mesh import AXES

__all__ = ["DESCRIPTION", "configure", "run"]

DESCRIPTION: Final = f"""\
Say whether TARGET runs on the mesh, without loading it: no torch, no weights, no network.
Axes of a mesh are {", ".join(AXES)}; one that is left out has size 1.

  meshfit check config.json --mesh tp=8,pp=2
  meshfit check examples/llama-8b --mesh tp=16 --engine transformers
  meshfit check config.json --mesh dp_shard=4,cp=2 --seq-len 8192 --world 8
  meshfit check LlamaForCausalLM --mesh pp=4 --json
"""


def configure(check: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    check.add_argument(
        "target",
        metavar="TARGET",
        help="a config.json, a folder that holds one, the name of a class of transformers, or a module:Class of yours",
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
        help="who will run the mesh: generic, nemo, transformers, accelerate or torchtitan; told by the target when "
        "left out",
    )
    check.add_argument("--world", type=int, metavar="N", help="ranks that will start; the mesh must use them all")
    check.add_argument("--gpus-per-node", type=int, metavar="N", help="devices that share one node's fast links")
    check.add_argument("--seq-len", type=int, metavar="N", help="tokens in one sequence")
    check.add_argument("--attn", metavar="NAME", help="attention implementation that will be set, such as sdpa")
    check.add_argument("--experts", metavar="NAME", help="experts implementation that will be set, such as eager")
    check.add_argument("--strict", action="store_true", help="count warnings as errors")
    check.add_argument("--show-unknown", action="store_true", help="list each fact that a rule needed and nobody knew")
    check.add_argument("-f", "--format", choices=("text", "json"), default="text", help="how to print (text)")
    check.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def run(options: argparse.Namespace) -> Verdict:
    """The verdict on `options.target` and `options.mesh`. Raises MeshfitError for a mistake of the user."""
    from meshfit.checking import check
    from meshfit.mesh import MeshSpec

    report = check(
        options.target,
        MeshSpec.parse(options.mesh),
        engine=options.engine,
        world_size=options.world,
        seq_len=options.seq_len,
        gpus_per_node=options.gpus_per_node,
        attn_implementation=options.attn,
        experts_implementation=options.experts,
        strict=options.strict,
    )
    code = 0 if report.ok else 1
    if options.format == "json":
        from meshfit.render.json_format import to_json

        return Verdict(to_json(report), code)
    from meshfit.render.text import render

    return Verdict(render(report, show_unknown=options.show_unknown, color=_wants_color()), code)


def _wants_color() -> bool:
    """A terminal that shows colours, and a user who did not decline them (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
