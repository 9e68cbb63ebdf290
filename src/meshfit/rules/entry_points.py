"""What installed packages advertise for meshfit, as entry points.

`importlib.metadata` costs more than a whole verdict, so the entry points are read here from the `entry_points.txt`
files on `sys.path`, and only in the path that judges.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

__all__ = ["EntryPoint", "advertised"]


class EntryPoint(NamedTuple):
    """One line of an `entry_points.txt`: `name = target`, and the distribution whose folder holds it."""

    name: str
    target: str
    distribution: str


@lru_cache(maxsize=8)
def advertised(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of `group` among the installed distributions, the first found of each name and distribution."""
    found: dict[tuple[str, str], EntryPoint] = {}
    for distribution, text in _entry_point_files():
        for name, target in _section(text, group):
            found.setdefault((distribution, name), EntryPoint(name, target, distribution))
    return tuple(sorted(found.values()))


@lru_cache(maxsize=1)
def _entry_point_files() -> tuple[tuple[str, str], ...]:
    """(distribution, text) of each `entry_points.txt` that names a group of meshfit."""
    found = []
    for place in dict.fromkeys(sys.path):
        try:
            folders = [e.path for e in os.scandir(place or ".") if e.name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for folder in sorted(folders):
            try:
                with open(os.path.join(folder, "entry_points.txt"), "rb") as file:  # noqa: PTH118, PTH123 - twice as fast
                    raw = file.read()
            except OSError:
                continue
            if b"meshfit." in raw:
                distribution = os.path.basename(folder).partition("-")[0]  # noqa: PTH119 - as above
                found.append((distribution, raw.decode("utf-8", "replace")))
    return tuple(found)


def _section(text: str, group: str) -> Iterator[tuple[str, str]]:
    """The (name, target) lines below `[group]`."""
    current = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            current = stripped.strip("[]").strip()
        elif current == group and "=" in stripped and not stripped.startswith(("#", ";")):
            name, _, target = stripped.partition("=")
            yield name.strip(), target.partition("[")[0].strip()
