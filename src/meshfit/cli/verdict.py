"""What a command answers."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Verdict"]


class Verdict(NamedTuple):
    """What to print, and the exit code: 0 the mesh fits, 1 it does not, 2 the input is wrong."""

    text: str
    code: int
