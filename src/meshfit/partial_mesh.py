"""`PartialMesh`: a mesh of which only some sizes are known, as source text shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meshfit.errors import MeshError, MissingFact
from meshfit.mesh import AXES, MeshSpec

__all__ = ["PartialMesh"]


class PartialMesh(MeshSpec):
    """A mesh whose other sizes and settings nobody knows: a rule that reads one lacks a fact, and says nothing.

    Args:
        unknown: axes (`"pp"`) and settings (`"tp_plan"`) that may have any value.
        mesh: the known sizes, `MeshSpec`'s keyword arguments; an axis in neither place is unused.

    Raises:
        MeshError: as `MeshSpec`; or a name is both known and unknown.
    """

    __slots__ = ("_unknown",)

    _unknown: frozenset[str]

    def __init__(self, unknown: Iterable[str], **mesh: Any) -> None:
        names = frozenset(unknown)
        object.__setattr__(self, "_unknown", frozenset())
        settings = mesh.pop("settings", {})
        twice = [name for name in names if name in settings or mesh.get(f"{name}_size", 1) != 1]
        if twice:
            raise MeshError(f"{', '.join(sorted(twice))} is given and said to be unknown; leave out one of them")
        super().__init__(**mesh, settings=_PartialSettings(settings, names.difference(AXES)))
        object.__setattr__(self, "_unknown", names)

    def __getattribute__(self, name: str) -> Any:
        if name.endswith("_size") and name.removesuffix("_size") in super().__getattribute__("_unknown"):
            raise MissingFact(name)
        return super().__getattribute__(name)

    @property
    def unknown(self) -> frozenset[str]:
        """The axes and settings that may have any value."""
        return self._unknown

    @property
    def used(self) -> tuple[str, ...]:
        """The axes known to have a size above 1, in the order of `AXES`."""
        return tuple(axis for axis in AXES if axis not in self._unknown and self.size(axis) > 1)

    def with_size(self, axis: str, size: int) -> MeshSpec:
        """A copy in which `axis` has that size, known from now on."""
        sizes = {f"{name}_size": self.size(name) for name in AXES if name not in self._unknown}
        return PartialMesh(
            self._unknown - {axis}, **{**sizes, f"{axis}_size": size}, engine=self.engine, settings=dict(self.settings)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        sizes = {f"{name}_size": self.size(name) for name in AXES if name not in self._unknown}
        return _rebuild, (self._unknown, {**sizes, "engine": self.engine, "settings": dict(self.settings)})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartialMesh) and self.__reduce__()[1] == other.__reduce__()[1]

    def __hash__(self) -> int:
        return hash((self._unknown, self.used, *(self.size(axis) for axis in self.used)))

    def __repr__(self) -> str:
        sizes = [f"{axis}_size={self.size(axis)}" for axis in self.used]
        return f"PartialMesh({', '.join([repr(sorted(self._unknown)), *sizes])})"


class _PartialSettings(Mapping[str, Any]):
    """Settings of which some are unknown: asking for one of those is asking for a fact that nobody knows."""

    __slots__ = ("_known", "_unknown")

    def __init__(self, known: Mapping[str, Any], unknown: frozenset[str]) -> None:
        self._known = dict(known)
        self._unknown = unknown

    def __getitem__(self, name: str) -> Any:
        if name in self._unknown:
            raise MissingFact(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _rebuild(unknown: frozenset[str], mesh: dict[str, Any]) -> PartialMesh:
    return PartialMesh(unknown, **mesh)
