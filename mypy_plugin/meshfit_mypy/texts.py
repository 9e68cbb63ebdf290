"""The text of a file, asked which of its parts name a word: looking into a part costs a hundred times as much."""

from __future__ import annotations

import os
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from mypy.nodes import MypyFile, Statement
    from mypy.options import Options

__all__ = ["Text", "begin", "keep", "names_registry", "text_of"]

_FEW: Final = 32
"""Files that are kept: those of one import cycle may be checked in turns."""

_LONGEST: Final = 1 << 24
"""Bytes of text that are kept: mypy shows all files when it has parsed them, and checks them later."""

Kept = TypeVar("Kept")

_kept: Final[dict[str, tuple[list[Statement] | None, Text | None]]] = {}
_length: Final = [0]
_renews: Final = [False]
"""Whether mypy puts new statements into files it has, as the daemon does."""
_shadowed: Final[set[str]] = set()
_REGISTRY: Final = b"tp_plans"
_registering: Final[dict[str, tuple[int, int, bool]]] = {}
"""File -> its time and size when it was read, and whether it names the registry of plans."""


class Text:
    """A file, asked where something stands in it.

    Args:
        raw: the whole of it, its lines ended by line feeds.

    Attributes:
        spelled: for `class_writes.spelled`, which looks once.
    """

    __slots__ = ("_nexts", "raw", "spelled")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.spelled: list[re.Match[bytes]] | None = None
        self._nexts: list[int] | None = None

    def _next_lines(self) -> list[int]:
        """For each line, where the next one begins."""
        if self._nexts is None:
            self._nexts = list(accumulate(map((1).__add__, map(len, self.raw.split(b"\n")))))
        return self._nexts

    @property
    def last(self) -> int:
        """The number of the last line."""
        return len(self._next_lines())

    def lines_with(self, word: bytes) -> list[int]:
        """The line of each occurrence of a word, counted from 1, ascending."""
        raw, size, nexts = self.raw, len(word), self._next_lines()
        found: list[int] = []
        start = raw.find(word)
        while start >= 0:
            found.append(bisect_right(nexts, start) + 1)
            start = raw.find(word, start + size)
        return found

    def lines_of(self, starts: Iterable[int]) -> list[int]:
        """The lines of some places."""
        nexts = self._next_lines()
        return [bisect_right(nexts, start) + 1 for start in starts]

    def part(self, first: int, last: int) -> bytes:
        """The lines from `first` to `last`, counted from 1."""
        nexts = self._next_lines()
        return self.raw[nexts[first - 2] if first > 1 else 0 : nexts[last - 1] - 1]


def text_of(tree: MypyFile) -> Text | None:
    """The text that mypy read for a file; None where it is not to be had."""
    kept = _kept.get(tree.fullname)
    statements = tree.defs if _renews[0] else None  # not held without need: mypy lets go of what it has checked
    if kept is None or kept[0] is not statements:
        text = _read(tree.path)
        if _length[0] > _LONGEST:
            _kept.clear()
            _length[0] = 0
        _length[0] += len(text.raw) if text is not None else 0
        kept = _kept[tree.fullname] = (statements, text)
    return kept[1]


def _read(path: str) -> Text | None:
    if path in _shadowed:
        return None
    try:
        raw = _bytes(path)
    except OSError:
        return None
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Text(raw)


def _bytes(path: str) -> bytes:
    with open(path, "rb", 0) as file:
        raw, status = file.readall(), os.fstat(file.fileno())
    _registering[path] = (status.st_mtime_ns, status.st_size, _REGISTRY in raw)
    return raw


def names_registry(entry: os.DirEntry[str]) -> bool:
    """Whether a file names the registry of plans; it is read where it has changed since it was read for anything."""
    try:
        status = entry.stat()
        known = _registering.get(entry.path)
        if known is None or known[:2] != (status.st_mtime_ns, status.st_size):
            _bytes(entry.path)
            known = _registering[entry.path]
    except OSError:
        return False
    return known[2]


def keep(kept: dict[str, Kept], name: str, value: Kept) -> None:
    """Keep what is known of a file, and of the few before it: mypy lets go of a file when it is checked."""
    kept.pop(name, None)
    while len(kept) >= _FEW:
        del kept[next(iter(kept))]
    kept[name] = value


def begin(options: Options) -> None:
    """Forget the texts of another run. Files for which mypy reads others (`--shadow-file`) are left alone."""
    _kept.clear()
    _length[0], _renews[0] = 0, options.fine_grained_incremental
    _shadowed.clear()
    _shadowed.update(path for path, _ in options.shadow_file or ())
