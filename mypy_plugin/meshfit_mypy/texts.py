"""The text of a file, asked which of its parts name a word: looking into a part costs a hundred times as much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from mypy.nodes import ClassDef, FuncItem, MypyFile, Statement
    from mypy.options import Options

__all__ = ["Text", "distrust", "keep", "text_of"]

_FEW: Final = 32
"""Files that are kept: those of one import cycle may be checked in turns."""

Kept = TypeVar("Kept")

_kept: Final[dict[str, tuple[list[Statement], Text | None]]] = {}
_shadowed: Final[set[str]] = set()


class Text:
    """Lines of a file.

    Args:
        raw: the whole of it.
    """

    __slots__ = ("_lines", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._lines: list[bytes] | None = None

    def of(self, node: FuncItem | ClassDef) -> bytes | None:
        """The lines of a function or class; None where they cannot be told."""
        if self._lines is None:
            self._lines = self.raw.splitlines(keepends=True)
        first, last = node.line, node.end_line
        if last is None or not 0 < first <= last <= len(self._lines):
            return None
        return b"".join(self._lines[first - 1 : last])


def text_of(tree: MypyFile) -> Text | None:
    """The text that mypy read for a file; None where it is not to be had."""
    kept = _kept.get(tree.fullname)
    if kept is None or kept[0] is not tree.defs:
        kept = (tree.defs, _read(tree.path))
        keep(_kept, tree.fullname, kept)
    return kept[1]


def _read(path: str) -> Text | None:
    if path in _shadowed:
        return None
    try:
        with open(path, "rb") as file:
            return Text(file.read())
    except OSError:
        return None


def keep(kept: dict[str, Kept], name: str, value: Kept) -> None:
    """Keep what is known of a file, and of the few before it: mypy lets go of a file when it is checked."""
    kept.pop(name, None)
    while len(kept) >= _FEW:
        del kept[next(iter(kept))]
    kept[name] = value


def distrust(options: Options) -> None:
    """Leave alone the files for which mypy reads others (`--shadow-file`)."""
    _shadowed.clear()
    _shadowed.update(path for path, _ in options.shadow_file or ())
