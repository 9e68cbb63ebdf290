"""The words of the command line, and the help that teaches them.

argparse, because it answers in 20 ms: typer loads pydantic to read an option, which takes longer than a verdict.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Final

from meshfit.mesh import AXES

__all__ = ["parser"]

TOPIC = """\
Can this model run on this mesh? If not: why, what would happen, and what would work.

  meshfit check examples/llama-8b --mesh tp=16
  meshfit check --help
"""

CHECK = f"""\
Say whether TARGET runs on the mesh, without loading it: no torch, no weights, no network.
Axes of a mesh are {", ".join(AXES)}; one that is left out has size 1.

  meshfit check config.json --mesh tp=8,pp=2
  meshfit check examples/llama-8b --mesh tp=16 --engine transformers
  meshfit check config.json --mesh dp_shard=4,cp=2 --seq-len 8192 --world 8
  meshfit check LlamaForCausalLM --mesh pp=4 --json
"""

CODES = """\
exit codes: 0 the mesh fits, 1 it does not, 2 the input is wrong, 3 a fault of meshfit
"""


# a fixed width: asking the terminal for its own loads shutil, at each start
_FORMATTER: Final = partial(argparse.RawDescriptionHelpFormatter, width=96)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole program; `command` names the command that was given, None when there was none."""
    program = argparse.ArgumentParser(
        prog="meshfit",
        description=TOPIC,
        formatter_class=_FORMATTER,
        allow_abbrev=False,
    )
    program.add_argument("--version", action="store_true", help="print the version and exit")
    commands = program.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_check(
        commands.add_parser(
            "check",
            help="say whether a model runs on a mesh",
            description=CHECK,
            epilog=CODES,
            formatter_class=_FORMATTER,
            allow_abbrev=False,
        )
    )
    return program


def _add_check(check: argparse.ArgumentParser) -> None:
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
