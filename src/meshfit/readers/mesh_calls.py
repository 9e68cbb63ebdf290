"""The mesh that a constructor call makes, told by its name and arguments: nothing is called, nothing imported.

For whoever reads source text. Any argument, or an item of one, may be `UNKNOWN`; the sizes that hang on it are unknown
in the mesh. `read_mesh` has the last word, over a stand-in for the object, so that a refusal reads as it does live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.unknown import UNKNOWN

__all__ = [
    "CONSTRUCTORS",
    "SIZES",
    "DeviceMesh",
    "UnreadableCall",
    "make_mesh",
    "mesh_of_call",
    "mesh_of_value",
]


class UnreadableCall(Exception):  # noqa: N818 - a signal to whoever reads the source, no user's mistake
    """Nothing can be told of what the call makes."""


class DeviceMesh:
    """Names and shape of torch's `DeviceMesh`, as a call spells them.

    Args:
        names: `mesh_dim_names`, None when the dims are unnamed.
        shape: ranks of each dim, `UNKNOWN` where they are.
    """

    __slots__ = ("mesh_dim_names", "shape")

    def __init__(self, names: tuple[str, ...] | None, shape: tuple[Any, ...]) -> None:
        self.mesh_dim_names: tuple[str, ...] | None = names
        self.shape: tuple[Any, ...] = shape

    def sliced(self, names: object) -> DeviceMesh:
        """`mesh["tp"]` or `mesh["dp", "tp"]`. Raises UnreadableCall for a name that is no dim, as a flattened one."""
        wanted = (names,) if isinstance(names, str) else names
        ranks = dict(zip(self.mesh_dim_names or (), self.shape, strict=True))
        if not isinstance(wanted, tuple) or not all(isinstance(name, str) and name in ranks for name in wanted):
            raise UnreadableCall
        return DeviceMesh(wanted, tuple(ranks[name] for name in wanted))


def mesh_of_call(
    callee: str,
    positional: Sequence[object] = (),
    keywords: Mapping[str, object] = MappingProxyType({}),
    *,
    more: bool = False,
    extra: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> MeshSpec:
    """The mesh that `callee(*positional, **keywords)` makes.

    Args:
        callee: dotted name of the constructor, where it is defined or where its package exports it.
        positional: values of the positional arguments.
        keywords: values of the keyword arguments.
        more: whether `*args` or `**kwargs` may pass further ones.
        extra: further constructors: dotted name -> parameter -> axis, as `{"my.mesh.make": {"tensor": "tp"}}`. Of what
            they make only the sizes that are passed by keyword are known.

    Returns:
        The mesh; a `PartialMesh` where something of it is unknown.

    Raises:
        MeshError: the mesh is refused, in the words of `read_mesh`.
        UnreadableCall: the call makes no mesh, or nothing can be told of it.
    """
    return mesh_of_value(make_mesh(callee, positional, keywords, more=more, extra=extra))


def make_mesh(
    callee: str,
    positional: Sequence[object] = (),
    keywords: Mapping[str, object] = MappingProxyType({}),
    *,
    more: bool = False,
    extra: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> MeshSpec | DeviceMesh:
    """As `mesh_of_call`, but a `DeviceMesh` stays one, so that it can be sliced or put into another mesh."""
    kind = CONSTRUCTORS.get(callee)
    if (
        kind == "MeshSpec"
        and callee not in extra
        and not (positional or more)
        and SIZES.issuperset(keywords)
        and set(map(type, keywords.values())) <= {int}
    ):
        return _of_sizes(*keywords.items())
    from meshfit.readers import mesh_makers

    if callee in extra:
        return mesh_makers.by_option(extra[callee], keywords)
    if kind is None:
        raise UnreadableCall
    return mesh_makers.MAKERS[kind](positional, keywords, more)


def mesh_of_value(value: object) -> MeshSpec:
    """The mesh that a value is: None, a mapping, or what `make_mesh` made.

    Raises:
        MeshError: the value is refused, in the words of `read_mesh`.
        UnreadableCall: nothing is known of the value.
    """
    if isinstance(value, MeshSpec):
        return value
    if value is UNKNOWN:
        raise UnreadableCall
    from meshfit.readers import mesh_makers

    return mesh_makers.read_value(value)


@lru_cache(maxsize=64)
def _of_sizes(*sizes: tuple[str, Any]) -> MeshSpec:
    """A program makes few meshes, and spells each again and again."""
    return MeshSpec(**dict(sizes))


SIZES: Final = frozenset(f"{axis}_size" for axis in AXES)
"""The arguments of `MeshSpec` that are sizes."""

CONSTRUCTORS: Final[Mapping[str, str]] = {
    name: kind
    for kind, names in (
        ("MeshSpec", ("meshfit.mesh.MeshSpec", "meshfit.MeshSpec")),
        ("MeshSpec.parse", ("meshfit.mesh.MeshSpec.parse", "meshfit.MeshSpec.parse")),
        ("MeshSpec.of", ("meshfit.mesh.MeshSpec.of", "meshfit.MeshSpec.of")),
        (
            "DistributedConfig",
            (
                "transformers.distributed.configuration_utils.DistributedConfig",
                "transformers.distributed.DistributedConfig",
                "transformers.DistributedConfig",
            ),
        ),
        (
            "ParallelismConfig",
            (
                "accelerate.parallelism_config.ParallelismConfig",
                "accelerate.utils.ParallelismConfig",
                "accelerate.utils.dataclasses.ParallelismConfig",
                "accelerate.ParallelismConfig",
            ),
        ),
        (
            "ParallelDims",
            ("torchtitan.distributed.parallel_dims.ParallelDims", "torchtitan.distributed.ParallelDims"),
        ),
        (
            "init_device_mesh",
            ("torch.distributed.device_mesh.init_device_mesh", "torch.distributed.init_device_mesh"),
        ),
        (
            "DeviceMesh",
            (
                "torch.distributed.device_mesh.DeviceMesh",
                "torch.distributed.DeviceMesh",
                "torch.distributed.tensor.DeviceMesh",
            ),
        ),
        ("MeshContext", ("nemo_automodel.components.distributed.mesh.MeshContext",)),
        ("MeshContext.from_meshes", ("nemo_automodel.components.distributed.mesh.MeshContext.from_meshes",)),
    )
    for name in names
}
"""Dotted name -> kind of constructor. A class is named where it is defined and where its package exports it."""
