"""Models that files name: found in the model map, beside the working directory, or in the local hub cache.

Nothing is fetched. A model that is not found, or cannot be read, is unknown: the file that names it is not at fault.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from meshfit.errors import MeshfitError
from meshfit.readers.hub import cached_config, hub_id

if TYPE_CHECKING:
    from meshfit.facts import ModelFacts

__all__ = ["Models"]

_KEPT: Final = 64
"""Models whose facts are kept: each takes some megabytes, and the files of one folder share a handful."""


class Models:
    """Reads the facts of models by the names that files give them.

    Args:
        folders: name -> folder or `config.json`, which come first.
    """

    def __init__(self, folders: Mapping[str, str] = MappingProxyType({})) -> None:
        self._folders = folders
        self._read: OrderedDict[str, ModelFacts | None] = OrderedDict()
        self.missing: set[str] = set()

    def named(self, name: str, beside: str = "") -> ModelFacts | None:
        """The facts of the model that a file names; None where it is not here, or cannot be read.

        Args:
            name: hub id, folder or file as the file spells it.
            beside: folder of the file that names it.
        """
        target = self._found(name, beside)
        if target is None:
            self.missing.add(name)
            return None
        if target not in self._read:
            self._read[target] = self._facts(target)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        self._read.move_to_end(target)
        return self._read[target]

    def asked(self, target: str) -> ModelFacts:
        """The facts of the model that the user names, whatever `meshfit check` takes.

        Raises:
            TargetError: it cannot be read or resolved.
        """
        from meshfit.checking import read_facts

        found = self._found(target, "")
        key = f"asked {target}"
        facts = self._read.get(key)
        if facts is None:
            facts = self._read[key] = read_facts(found or target)
        return facts

    def _found(self, name: str, beside: str) -> str | None:
        if name in self._folders:
            return self._folders[name]
        if not name or "\0" in name or len(name) > 4096:
            return None
        for folder in dict.fromkeys(("", beside)):
            path = os.path.join(folder, os.path.expanduser(name))  # noqa: PTH111, PTH118 - a name, maybe no path
            if os.path.isfile(os.path.join(path, "config.json")) or (  # noqa: PTH113, PTH118
                path.endswith(".json") and os.path.isfile(path)  # noqa: PTH113
            ):
                return path
        model = hub_id(name)
        config = cached_config(model) if model is not None else None
        return None if config is None else str(config)

    @staticmethod
    def _facts(target: str) -> ModelFacts | None:
        from meshfit.checking import read_facts

        try:
            return read_facts(Path(target))
        except MeshfitError:
            return None
