"""What each constructor of a mesh makes of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.mesh_calls import SIZES, DeviceMesh, UnreadableCall, mesh_of_value
from meshfit.readers.meshes import read_mesh
from meshfit.readers.spellings import JOINED, SETTINGS
from meshfit.readers.unknown import UNKNOWN, has_unknown
from meshfit.readers.unknown_sizes import axis_of, read_partly, with_family, with_unknown

__all__ = ["MAKERS", "by_option", "read_value"]


def _mesh_spec(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    given = _named(("engine", "settings", *SIZES), (), keywords)
    engine, settings = given.get("engine"), given.get("settings", {})
    if positional or more or not isinstance(settings, Mapping) or not (engine is None or isinstance(engine, str)):
        raise UnreadableCall

    asked = {name: size for name, size in given.items() if name in SIZES}

    def spec(filled: dict[str, Any]) -> MeshSpec:
        kept = {name: value for name, value in filled.items() if name not in SIZES}
        known: dict[str, Any] = {name: value for name, value in filled.items() if name in SIZES}
        return MeshSpec(**known, engine=engine, settings=MappingProxyType(kept))

    return read_partly(spec, {**settings, **asked})


def _parsed(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    text: Any = _argument(0, "text", positional, keywords)
    if text is UNKNOWN or more:
        raise UnreadableCall
    return MeshSpec.parse(text)


def _read_as_mesh(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    if more:
        raise UnreadableCall
    return mesh_of_value(_argument(0, "mesh", positional, keywords))


def _distributed_config(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    """What transformers' `__post_init__` leaves, of its version 5.23."""
    said = dict(_named(_DISTRIBUTED_CONFIG, positional, keywords))
    unknown = set(_rest(_DISTRIBUTED_CONFIG, said)) if more else set()
    if said.get("tp_size") is None and (said.get("tp_plan") is not None or "tp_plan" in unknown):
        said["tp_size"] = UNKNOWN  # it is filled from WORLD_SIZE
    _add_experts(said, unknown)
    said = {"fsdp_size": 1, **{name: value for name, value in said.items() if value is not None}}
    return read_partly(lambda filled: read_mesh(_DistributedConfig(**filled)), said, unknown)


def _parallelism_config(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    """What is None is filled from the environment, so it is unknown, and further arguments change nothing."""
    del more
    given = _named(_PARALLELISM_CONFIG, positional, keywords)
    said = {name: given[name] if given.get(name) is not None else UNKNOWN for name in _PARALLELISM_CONFIG}
    return read_partly(lambda filled: read_mesh(_ParallelismConfig(**filled)), said)


def _parallel_dims(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    if positional:
        raise UnreadableCall  # their order is another in each version
    said: dict[str, object] = {"tp": 1, **{axis: keywords[axis] for axis in AXES if axis in keywords}}
    unknown = _rest(AXES, keywords) if more else []
    world = keywords.get("world_size", UNKNOWN if more else None)
    ranks = [said.get(axis, 1) for axis in ("pp", "dp_replicate", "cp", "tp")]
    if said.get("dp_shard") == -1 and (UNKNOWN in (*ranks, world) or more):
        said["dp_shard"] = UNKNOWN
    return read_partly(lambda filled: read_mesh(_ParallelDims(**filled, world_size=world)), said, unknown)


def _init_device_mesh(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> DeviceMesh:
    return _device_mesh(_argument(1, "mesh_shape", positional, keywords), keywords, more)


def _device_mesh_of_ranks(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> DeviceMesh:
    ranks = _argument(1, "mesh", positional, keywords)
    shape: list[int] = []
    while isinstance(ranks, (list, tuple)) and ranks:
        shape.append(len(ranks))
        ranks = ranks[0]
    return _device_mesh(tuple(shape) if isinstance(ranks, int) else UNKNOWN, keywords, more)


def _device_mesh(shape: object, keywords: Mapping[str, object], more: bool) -> DeviceMesh:
    names = keywords.get("mesh_dim_names", UNKNOWN if more else None)
    if names is None and isinstance(shape, (list, tuple)) and not has_unknown(shape):
        return DeviceMesh(None, tuple(shape))
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UnreadableCall
    if shape is UNKNOWN:
        shape = [UNKNOWN] * len(names)
    if not isinstance(shape, (list, tuple)) or len(shape) != len(names):
        raise UnreadableCall
    return DeviceMesh(tuple(names), tuple(shape))


def _mesh_context(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    return _nemo(_named(_MESH_CONTEXT, positional, keywords), more)


def _mesh_context_from_meshes(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    return _nemo({**dict(zip(("device_mesh", "moe_mesh"), positional, strict=False)), **keywords}, more)


def _nemo(said: Mapping[str, object], more: bool) -> MeshSpec:
    absent = UNKNOWN if more else None
    dense, expert = said.get("device_mesh", absent), said.get("moe_mesh", absent)
    ranks: dict[str, object] = {}
    for mesh in (dense, expert):
        if mesh is not None and not isinstance(mesh, DeviceMesh):
            raise UnreadableCall
        if mesh is not None and mesh.mesh_dim_names is not None:
            ranks |= zip(mesh.mesh_dim_names, mesh.shape, strict=True)
    unknown = _unknown_axes(ranks)
    if dense is not None and expert is None and "ep" not in ranks:
        unknown.add("ep")  # NeMo looks for a flattened dim of that name
    if said.get("strategy_config", absent) is not None:
        unknown |= set(SETTINGS)
    checkpointing = said.get("activation_checkpointing", absent)
    if checkpointing is UNKNOWN:
        unknown.add("activation_checkpointing")
    elif checkpointing:
        unknown.discard("activation_checkpointing")
    context = _MeshContext(
        device_mesh=_filled(dense), moe_mesh=_filled(expert), activation_checkpointing=checkpointing is True
    )
    return with_unknown(read_mesh(context), unknown)


def by_option(axes: Mapping[str, str], keywords: Mapping[str, object]) -> MeshSpec:
    """What a further constructor makes: parameter -> axis, and the arguments passed by keyword."""
    said = {f"{axis_of(axes[name])}_size": value for name, value in keywords.items() if name in axes}
    return read_partly(lambda filled: MeshSpec(**filled), said, _rest([f"{axis}_size" for axis in AXES], said))


def read_value(value: object) -> MeshSpec:
    """The mesh that a value is, as `mesh_of_value` reads it."""
    if isinstance(value, DeviceMesh):
        return _of_dims(value)
    return _of_mapping(value) if isinstance(value, Mapping) else read_mesh(value)


# --- what the makers share


def _of_mapping(mapping: Mapping[Any, object]) -> MeshSpec:
    if UNKNOWN in mapping:
        raise UnreadableCall
    said, unknown = dict(mapping), set[str]()
    tp = next((key for key in ("tp", "tp_size") if key in said), None)
    if tp is not None and said[tp] is None and has_unknown(said.get("tp_plan")):
        said[tp] = UNKNOWN  # refused, or 1
    switch, experts = said.get("enable_expert_parallel"), said.get("ep", said.get("ep_size"))
    if switch and (experts is None or experts is UNKNOWN):
        if UNKNOWN in (switch, experts, said.get(tp)):
            unknown.add("ep")
        if UNKNOWN in (switch, experts) and said.get("tp_plan") is None:
            unknown.add("tp_plan")
    return read_partly(read_mesh, said, unknown)


def _of_dims(mesh: DeviceMesh) -> MeshSpec:
    names = mesh.mesh_dim_names
    unknown = _unknown_axes(dict(zip(names, mesh.shape, strict=True))) if names is not None else set[str]()
    return with_unknown(read_mesh(_filled(mesh)), unknown)


def _filled(mesh: Any) -> Any:
    """A mesh in which dims of unknown ranks have one, which no rule of reading refuses."""
    if mesh is None:
        return None
    return DeviceMesh(mesh.mesh_dim_names, tuple(1 if size is UNKNOWN else size for size in mesh.shape))


def _unknown_axes(ranks: Mapping[str, object]) -> set[str]:
    """The axes whose sizes hang on dims of unknown ranks."""
    named = {axis_of(name.lower()) for name in ranks}
    axes: set[str] = set()
    for name in (name.lower() for name, size in ranks.items() if size is UNKNOWN):
        axes |= {axis for axis in JOINED[name] if axis not in named} if name in JOINED else {axis_of(name)}
    return with_family(axes, named)


def _add_experts(said: dict[str, object], unknown: set[str]) -> None:
    """Resolve the older switch for experts: `ep_size=tp_size` with the expert plan alone."""
    switch = UNKNOWN if "enable_expert_parallel" in unknown else said.pop("enable_expert_parallel", False)
    unknown.discard("enable_expert_parallel")
    experts = UNKNOWN if "ep_size" in unknown else said.get("ep_size")
    if not switch or (experts is not None and experts is not UNKNOWN):
        return
    if experts is None:
        said["ep_size"] = UNKNOWN if switch is UNKNOWN or "tp_size" in unknown else said.get("tp_size") or 1
    if said.get("tp_plan") is None and "tp_plan" not in unknown:
        said["tp_plan"] = UNKNOWN if UNKNOWN in (switch, experts) else {}


def _argument(index: int, name: str, positional: Sequence[object], keywords: Mapping[str, object]) -> object:
    return positional[index] if len(positional) > index else keywords.get(name, UNKNOWN)


def _named(names: Sequence[str], positional: Sequence[object], keywords: Mapping[str, object]) -> Mapping[str, object]:
    """Every argument by its name; one that the signature lacks is a TypeError when it runs, which is not ours."""
    if len(positional) > len(names) or not set(keywords) <= set(names):
        raise UnreadableCall
    return {**dict(zip(names, positional, strict=False)), **keywords}


def _rest(names: Sequence[str], given: Mapping[str, object]) -> list[str]:
    return [name for name in names if name not in given]


# `read_mesh` tells a kind by the name of its class
_DistributedConfig: Final = type("DistributedConfig", (SimpleNamespace,), {})
_ParallelismConfig: Final = type("ParallelismConfig", (SimpleNamespace,), {})
_ParallelDims: Final = type("ParallelDims", (SimpleNamespace,), {})
_MeshContext: Final = type("MeshContext", (SimpleNamespace,), {})

_DISTRIBUTED_CONFIG: Final = (
    *("tp_size", "tp_plan", "enable_sequence_parallel", "enable_expert_parallel", "fsdp_size", "dp_replicate_size"),
    *("fsdp_plan", "fsdp_cpu_offload", "fsdp_mixed_precision", "pp_size", "ep_size", "ep_plan", "ep_implementation"),
)
"""Parameters of transformers' `DistributedConfig`, 5.23 distributed/configuration_utils.py."""

_PARALLELISM_CONFIG: Final = (
    *("dp_replicate_size", "dp_shard_size", "tp_size", "cp_size", "cp_backend", "sp_size", "sp_backend"),
    *("tp_handler", "cp_handler", "sp_handler"),
)
"""Parameters of accelerate's `ParallelismConfig`, 1.15 parallelism_config.py."""

_MESH_CONTEXT: Final = (
    *("strategy_config", "pipeline_config", "moe_config", "activation_checkpointing", "device_mesh", "moe_mesh"),
)
"""Parameters of NeMo Automodel's `MeshContext`, components/distributed/mesh.py."""

MAKERS: Final[Mapping[str, Callable[[Sequence[object], Mapping[str, object], bool], MeshSpec | DeviceMesh]]] = {
    "MeshSpec": _mesh_spec,
    "MeshSpec.parse": _parsed,
    "MeshSpec.of": _read_as_mesh,
    "DistributedConfig": _distributed_config,
    "ParallelismConfig": _parallelism_config,
    "ParallelDims": _parallel_dims,
    "init_device_mesh": _init_device_mesh,
    "DeviceMesh": _device_mesh_of_ranks,
    "MeshContext.from_meshes": _mesh_context_from_meshes,
    "MeshContext": _mesh_context,
}
"""Kind of constructor -> what reads its calls."""
