"""Files that a script names by plain paths: those that lie where it is, or where meshfit runs, and those it writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from meshfit.lint.documents import DocumentError
from meshfit.lint.recipe import Recipe

__all__ = ["FilesBeside", "NamedConfig"]

_PLAIN: Final = re.compile(r"(?!-)[\w.@+-][\w.@+/-]*\Z", re.ASCII)
_CONFIGS: Final = frozenset({"yaml", "json", "toml"})
_SUFFIXES: Final = (".yaml", ".yml", ".json", ".toml")
_KEPT: Final = 256


class NamedConfig(NamedTuple):
    """A config that a script names.

    Args:
        path: where it is; None for one that the script writes, whose recipes have places of the script.
        text: what it holds.
        recipes: its meshes.
    """

    path: str | None
    text: str
    recipes: tuple[Recipe, ...]


class FilesBeside:
    """The files that one script can name.

    Args:
        script: its path. Where it will run nobody knows: in its own folder, or in the one that meshfit runs in.
    """

    def __init__(self, script: str) -> None:
        here = os.path.dirname(script)  # noqa: PTH120 - it may be "-"
        self._folders: tuple[str, ...] = tuple(dict.fromkeys((here, "")))
        self._written: dict[str, NamedConfig | None] = {}

    def enter(self, written: str) -> None:
        """The script goes to another folder; only its own is followed.

        Args:
            written: the argument of `cd`, as the script has it.
        """
        own = "dirname" in written and ".." not in written
        self._folders = self._folders[:1] if own else ()

    def write(self, name: str, config: NamedConfig | None) -> None:
        """The script writes a file; what it writes twice, or in ways that are not followed (None), is not known."""
        name = os.path.normpath(name)
        before = self._written.get(name, config)
        self._written[name] = config if config is not None and before == config else None

    def change(self, names: Iterable[str]) -> list[str]:
        """The script may make something else of these files: configs among them are not known from now on."""
        changed = [os.path.normpath(name) for name in names if name.endswith(_SUFFIXES)]
        self._written |= dict.fromkeys(changed)
        return changed

    def config(self, name: str) -> NamedConfig | None:
        """The config of that name; None where there is none, two may be meant, or it cannot be read."""
        if os.path.normpath(name) in self._written:
            return self._written[os.path.normpath(name)]
        path = self.path(name)
        if path is None:
            return None
        try:
            return _config(path, os.path.realpath(path), os.stat(path).st_mtime_ns)  # noqa: PTH116
        except OSError:
            return None

    def path(self, name: str) -> str | None:
        """Where the file of that name is; None where nobody can tell."""
        if not _PLAIN.match(name) or len(name) > 1024:
            return None
        found = [os.path.join(folder, os.path.normpath(name)) for folder in self._folders]  # noqa: PTH118
        found = [path for path in found if os.path.isfile(path)]  # noqa: PTH113
        return found[0] if len({os.path.realpath(path) for path in found}) == 1 else None


@lru_cache(maxsize=_KEPT)
def _config(path: str, real: str, changed: int) -> NamedConfig | None:
    """A config file, read once as long as it is the same and does not change."""
    del real, changed
    from meshfit.lint.files import Found, read_text
    from meshfit.lint.reading import format_of, read_recipes

    kind = format_of(path)
    if kind not in _CONFIGS:
        return None
    try:
        text = read_text(Found(path, named=True)) or ""
        return NamedConfig(path, text, tuple(read_recipes(text, path, kind)))
    except DocumentError:
        return None
