"""Pieces of a shell script that remember where in the file each of their characters stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

from meshfit.lint.recipe import Spot

__all__ = ["LOST", "OUTER", "Places", "Run", "joined", "mark"]

LOST: Final = "\0"
"""Stands for text of which nothing is known: the script makes it in a way that is not followed."""
OUTER: Final = "\1"
"""Stands for text that comes from outside, if from anywhere: `$EXTRA_ARGS` that the script does not set, `$@`."""


class Run(NamedTuple):
    """A text, and for each of its characters the part of the file it stands for.

    Args:
        text: with `LOST` and `OUTER` in the place of what is not known.
        at: (begin, end) of each character, offsets into the file.
    """

    text: str
    at: tuple[tuple[int, int], ...]

    @property
    def known(self) -> bool:
        """Whether every character is known."""
        return LOST not in self.text and OUTER not in self.text

    def part(self, begin: int, end: int | None = None) -> Run:
        """The characters from `begin` to before `end`."""
        return Run(self.text[begin:end], self.at[begin:end])


def mark(sign: str, begin: int, end: int) -> Run:
    """An unknown text that the file makes between two offsets."""
    return Run(sign, ((begin, end),))


def joined(runs: Iterable[Run], between: str = "") -> Run:
    """Runs in a row, with a text between two of them that stands nowhere else."""
    texts: list[str] = []
    places: list[tuple[int, int]] = []
    for run in runs:
        if between and places:
            texts.append(between)
            places += [places[-1]] * len(between)
        texts.append(run.text)
        places += run.at
    return Run("".join(texts), tuple(places))


class Places:
    """Offsets of a text as lines and columns.

    Args:
        text: the whole file.
    """

    def __init__(self, text: str) -> None:
        self._lines = [0]
        at = text.find("\n")
        while at >= 0:
            self._lines.append(at + 1)
            at = text.find("\n", at + 1)

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column, both 1-based."""
        return self._lines[line - 1] + column - 1

    def spot(self, run: Run) -> Spot:
        """The region a run stands for: of one that is put together from several places, the first."""
        begin, end = run.at[0] if run.at else (0, 0)
        for start, stop in run.at[1:]:
            if not end <= start <= end + 3:
                break
            end = max(end, stop)
        return Spot(*self._place(begin), *self._place(end))

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1
