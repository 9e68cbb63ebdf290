"""`MeshSpec`: the sizes of a mesh, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from meshfit.errors import MeshError
from meshfit.values import Value

__all__ = ["AXES", "AXIS_WORDS", "MeshSpec"]

AXES: Final = ("tp", "pp", "cp", "ep", "dp_shard", "dp_replicate", "sp")
"""The axes of a mesh, in the order reports use."""

AXIS_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tp": "Tensor parallelism",
        "pp": "Pipeline parallelism",
        "cp": "Context parallelism",
        "ep": "Expert parallelism",
        "dp_shard": "Sharded data parallelism",
        "dp_replicate": "Replicated data parallelism",
        "sp": "Sequence parallelism",
        "mesh": "Device mesh",
    }
)
"""What each axis is called in a sentence; `mesh` stands for the mesh as a whole."""

_NAMES: Final = {axis: f"{axis}_size" for axis in AXES}
_DENSE: Final = ("pp", "dp_replicate", "dp_shard", "cp", "sp", "tp")


@dataclass(frozen=True, slots=True, kw_only=True, init=False, eq=False, repr=False)
class MeshSpec(Value):
    """Sizes of a device mesh, one per axis; 1 means the axis is not used.

    Args:
        tp_size, pp_size, cp_size, ep_size, dp_shard_size, dp_replicate_size, sp_size: ranks along the axis, ints >= 1.
        engine: the engine the mesh was written for, when its origin tells (`DistributedConfig`: "transformers").
        settings: what the origin said besides sizes and a rule may read (`ep_implementation`, `tp_plan`,
            `sequence_parallel`, `activation_checkpointing`).

    Raises:
        MeshError: a size is not an int >= 1 (`True`, `2.0` and `"2"` are not ints here).
    """

    tp_size: int
    pp_size: int
    cp_size: int
    ep_size: int
    dp_shard_size: int
    dp_replicate_size: int
    sp_size: int
    engine: str | None = field(compare=False)
    settings: Mapping[str, Any] = field(repr=False)

    def __init__(
        self,
        *,
        tp_size: int = 1,
        pp_size: int = 1,
        cp_size: int = 1,
        ep_size: int = 1,
        dp_shard_size: int = 1,
        dp_replicate_size: int = 1,
        sp_size: int = 1,
        engine: str | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        sizes = (tp_size, pp_size, cp_size, ep_size, dp_shard_size, dp_replicate_size, sp_size)
        for name, size in zip(_NAMES.values(), sizes, strict=True):
            if type(size) is not int:
                raise MeshError(
                    f"{name} must be an int >= 1, got {size!r} ({type(size).__name__}); write {name}=1 to "
                    "leave the axis unused"
                )
            if size < 1:
                raise MeshError(f"{name} must be >= 1, got {size}; write {name}=1 to leave the axis unused")
            object.__setattr__(self, name, size)
        self._fill(engine=engine, settings=settings)

    def __hash__(self) -> int:
        return hash(tuple([getattr(self, name) for name in _NAMES.values()]))

    def __reduce__(self) -> tuple[Callable[..., MeshSpec], tuple[dict[str, Any]]]:
        """Copied and pickled by value: a read-only view of a mapping cannot be."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _rebuild, ({**values, "settings": dict(self.settings)},)

    def size(self, axis: str) -> int:
        """Ranks along `axis` (`"tp"`), 1 when unused. Raises MeshError for an unknown axis."""
        name = _NAMES.get(axis)
        if name is None:
            raise MeshError(f"unknown axis {axis!r}; axes are {', '.join(AXES)}")
        size: int = getattr(self, name)
        return size

    def with_size(self, axis: str, size: int) -> MeshSpec:
        """A copy in which `axis` has that size. Raises MeshError for a size that is not an int >= 1."""
        sizes: dict[str, Any] = {f"{axis}_size": size}
        return replace(self, **sizes)

    @property
    def world_size(self) -> int:
        """Ranks of the whole mesh: pp * dp_replicate * dp_shard * cp * sp * tp. `ep` re-tiles them, so is no factor."""
        ranks = 1
        for axis in _DENSE:
            ranks *= self.size(axis)
        return ranks

    @property
    def used(self) -> tuple[str, ...]:
        """The axes with a size above 1, in the order of `AXES`."""
        return tuple([axis for axis, name in _NAMES.items() if getattr(self, name) > 1])

    @classmethod
    def parse(cls, text: str) -> MeshSpec:
        """Read `"tp=8,pp=2"`; `tp_size=8` is accepted for `tp=8`.

        Raises:
            MeshError: empty text, an unknown or repeated axis, a size that is not a positive whole number.
        """
        if not isinstance(text, str):
            raise MeshError(f"a mesh text is a str such as 'tp=8,pp=2', got {text!r} ({type(text).__name__})")
        if not text.strip():
            raise MeshError("empty mesh; write sizes such as tp=8,pp=2 (tp=1 for a single device)")
        sizes: dict[str, Any] = {}
        for part in text.split(","):
            name, equals, digits = (piece.strip() for piece in part.partition("="))
            axis = name.removesuffix("_size")
            if not equals:
                raise MeshError(f"{part.strip()!r} in {text!r} is not axis=size; write for example tp=8")
            if axis not in AXES:
                raise MeshError(f"unknown axis {name!r} in {text!r}; axes are {', '.join(AXES)}")
            if axis in sizes:
                raise MeshError(f"axis {axis!r} appears twice in {text!r}; give each axis one size")
            if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
                raise MeshError(f"size {digits!r} of axis {axis!r} in {text!r} is not a whole number >= 1")
            sizes[axis] = int(digits)
        return cls(**{f"{axis}_size": size for axis, size in sizes.items()})

    @classmethod
    def of(cls, mesh: object) -> MeshSpec:
        """Read the sizes of any mesh-like object, `None` (no mesh) included; never touches ranks or collectives.

        Raises:
            MeshError: the object carries no sizes, or one that is not a positive int.
        """
        if type(mesh) is cls:
            return mesh
        from meshfit.readers.meshes import read_mesh

        return read_mesh(mesh)

    def __str__(self) -> str:
        """`tp=8,pp=2`: the used axes, `one device` when there is none. `parse` reads it back."""
        return ",".join(f"{axis}={self.size(axis)}" for axis in self.used) or "tp=1"


def _rebuild(values: dict[str, Any]) -> MeshSpec:
    return MeshSpec(**{**values, "settings": MappingProxyType(values["settings"])})
