"""Facts and a mesh that tell which sizes a rule asks them for.

A rule is a pure function of facts and mesh. On a mesh whose sizes become known one after the other, one that asked only
for known sizes has said all that it will ever say of the meshes that agree in them: that is what lets a sweep judge
a thousand meshes at once, and leave out a thousand with one violation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts
from meshfit.mesh import AXES, MeshSpec

__all__ = ["WORLD", "Sizes", "Undecided", "WatchedFacts", "WatchedMesh", "Watcher"]

WORLD: Final = "world"
"""The name of the number of ranks among the sizes; meshes have as many as the world."""

Sizes = dict[str, int]
"""Axis, or `WORLD` -> ranks; an axis that is left out has no size yet."""

Ask = Callable[[str], int]

_SIZES: Final[Mapping[str, str]] = MappingProxyType({**{f"{axis}_size": axis for axis in AXES}, "world_size": WORLD})


class Undecided(MissingFact):
    """A rule asked for a size that the mesh does not have yet."""


class Watcher:
    """Answers what a rule asks of the sizes, and writes down what it asked."""

    def __init__(self) -> None:
        self._sizes: Mapping[str, int] = {}
        self.asked: dict[str, int] = {}
        self.wanting: str | None = None

    def begin(self, sizes: Mapping[str, int]) -> None:
        """Answer from these sizes from now on; nothing was asked yet."""
        self._sizes = sizes
        self.asked = {}
        self.wanting = None

    def __call__(self, name: str) -> int:
        """The size. Raises Undecided where it is not known, and says so in `wanting` even where a rule catches that."""
        size = self._sizes.get(name)
        if size is None:
            self.wanting = self.wanting or name
            raise Undecided(name)
        if self.wanting is None:
            self.asked[name] = size
        return size


class WatchedFacts(ModelFacts):
    """A model's facts, with the world that a watcher tells."""

    def __init__(self, facts: ModelFacts, ask: Ask) -> None:
        self.__dict__.update(facts.without("world_size").__dict__)
        self.__dict__["_ask"] = ask

    def __getattr__(self, name: str) -> Any:
        if name == "world_size":
            return self.__dict__["_ask"](WORLD)
        return super().__getattr__(name)

    def knows(self, name: str) -> bool:
        """Whether the fact is known; the world is."""
        if name == "world_size":
            self.__dict__["_ask"](WORLD)
            return True
        return super().knows(name)

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "world_size": self.world_size}


class WatchedMesh(MeshSpec):
    """A mesh with the sizes that a watcher tells."""

    __slots__ = ("_ask",)

    _ask: Ask

    def __init__(self, ask: Ask, settings: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_ask", lambda _: 1)
        super().__init__(settings=settings)
        object.__setattr__(self, "_ask", ask)

    def __getattribute__(self, name: str) -> Any:
        asked = _SIZES.get(name)
        if asked is None:
            return super().__getattribute__(name)
        return super().__getattribute__("_ask")(asked)

    def with_size(self, axis: str, size: int) -> MeshSpec:
        """A plain mesh in which `axis` has that size."""
        sizes: dict[str, Any] = {f"{other}_size": self.size(other) for other in AXES if other != axis}
        return MeshSpec(**sizes, settings=self.settings).with_size(axis, size)
