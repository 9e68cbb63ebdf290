"""A pasted traceback or a log of many ranks as text: decoded, without colours, and found by line.

Everything is linear in the size of the log: the whole text is searched for plain strings, and patterns run on single
lines.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

__all__ = ["Frame", "Line", "Log"]

LONGEST: Final = 4000
"""Characters of a line that are looked at, around what was found; a log of JSON holds a whole traceback in a line."""
_PREFIXED: Final = 200
"""Characters of a line in which it may name its rank."""
REACH: Final = 400
"""Lines that are looked back from an error to the traceback it ends."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_RANK: Final = re.compile(
    r"\[rank ?(\d{1,6})\]"  # torch, in front of each line it logs
    r"|^\[default(\d{1,6})\]"  # torchrun --tee
    r"|^\[\d+,(\d{1,6})\]<std"  # mpirun
    r"|^ {0,5}(\d{1,6}): (?! *\d)"  # srun --label
    r"|\[Rank (\d{1,6})\]"
    r"|\bRank[ =](\d{1,6})\b"
)
_PREFIX: Final = re.compile(
    r"^(?:"
    r"\[rank ?\d+\]:? ?|\[default\d+\]:? ?|\[\d+,\d+\]<std(?:err|out)>:? ?| {0,5}\d{1,6}: (?! *\d)"
    r"|\([^()\n]{1,60}pid=\d+[^()\n]{0,60}\) ?"
    r"|(?:ERROR|INFO|WARNING|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d [^\]\n]{1,60}\] ?"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*Z? ?(?:\| )?"
    r"|[\w.-]{1,40}  ?\| ?"
    r")"
)
_FRAME: Final = re.compile(r'^\s*File "([^"\n]{1,500})", line (\d{1,7}), in (\S.*)$')


class Frame(NamedTuple):
    """One entry of a traceback: where, in which function, and the line of code as it shows it."""

    path: str
    line: int
    function: str
    code: str


class Line(NamedTuple):
    """A line of the log.

    Args:
        number: from 1, as editors count.
        text: without the prefixes of launchers and loggers.
        rank: who wrote it, where the log tells.
        piece: where the log holds it; a line that was written over holds several pieces.
    """

    number: int
    text: str
    rank: int | None
    piece: int


class Log:
    """The text of a log.

    Args:
        raw: its bytes, in UTF-8, in UTF-16 or UTF-32 with a mark, or in any single-byte encoding.
    """

    def __init__(self, raw: bytes) -> None:
        text = _decoded(raw)
        if "\x1b" in text:
            text = _ESCAPE.sub("", text)
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        self.text: Final = text

    @cached_property
    def _newlines(self) -> list[int]:
        """Where each line begins, as editors count them."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def _starts(self) -> list[int]:
        """Where each piece begins: a line, or what a progress bar wrote over the line before."""
        if "\r" not in self.text:
            return self._newlines
        return [0, *(match.end() for match in re.finditer(r"[\r\n]", self.text))]

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self._newlines) - self.text.endswith("\n")

    def find(self, literal: str, *, most: int) -> Iterator[Line]:
        """The first `most` lines that hold the literal."""
        at = self.text.find(literal)
        while at != -1 and most > 0:
            piece = bisect_right(self._starts, at)
            yield self._piece(piece, at)
            most -= 1
            at = self.text.find(literal, self._end(piece) + 1)

    def after(self, line: Line, most: int) -> Iterator[Line]:
        """At most so many lines below a line."""
        for piece in range(line.piece + 1, min(line.piece + most, len(self._starts)) + 1):
            yield self._piece(piece)

    def _end(self, piece: int) -> int:
        return self._starts[piece] - 1 if piece < len(self._starts) else len(self.text)

    def _piece(self, piece: int, at: int = 0) -> Line:
        """A piece of the text without the prefixes of launchers and loggers; what is around `at`, where it is long."""
        start, end = self._starts[piece - 1], self._end(piece)
        rank = _rank(self.text[start : start + _PREFIXED])
        if end - start > LONGEST:
            start = max(start, at - LONGEST // 2)
            end = min(end, start + LONGEST)
        return Line(bisect_right(self._newlines, start), _bare(self.text[start:end]), rank, piece)

    def frames(self, line: Line) -> tuple[Frame, ...]:
        """The traceback that ends in this line, the innermost frame last; lines of other ranks are passed over."""
        found: list[Frame] = []
        below = ""
        for piece in range(line.piece - 1, max(0, line.piece - REACH), -1):
            above = self._piece(piece)
            if above.rank is not None and line.rank is not None and above.rank != line.rank:
                continue
            if above.text.lstrip().startswith("Traceback (most recent call last)"):
                break
            frame = _FRAME.match(above.text)
            if frame:
                found.append(Frame(frame[1], int(frame[2]), frame[3].strip(), below))
                below = ""
            elif above.text.strip(" ^~"):
                below = above.text.strip()
        return tuple(reversed(found))


def _decoded(raw: bytes) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # every byte is a character: the ASCII of a message stays what it is


def _bare(text: str) -> str:
    if not text.isprintable():  # what is shown must not steer the terminal
        text = "".join(character if character.isprintable() else " " for character in text)
    for _ in range(4):  # a launcher's prefix before a logger's
        prefix = _PREFIX.match(text)
        if prefix is None:
            break
        text = text[prefix.end() :]
    return text.rstrip()


def _rank(text: str) -> int | None:
    found = _RANK.search(text)
    return int(next(group for group in found.groups() if group)) if found else None
