"""Foreign meshes: the sizes of any mesh-like object, read from names and shape alone.

The packages that define these objects are never imported: a kind is told by the class names of the MRO. No rank,
process group or sub-mesh is touched, so every rank reads the same sizes, also one that is outside the mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from meshfit.errors import MeshError
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.spellings import ALIASES, JOINED, SETTINGS, SPELLINGS, guess, unknown_key

__all__ = ["read_mesh"]

_SIZE_MEMBERS: Final = tuple(f"{name}_size" for name in (*AXES, "fsdp", "dp"))
_ABSENT: Final = object()


def read_mesh(mesh: object) -> MeshSpec:
    """The sizes of a mesh-like object; `None` is no mesh, so every size is 1.

    Read are: a `MeshSpec`; torch's `DeviceMesh`; transformers' `TransformersDeviceMesh` and `DistributedConfig`;
    accelerate's `ParallelismConfig`; torchtitan's `ParallelDims`; NeMo's `MeshContext`; a mapping with keys such as
    `tp_size` or `tp`; any object with members such as `tp_size`. A sub-mesh tells its own axes only.

    `fsdp` is `dp_shard`. `dp` is the whole data-parallel width: `dp_shard` where it stands alone or with a
    `dp_replicate` that divides it; the dim `dp` of a DeviceMesh that also has a sharding dim is `dp_replicate`.

    Raises:
        MeshError: the object tells no sizes, an unknown axis, or a size that is not an int >= 1.
    """
    if mesh is None:
        return _NO_MESH
    if isinstance(mesh, MeshSpec):
        return mesh
    if isinstance(mesh, type):
        raise MeshError(f"got the class {mesh.__name__}, not a mesh; pass an instance such as MeshSpec(tp_size=8)")
    reader = _READERS.get(_kind(type(mesh)))
    if reader is not None and (reader.member is None or hasattr(mesh, reader.member)):
        return reader.read(mesh)
    if isinstance(mesh, Mapping):
        return _from_mapping(mesh)
    return _from_members(mesh)


def _kind(cls: type) -> str:
    kind = _KINDS.get(cls)
    if kind is None:
        kind = _KINDS[cls] = next((name for name in map(_kind_of_class, cls.__mro__) if name), "other")
    return kind


def _kind_of_class(cls: type) -> str:
    if cls.__name__ == "Module" and cls.__module__.partition(".")[0] == "torch":
        return "module"
    return cls.__name__ if cls.__name__ in _READERS else ""


_KINDS: Final[WeakKeyDictionary[type, str]] = WeakKeyDictionary()


# --- one reader for each kind of object


def _from_device_mesh(mesh: Any) -> MeshSpec:
    names = mesh.mesh_dim_names
    if names is None:
        raise MeshError(
            f"the DeviceMesh of shape {tuple(mesh.shape)} has unnamed dims, so its axes are unknown; "
            'pass mesh_dim_names, for example init_device_mesh("cuda", (2, 4), mesh_dim_names=("pp", "tp"))'
        )
    return _from_dims(tuple(names), tuple(mesh.shape), None)


def _from_transformers_mesh(mesh: Any) -> MeshSpec:
    dense, expert = _dims(mesh._dense_mesh), _dims(mesh._expert_mesh)  # noqa: SLF001 - it has no public view
    if "ep" in expert:
        dense["ep"] = expert["ep"]
    return _from_dims(tuple(dense), tuple(dense.values()), "transformers")


def _from_mesh_context(mesh: Any) -> MeshSpec:
    # its `tp_size` properties slice the mesh, which is slow and raises on ranks outside; the meshes tell the same
    dense, expert = getattr(mesh, "device_mesh", None), getattr(mesh, "moe_mesh", None)
    settings = _settings(getattr(mesh, "strategy_config", None)) | _settings(mesh)
    if dense is None and expert is None:
        return _build(_members(mesh), engine="nemo", settings=settings)
    dims = _dims(dense)
    if "ep" in (experts := _dims(expert)):
        dims["ep"] = experts["ep"]
    sizes = _sizes_of_dims(tuple(dims), tuple(dims.values()))
    return _build(sizes, engine="nemo", settings=settings)


def _from_distributed_config(config: Any) -> MeshSpec:
    return _build(_members(config), engine="transformers", settings=_settings(config))


def _from_parallelism_config(config: Any) -> MeshSpec:
    return _build(_members(config), engine="accelerate", settings=_settings(config))


def _from_parallel_dims(dims: Any) -> MeshSpec:
    sizes = {axis: getattr(dims, axis) for axis in AXES if hasattr(dims, axis)}
    if type(sizes.get("dp_shard")) is int and sizes["dp_shard"] == -1:
        sizes["dp_shard"] = _inferred_shard(sizes, getattr(dims, "world_size", None))
    return _build(sizes, engine="torchtitan")


def _inferred_shard(sizes: Mapping[str, Any], world: object) -> int:
    if type(world) is not int or world < 1:
        raise MeshError("dp_shard=-1 is inferred from the world size, which is unknown here; give dp_shard its size")
    ranks = 1
    for axis in ("pp", "dp_replicate", "cp", "tp"):
        ranks *= _positive(axis, sizes.get(axis, 1))
    if world % ranks:
        raise MeshError(
            f"world_size ({world}) is not divisible by pp * dp_replicate * cp * tp ({ranks}), so dp_shard=-1 has no "
            "size; choose sizes whose product divides the world size"
        )
    return world // ranks


def _from_mapping(mapping: Mapping[Any, Any]) -> MeshSpec:
    sizes: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    written: dict[str, str] = {}
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise MeshError(f"key {key!r} of the mesh is not a str; keys are sizes such as tp_size or tp")
        if key in SETTINGS:
            settings[key] = value
            continue
        name = key.removesuffix("_size")
        axis = ALIASES.get(name, name)
        if axis not in AXES and axis != "dp":
            raise MeshError(unknown_key(key))
        if axis in written:
            raise MeshError(f"axis {axis!r} appears twice, as {written[axis]!r} and {key!r}; give each axis one size")
        written[axis] = key
        if value is not None:
            sizes[axis] = value
    if not written:
        raise MeshError(f"the mapping {dict(mapping)!r} tells no sizes; write for example {{'tp_size': 8}}")
    if written.get("tp") and "tp" not in sizes:
        _refuse_unset_tp(settings)
    if settings.get("enable_expert_parallel") and "ep" not in sizes:
        # transformers' older spelling of ep_size=tp_size with the expert plan alone, resolved as it does
        sizes["ep"] = sizes.get("tp", 1)
        if settings.get("tp_plan") is None:
            settings["tp_plan"] = {}
    return _build(sizes, settings=settings)


def _from_members(mesh: object) -> MeshSpec:
    if isinstance(mesh, str):
        raise MeshError(f"got the text {mesh!r}; MeshSpec.parse reads a mesh such as 'tp=8,pp=2' from a text")
    sizes = _members(mesh)
    if not sizes:
        known = next((name for name in SPELLINGS if hasattr(mesh, name)), None)
        if known is not None:
            raise MeshError(
                f"{_described(mesh)} spells its sizes as {known}, which is not read; "
                f"pass MeshSpec({SPELLINGS[known]}=...)"
            )
        raise MeshError(f"{_described(mesh)} tells no sizes; {_ADVICE}")
    return _build(sizes, settings=_settings(mesh))


def _refuse_module(module: object) -> MeshSpec:
    raise MeshError(f"{_described(module)} is a model, not a mesh; pass the model first and the mesh second")


# --- what the readers share


def _dims(mesh: Any) -> dict[str, int]:
    """Dim name -> ranks of a DeviceMesh, `{}` for None."""
    if mesh is None:
        return {}
    if mesh.mesh_dim_names is None:
        _from_device_mesh(mesh)
    return dict(zip(mesh.mesh_dim_names, mesh.shape, strict=True))


@lru_cache(maxsize=256)
def _from_dims(names: tuple[str, ...], shape: tuple[int, ...], engine: str | None) -> MeshSpec:
    return _build(_sizes_of_dims(names, shape), engine=engine)


def _sizes_of_dims(names: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    plain = [name.lower() for name in names]
    axes = {ALIASES.get(name, name) for name in plain}
    for name, ranks in zip(plain, shape, strict=True):
        axis = ALIASES.get(name, name)
        if axis in JOINED:
            if ranks > 1 and not (JOINED[axis] and axes.issuperset(JOINED[axis])):
                raise MeshError(_unreadable_dim(axis, names))
            continue
        if axis == "dp" and "dp_shard" in axes:
            # a dim of a mesh is a factor of it, so beside the sharded part it can only be the replicated one
            axis = "dp_replicate"
        if axis in sizes:
            raise MeshError(f"the dims {names} of the mesh name axis {axis!r} twice; give each axis one dim")
        if axis not in AXES and axis != "dp":
            raise MeshError(f"unknown dim {name!r} of the mesh {names}; axes are {', '.join(AXES)}{guess(name, AXES)}")
        sizes[axis] = ranks
    if "dp" in sizes and "dp_replicate" in sizes:
        # both are factors here, so `dp` is the sharded part, not the whole
        sizes["dp_shard"] = sizes.pop("dp")
    return sizes


def _unreadable_dim(dim: str, names: tuple[str, ...]) -> str:
    if dim == "world":
        return (
            f"the mesh {names} only counts the world and names no axis; pass the object it was made from "
            "(torchtitan's ParallelDims), or a MeshSpec"
        )
    made_of = " and ".join(JOINED[dim]) or "other axes of the mesh"
    return (
        f"dim {dim!r} of the mesh {names} is made of {made_of}, whose sizes the mesh does not tell; pass the mesh "
        "that names them, or a MeshSpec"
    )


def _members(mesh: object) -> dict[str, Any]:
    """Axis -> value of each size member; a member that is None is unset."""
    sizes: dict[str, Any] = {}
    for member in _SIZE_MEMBERS:
        value = getattr(mesh, member, _ABSENT)
        if value is _ABSENT:
            continue
        axis = ALIASES.get(name := member.removesuffix("_size"), name)
        if value is None:
            if axis == "tp":
                _refuse_unset_tp({"tp_plan": getattr(mesh, "tp_plan", None)})
            value = sizes.get(axis, 1)
        if sizes.setdefault(axis, value) != value:
            raise MeshError(
                f"{_described(mesh)} gives axis {axis!r} two sizes, {sizes[axis]!r} and {value!r}; set one of them"
            )
    return sizes


def _refuse_unset_tp(settings: Mapping[str, Any]) -> None:
    if settings.get("tp_plan") is not None:
        raise MeshError(
            "tp_size is None with a tp_plan: transformers fills it from WORLD_SIZE when it starts, so it is unknown "
            "here; set tp_size"
        )


def _settings(mesh: object) -> dict[str, Any]:
    return _said({name: getattr(mesh, name, None) for name in SETTINGS})


def _said(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None and value != SETTINGS[name]}


def _build(sizes: dict[str, Any], *, engine: str | None = None, settings: Mapping[str, Any] | None = None) -> MeshSpec:
    _data_parallel(sizes)
    said = _said(settings or {})
    said.pop("enable_expert_parallel", None)  # the sizes and the plan say the same
    return MeshSpec(
        **{f"{axis}_size": size for axis, size in sizes.items()}, engine=engine, settings=MappingProxyType(said)
    )


def _data_parallel(sizes: dict[str, Any]) -> None:
    """Turn `dp`, the whole data-parallel width, into the sharded part of it."""
    if "dp" not in sizes:
        return
    whole = _positive("dp", sizes.pop("dp"))
    replicated = _positive("dp_replicate", sizes.get("dp_replicate", 1))
    sharded = _positive("dp_shard", sizes.get("dp_shard", 1))
    if whole == 1 or sharded > 1:
        if whole not in (1, sharded * replicated):
            raise MeshError(
                f"dp_size ({whole}) is not dp_replicate_size * dp_shard_size ({replicated} * {sharded}); leave dp_size "
                "out, or make them agree"
            )
        return
    if whole % replicated:
        raise MeshError(
            f"dp_size ({whole}) is not divisible by dp_replicate_size ({replicated}); dp_size is the whole "
            "data-parallel width, so use a multiple of it"
        )
    sizes["dp_shard"] = whole // replicated


def _positive(axis: str, size: object) -> int:
    if type(size) is not int or size < 1:
        raise MeshError(f"{axis}_size must be an int >= 1, got {size!r} ({type(size).__name__}); write {axis}_size=1")
    return size


def _described(mesh: object) -> str:
    if isinstance(mesh, bool | int | float) and len(repr(mesh)) < 80:
        return f"{mesh!r} ({type(mesh).__name__})"
    # the repr of anything else may be long, or slow
    return f"the {type(mesh).__name__} object"


class _Reader(NamedTuple):
    """Reads one kind of object, told by its class name and by a member that namesakes of other packages lack."""

    read: Callable[[Any], MeshSpec]
    member: str | None = None


_ADVICE: Final = "pass a MeshSpec(tp_size=8), a DeviceMesh with named dims, or an object with members such as tp_size"
_NO_MESH: Final = MeshSpec()
_READERS: Final[Mapping[str, _Reader]] = {
    "DeviceMesh": _Reader(_from_device_mesh, "mesh_dim_names"),
    "TransformersDeviceMesh": _Reader(_from_transformers_mesh, "_dense_mesh"),
    "DistributedConfig": _Reader(_from_distributed_config, "fsdp_size"),
    "ParallelismConfig": _Reader(_from_parallelism_config, "dp_shard_size"),
    "ParallelDims": _Reader(_from_parallel_dims, "tp"),
    "MeshContext": _Reader(_from_mesh_context, "moe_mesh"),
    "module": _Reader(_refuse_module),
}
