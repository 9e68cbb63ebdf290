"""The words of the command line: which commands there are, and a parser that loads the asked one alone.

argparse, because it answers in 20 ms: typer loads pydantic to read an option, which takes longer than a verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Final

from meshfit.cli.parser import Parser

__all__ = ["COMMANDS", "command_module", "parser"]

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "check": "say whether a model runs on a mesh",
        "fit": "list the meshes that a model runs on",
        "explain": "say what a rule is, why, and what to do instead",
        "rules": "list the rules",
        "index": "record what transformers' models are, for machines without it",
        "explain-error": "name the rule behind a traceback or a log",
        "completion": "print what makes a shell complete the command",
        "lint": "judge every mesh that files write down",
        "verify": "prove by execution that a model runs on a mesh",
        "atlas": "tell what happened when transformers' classes ran",
    }
)
"""Each command, and what it is for. Its module `meshfit.cli.<command>_command` has a `DESCRIPTION`, `configure(parser)`
and `run(options)`; `EXIT_CODES` too, where they mean something of its own."""

TOPIC: Final = """\
Can this model run on this mesh? If not: why, what would happen, and what would work.

  meshfit check examples/llama-8b --mesh tp=16
  meshfit check --help
"""

EXIT_CODES: Final = """\
exit codes: 0 the mesh fits, 1 it does not, 2 the input is wrong, 3 a fault of meshfit
"""

# a fixed width: asking the terminal for its own loads shutil, at each start
_FORMATTER: Final = partial(argparse.RawDescriptionHelpFormatter, width=96)


def command_module(name: str) -> ModuleType:
    """The module of a command of `COMMANDS`."""
    return import_module(f"meshfit.cli.{name.replace('-', '_')}_command")


def parser(filled: Iterable[str] = COMMANDS) -> Parser:
    """The parser of the whole program; `command` names the command that was given, None when there was none.

    Args:
        filled: the commands that get their options; the others are only listed.
    """
    program = Parser(
        prog="meshfit",
        description=TOPIC,
        formatter_class=_FORMATTER,
        allow_abbrev=False,
    )
    program.add_argument("--version", action="store_true", help="print the version and exit")
    commands = program.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, purpose in COMMANDS.items():
        module = command_module(name) if name in filled else None
        command = commands.add_parser(
            name,
            help=purpose,
            description=module.DESCRIPTION if module else None,
            epilog=getattr(module, "EXIT_CODES", EXIT_CODES),
            formatter_class=_FORMATTER,
            allow_abbrev=False,
        )
        if module:
            module.configure(command)
    program.commands = commands.choices
    return program
