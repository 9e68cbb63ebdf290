"""Whether a program may register plans for its models, in whatever file."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

__all__ = ["may_register"]

_REGISTRIES: Final = (b"tp_plans", b"custom_models")
_MOST: Final = 5_000
"""Files beyond which a program is taken to register."""
_OTHERS: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


def may_register(path: str, text: str) -> bool:
    """Whether a file, or one that lies where it can be imported beside it, names a registry of plans.

    Args:
        path: the file.
        text: what it holds.
    """
    if any(word.decode() in text for word in _REGISTRIES):
        return True
    folder = Path(path).absolute().parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return _registers_below(str(folder))


@lru_cache(maxsize=64)
def _registers_below(root: str) -> bool:
    read = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _OTHERS and not name.startswith(".")]
        for name in files:
            if name.endswith(".py"):
                read += 1
                if read > _MOST or _names_one(os.path.join(folder, name)):  # noqa: PTH118 - of thousands
                    return True
    return False


def _names_one(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - of thousands
            raw = file.read()
    except OSError:
        return False
    return any(word in raw for word in _REGISTRIES)
