"""Sizes that source text does not tell: what else hangs on them, and the mesh that is left to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from meshfit.mesh import AXES, MeshSpec
from meshfit.partial_mesh import PartialMesh
from meshfit.readers.spellings import ALIASES, SETTINGS
from meshfit.readers.unknown import has_unknown

__all__ = ["axis_of", "read_partly", "with_family", "with_unknown"]


def read_partly(
    read: Callable[[dict[str, Any]], MeshSpec], said: Mapping[str, object], unknown: Iterable[str] = ()
) -> MeshSpec:
    """Read what is said with 1 in the place of each unknown size, then forget those sizes.

    Args:
        read: makes a mesh of sizes and settings by name; it may refuse them.
        said: what the source says, with or without the suffix `_size`.
        unknown: names that it does not say and that may have any value.
    """
    lost = {name for name, value in said.items() if has_unknown(value)}.union(unknown)
    axes = with_family({axis_of(name) for name in lost}, {axis_of(name) for name in said})
    filled = {
        name: 1 if name not in SETTINGS and axis_of(name) in axes else value
        for name, value in said.items()
        if name not in lost or name not in SETTINGS
    }
    return with_unknown(read(filled), axes)


def with_family(axes: set[str], named: set[str]) -> set[str]:
    """`dp` is made of two axes, so one unknown of the three leaves both open."""
    family = {"dp", "dp_shard", "dp_replicate"}
    return axes | family if "dp" in named and axes & family else axes


def with_unknown(spec: MeshSpec, names: set[str]) -> MeshSpec:
    """The mesh with axes and settings of these names unknown; other names are passed over."""
    unknown = {name for name in names if name in AXES or name in SETTINGS}
    if not unknown:
        return spec
    sizes = {f"{axis}_size": spec.size(axis) for axis in AXES if axis not in unknown}
    settings = {name: value for name, value in spec.settings.items() if name not in unknown}
    return PartialMesh(unknown, **sizes, engine=spec.engine, settings=settings)


def axis_of(name: Any) -> str:
    """The axis that the name of a size means: `dp_shard` for `fsdp_size`."""
    plain = str(name).removesuffix("_size")
    return ALIASES.get(plain, plain)
