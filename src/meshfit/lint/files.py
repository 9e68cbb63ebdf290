"""The files of a sweep: found below folders and by patterns, each once, and read as text."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatch
from glob import glob, has_magic
from typing import Final, NamedTuple

from meshfit.errors import TargetError
from meshfit.lint.documents import DocumentError
from meshfit.lint.reading import format_of, holds_mesh_keys, may_hold_mesh

__all__ = ["MAX_BYTES", "Found", "find_files", "read_text"]

MAX_BYTES: Final = 10_000_000
"""The largest file that is read; recipes have some thousand bytes."""

PASSED_OVER: Final = frozenset(
    {
        *(".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "node_modules", "site-packages", "__pycache__"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints", ".cache"),
    }
)
"""Folders of other programs, which a sweep does not enter. A folder that is named itself is entered."""


class Found(NamedTuple):
    """A file to lint.

    Args:
        path: as the user named it, or below the folder the user named; `-` is standard input.
        named: the user named the file itself.
    """

    path: str
    named: bool


def find_files(paths: Sequence[str], exclude: Collection[str] = ()) -> Iterator[Found]:
    """The files that paths name, in order, each once.

    Args:
        paths: files, folders (with everything below), patterns such as `recipes/**/*.yaml`, `-`.
        exclude: patterns of paths or names that are left out.

    Raises:
        TargetError: a path does not exist, or a pattern names nothing.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path == "-":
            yield Found(path, named=True)
            continue
        for each in _expanded(path):
            if os.path.isdir(each):  # noqa: PTH112 - os paths keep the spelling of the user
                yield from _below(each, exclude, seen)
            elif not _excluded(each, exclude) and _is_new(each, seen):
                yield Found(each, named=True)


def _expanded(path: str) -> list[str]:
    if os.path.lexists(path):
        return [path]
    if not path or "\0" in path or not has_magic(path):
        raise TargetError(f"{path!r} does not exist; name files, folders or patterns, or - for standard input")
    found = sorted(glob(path, recursive=True))  # noqa: PTH207 - it keeps the spelling of the user
    if not found:
        raise TargetError(f"the pattern {path!r} names no file; check it, or quote it if the shell changed it")
    return found


def _below(folder: str, exclude: Collection[str], seen: set[tuple[int, int]]) -> Iterator[Found]:
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if not _is_new(here, seen):
            continue  # a link to a folder that was entered already, maybe from within
        try:
            with os.scandir(here) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            yield Found(here, named=True)
            continue
        folders = []
        for entry in entries:
            path = entry.path.removeprefix(os.path.join(os.curdir, "")) if folder == os.curdir else entry.path  # noqa: PTH118
            if _excluded(path, exclude):
                continue
            try:
                is_folder = entry.is_dir()
            except OSError:
                is_folder = False
            if is_folder:
                if entry.name not in PASSED_OVER:
                    folders.append(path)
            elif _may_be_ours(entry.name) and _is_new(path, seen):
                yield Found(path, named=False)
        waiting += reversed(folders)


def _may_be_ours(name: str) -> bool:
    """A format tells itself by the suffix, a script without one by its first line."""
    return format_of(name) is not None or "." not in name


def _excluded(path: str, exclude: Collection[str]) -> bool:
    plain = path.replace(os.sep, "/").removeprefix("./")
    return any(
        fnmatch(plain, pattern) or fnmatch(plain.rpartition("/")[2], pattern) or fnmatch(plain, f"{pattern}/*")
        for pattern in exclude
    )


def _is_new(path: str, seen: set[tuple[int, int]]) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return True  # whoever reads it says why it cannot be read
    key = (found.st_dev, found.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def read_text(found: Found, stdin: Callable[[], bytes] | None = None) -> str | None:
    """The text of a file; None for one of a sweep that says nothing of a mesh.

    A file of a sweep is only at fault where it plainly holds sizes: data that is no text, or too large, may lie about.

    Args:
        found: of `find_files`.
        stdin: gives standard input.

    Raises:
        DocumentError: it cannot be read, is too large, or is no UTF-8 text.
    """
    raw = (stdin or sys.stdin.buffer.read)() if found.path == "-" else _bytes(found.path)
    if not found.named:
        kind = format_of(found.path, raw[:200].decode("latin-1"))
        if kind is None or not may_hold_mesh(raw, kind):
            return None
    try:
        return _decoded(raw)
    except DocumentError:
        is_data = len(raw) > MAX_BYTES and format_of(found.path) in ("json", "notebook")
        if found.named or (holds_mesh_keys(raw) and not is_data):
            raise
        return None


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise DocumentError(f"has more than {MAX_BYTES} bytes; recipes are smaller")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise DocumentError("holds a null byte, so it is no text")
    return text


def _bytes(path: str) -> bytes:
    """The file's bytes, at most one more than are read of any."""
    try:
        _refuse_special(os.stat(path).st_mode)  # noqa: PTH116
        with open(path, "rb") as opened:  # noqa: PTH123
            return opened.read(MAX_BYTES + 1)
    except DocumentError:
        raise
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        raise DocumentError(f"cannot be read: {error}") from None


def _refuse_special(mode: int) -> None:
    # a pipe would block, and a device never end
    if stat.S_ISDIR(mode):
        raise DocumentError("is a folder that cannot be listed; check its permissions")
    if not stat.S_ISREG(mode):
        raise DocumentError("is no regular file")
