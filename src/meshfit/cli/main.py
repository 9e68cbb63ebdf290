"""The program: how it starts, what it exits with, and how it speaks of faults.

What a command needs is imported when it runs, so that help and mistakes answer at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from typing import Final

from meshfit.cli.arguments import COMMANDS, command_module, parser
from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError

__all__ = ["main"]

DONE: Final = 0
BAD_INPUT: Final = 2
INTERNAL_FAULT: Final = 3
INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells report it."""
PIPE_CLOSED: Final = 141
"""128 and the number of SIGPIPE: the reader left, so the verdict was not delivered."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: the mesh fits. 1: it does not. 2: the input is wrong. 3: a fault of meshfit itself, told in one line
    (`MESHFIT_DEBUG=1` shows the traceback). 130: interrupted. 141: the reader of the output left.
    """
    collecting = gc.isenabled()
    gc.disable()  # collecting costs a third of a verdict, and the process is short
    try:
        return _answer(arguments)
    finally:
        if collecting:
            gc.enable()


def _answer(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        verdict = _run(arguments)
        if verdict.text:
            print(verdict.text)  # noqa: T201 - this is a command
        sys.stdout.flush()
        for complaint in verdict.complaints:
            _complain(f"meshfit: {complaint}", BAD_INPUT)
    except SystemExit as ended:  # argparse told of a mistake, or printed help
        return ended.code if isinstance(ended.code, int) else DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return PIPE_CLOSED
    except MeshfitError as mistake:
        return _complain(f"meshfit: {mistake}", BAD_INPUT)
    except Exception as fault:
        if os.environ.get("MESHFIT_DEBUG"):
            raise
        told = " ".join(str(fault).split())[:300]
        return _complain(
            f"meshfit: internal fault: {type(fault).__name__}: {told} (set MESHFIT_DEBUG=1 to see where)",
            INTERNAL_FAULT,
        )
    return verdict.code


def _run(arguments: Sequence[str] | None) -> Verdict:
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = parser(filled=[word for word in given if word in COMMANDS])
    options = program.parse_all(given)
    if options.version:
        from importlib.metadata import version  # 55 ms, for this flag alone

        return Verdict(f"meshfit {version('meshfit')}", DONE)
    if options.command is not None:
        verdict: Verdict = command_module(options.command).run(options)
        return verdict
    program.print_help(sys.stderr)
    return Verdict("", BAD_INPUT)


def _complain(text: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)  # noqa: T201 - this is a command
    return code


def _silence_stdout() -> None:
    """Keep the interpreter from flushing into the closed pipe, and complaining, when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
