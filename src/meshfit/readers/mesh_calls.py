"""The mesh that a constructor call makes, told by its name and arguments: nothing is called, nothing imported.

For whoever reads source text. Any argument, or an item of one, may be `UNKNOWN`; the sizes that hang on it are unknown
in the mesh. `read_mesh` has the last word, over a stand-in for the object, so that a refusal reads as it does live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.meshes import read_mesh
from meshfit.readers.spellings import JOINED, SETTINGS
from meshfit.readers.unknown import UNKNOWN
from meshfit.readers.unknown_sizes import axis_of, has_unknown, read_partly, with_family, with_unknown

__all__ = [
    "CONSTRUCTORS",
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
    if callee in extra:
        return _by_option(extra[callee], keywords)
    maker = CONSTRUCTORS.get(callee)
    if maker is None:
        raise UnreadableCall
    return maker(positional, keywords, more)


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
    if isinstance(value, DeviceMesh):
        return _of_dims(value)
    if isinstance(value, Mapping):
        return _of_mapping(value)
    return read_mesh(value)


# --- one maker for each constructor


_SIZES: Final = frozenset(f"{axis}_size" for axis in AXES)


def _mesh_spec(positional: Sequence[object], keywords: Mapping[str, object], more: bool) -> MeshSpec:
    sizes = _SIZES
    if not (positional or more) and sizes.issuperset(keywords) and all(type(size) is int for size in keywords.values()):
        return _of_sizes(*keywords.items())
    given = _named(("engine", "settings", *sizes), (), keywords)
    engine, settings = given.get("engine"), given.get("settings", {})
    if positional or more or not isinstance(settings, Mapping) or not (engine is None or isinstance(engine, str)):
        raise UnreadableCall

    asked = {name: size for name, size in given.items() if name in sizes}

    def spec(filled: dict[str, Any]) -> MeshSpec:
        kept = {name: value for name, value in filled.items() if name not in sizes}
        known: dict[str, Any] = {name: value for name, value in filled.items() if name in sizes}
        return MeshSpec(**known, engine=engine, settings=MappingProxyType(kept))

    return read_partly(spec, {**settings, **asked})


@lru_cache(maxsize=64)
def _of_sizes(*sizes: tuple[str, Any]) -> MeshSpec:
    """A program makes few meshes, and spells each again and again."""
    return MeshSpec(**dict(sizes))


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


def _by_option(axes: Mapping[str, str], keywords: Mapping[str, object]) -> MeshSpec:
    said = {f"{axis_of(axes[name])}_size": value for name, value in keywords.items() if name in axes}
    return read_partly(lambda filled: MeshSpec(**filled), said, _rest([f"{axis}_size" for axis in AXES], said))


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

_Maker = Callable[[Sequence[object], Mapping[str, object], bool], "MeshSpec | DeviceMesh"]

CONSTRUCTORS: Final[Mapping[str, _Maker]] = {
    name: maker
    for maker, names in (
        (_mesh_spec, ("meshfit.mesh.MeshSpec", "meshfit.MeshSpec")),
        (_parsed, ("meshfit.mesh.MeshSpec.parse", "meshfit.MeshSpec.parse")),
        (_read_as_mesh, ("meshfit.mesh.MeshSpec.of", "meshfit.MeshSpec.of")),
        (
            _distributed_config,
            (
                "transformers.distributed.configuration_utils.DistributedConfig",
                "transformers.distributed.DistributedConfig",
                "transformers.DistributedConfig",
            ),
        ),
        (
            _parallelism_config,
            (
                "accelerate.parallelism_config.ParallelismConfig",
                "accelerate.utils.ParallelismConfig",
                "accelerate.utils.dataclasses.ParallelismConfig",
                "accelerate.ParallelismConfig",
            ),
        ),
        (
            _parallel_dims,
            ("torchtitan.distributed.parallel_dims.ParallelDims", "torchtitan.distributed.ParallelDims"),
        ),
        (
            _init_device_mesh,
            ("torch.distributed.device_mesh.init_device_mesh", "torch.distributed.init_device_mesh"),
        ),
        (
            _device_mesh_of_ranks,
            (
                "torch.distributed.device_mesh.DeviceMesh",
                "torch.distributed.DeviceMesh",
                "torch.distributed.tensor.DeviceMesh",
            ),
        ),
        (_mesh_context, ("nemo_automodel.components.distributed.mesh.MeshContext",)),
        (_mesh_context_from_meshes, ("nemo_automodel.components.distributed.mesh.MeshContext.from_meshes",)),
    )
    for name in names
}
"""Dotted name -> what reads its calls. A class is named where it is defined and where its package exports it."""
