"""What a command answers."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Verdict"]


class Verdict(NamedTuple):
    """What to print, and the exit code: 0 the mesh fits, 1 it does not, 2 the input is wrong.

    Args:
        text: for the output.
        code: the exit code.
        complaints: for the error stream, one line each, where a command goes on after a mistake.
    """

    text: str
    code: int
    complaints: tuple[str, ...] = ()
