"""`meshfit completion`: the script that makes a shell complete the command."""

from __future__ import annotations

import argparse
from typing import Final

from meshfit.cli.verdict import Verdict

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
Print the script that makes a shell complete commands, options and paths.

  eval "$(meshfit completion bash)"                          in ~/.bashrc
  meshfit completion zsh > "${fpath[1]}/_meshfit"            once; then start a new zsh
  meshfit completion tcsh > ~/.meshfit.tcsh                  once; source it in ~/.tcshrc
"""

SHELLS: Final = ("bash", "zsh", "tcsh")

_PATHS: Final = frozenset({"TARGET", "PATH", "FILE", "FOLDER", "OLD", "NEW"})
"""Words that stand for a path in the help of an argument."""

EXIT_CODES: Final = "exit codes: 0 printed, 2 the input is wrong, 3 a fault of meshfit\n"


def configure(completion: argparse.ArgumentParser) -> None:
    """Give the command its argument."""
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> Verdict:
    """The script for `options.shell`."""
    import shtab

    from meshfit.cli.arguments import parser
    from meshfit.rules.registry import engine_names

    program = parser()
    parsers = [*program.commands.values()]
    for command in program.commands.values():
        parsers += vars(command).get("commands", {}).values()
    for command in parsers:
        for action in command.arguments:
            if action.metavar in _PATHS:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.dest == "engine":
                action.choices = engine_names()
    return Verdict(shtab.complete(program, shell=options.shell), 0)
