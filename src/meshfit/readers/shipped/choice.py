"""Which source a config is read by: the installed transformers, else an index of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.facts import ModelFacts, Origin
from meshfit.readers.shipped.archive import Index, read_index

__all__ = ["ENVIRONMENT", "SHIPPED", "index_in_use", "index_version", "read_by_class", "user_index"]

ENVIRONMENT: Final = "MESHFIT_INDEX"
"""The environment variable that names an index file."""
SHIPPED: Final = Path(__file__).parents[2] / "data" / "transformers.index"
"""The index that comes with meshfit."""


def user_index() -> Path:
    """Where `meshfit index` puts the user's own."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "meshfit" / "transformers.index"


def index_in_use() -> Index:
    """The index that MESHFIT_INDEX names, else the user's own, else the one that comes with meshfit.

    Raises:
        TargetError: it cannot be read.
    """
    return _opened(_place())


def index_version(index: Index) -> str:
    """The version of transformers that an index speaks of, and which index it is."""
    return f"{index.version} ({'shipped index' if index.path == SHIPPED else f'index {index.path}'})"


def _place() -> Path:
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    own = user_index()
    return own if own.is_file() else SHIPPED


@lru_cache(maxsize=2)
def _opened(path: Path) -> Index:
    if not path.is_file():
        raise TargetError(
            f"neither transformers nor an index of it is at hand ({path} does not exist); pip install 'meshfit[hf]'"
        )
    return read_index(path)


def read_by_class(
    values: Mapping[str, Any],
    *,
    where: str = "config",
    origin: Callable[[str], Origin] | None = None,
    class_name: str | None = None,
) -> ModelFacts:
    """The facts of the model a config describes, by whatever knows its class.

    Args:
        values: the decoded `config.json`.
        where: its name in reports.
        origin: JSON pointer -> place in the file.
        class_name: the class; the first of `architectures` that is known when None.

    Raises:
        TargetError: the config names no known class, or a size is no whole number.
    """
    from meshfit.readers.source.index import find_package

    if find_package("transformers") is not None:
        from meshfit.readers.source.facts import facts_from_config

        return facts_from_config(values, where=where, origin=origin, class_name=class_name)
    from meshfit.readers.shipped.facts import facts_from_index

    return facts_from_index(index_in_use(), values, where=where, origin=origin, class_name=class_name)
