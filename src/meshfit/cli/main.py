"""The command line: how the program starts, what it exits with, and how it speaks of faults.

What a command needs is imported when it runs, so that help and mistakes answer at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from meshfit.cli.check_command import Verdict, check_command
from meshfit.errors import MeshfitError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "main"]

FITS: Final = 0
BAD_INPUT: Final = 2
INTERNAL_FAULT: Final = 3
INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells report it."""
PIPE_CLOSED: Final = 141
"""128 and the number of SIGPIPE: the reader left, so the verdict was not delivered."""

app = typer.Typer(
    name="meshfit",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check", no_args_is_help=True)(check_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # 55 ms, for this flag alone

        typer.echo(f"meshfit {version('meshfit')}")
        raise typer.Exit


@app.callback()
def meshfit(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    r"""Can this model run on this mesh? If not: why, what would happen, and what would work.

    \b
    meshfit check examples/llama-8b --mesh tp=16
    meshfit check --help
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: the mesh fits. 1: it does not. 2: the input is wrong. 3: a fault of meshfit itself, told in one line
    (`MESHFIT_DEBUG=1` shows the traceback). 130: interrupted. 141: the reader of the output left.
    """
    gc.disable()  # a short process; collecting costs a third of a verdict
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        verdict = _run(arguments)
        if verdict.text:
            print(verdict.text)  # noqa: T201 - this is a command
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
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
    """What the command answers; a mistake in the arguments is told here and exits with 2.

    Verdicts are printed outside of `app`, which would turn a closed pipe into exit code 1: "does not fit".
    """
    try:
        outcome = app(args=None if arguments is None else list(arguments), prog_name="meshfit", standalone_mode=False)
    except Exception as error:
        # typer has its own copy of click in some versions, so its usage errors have no one class to catch
        if not (hasattr(error, "show") and hasattr(error, "exit_code")):
            raise
        error.show()
        return Verdict("", BAD_INPUT)
    return outcome if isinstance(outcome, Verdict) else Verdict("", outcome or FITS)


def _complain(text: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)  # noqa: T201 - this is a command
    return code


def _silence_stdout() -> None:
    """Keep the interpreter from flushing into the closed pipe, and complaining, when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
