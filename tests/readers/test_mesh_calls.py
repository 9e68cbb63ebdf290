"""A constructor's call, read from its arguments, is the mesh that the constructor makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from meshfit.errors import MeshError
from meshfit.mesh import AXES, MeshSpec
from meshfit.partial_mesh import PartialMesh
from meshfit.readers.mesh_calls import (
    CONSTRUCTORS,
    DeviceMesh,
    UnreadableCall,
    make_mesh,
    mesh_of_call,
    mesh_of_value,
)
from meshfit.readers.meshes import read_mesh
from meshfit.readers.unknown import UNKNOWN

SPEC = "meshfit.mesh.MeshSpec"
DISTRIBUTED = "transformers.distributed.configuration_utils.DistributedConfig"
PARALLELISM = "accelerate.parallelism_config.ParallelismConfig"
TITAN = "torchtitan.distributed.parallel_dims.ParallelDims"
INIT = "torch.distributed.device_mesh.init_device_mesh"
DEVICE_MESH = "torch.distributed.device_mesh.DeviceMesh"
CONTEXT = "nemo_automodel.components.distributed.mesh.MeshContext"


def told(mesh: MeshSpec) -> dict[str, Any]:
    """All that a mesh tells."""
    sizes = {axis: mesh.size(axis) for axis in AXES}
    return {**sizes, "engine": mesh.engine, "settings": dict(mesh.settings)}


def refusal(act: Callable[[], object]) -> str:
    """The text of the error that `act` raises."""
    with pytest.raises(MeshError) as raised:
        act()
    return str(raised.value)


# --- what is known


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_call_with_an_unknown_argument_never_fails_otherwise(name: str) -> None:
    """Whatever is passed, a call is a mesh, a refusal, or unreadable."""
    for positional, keywords, more in (((UNKNOWN,), {}, False), ((), {"x": UNKNOWN}, False), ((), {}, True)):
        try:
            mesh_of_call(name, positional, keywords, more=more)
        except (MeshError, UnreadableCall):
            continue


def test_a_mesh_spec() -> None:
    """Sizes, engine and settings; what its constructor would not take is unreadable."""
    known = {"tp_size": 8, "engine": "nemo", "settings": {"sequence_packing": True}}
    assert told(mesh_of_call(SPEC, (), known)) == told(MeshSpec(**known))  # type: ignore[arg-type]
    assert mesh_of_call(f"{SPEC}.parse", ("tp=8,pp=2",)) == MeshSpec(tp_size=8, pp_size=2)
    assert mesh_of_call(f"{SPEC}.of", ({"tp": 8},)) == MeshSpec(tp_size=8)
    for positional, keywords in (((8,), {}), ((), {"tensor": 8}), ((), {"engine": UNKNOWN})):
        with pytest.raises(UnreadableCall):
            mesh_of_call(SPEC, positional, keywords)


@pytest.mark.parametrize(
    "sizes", [{"tp_size": 0}, {"tp_size": True}, {"tp_size": None, "pp_size": 2}, {"cp_size": "2"}]
)
def test_a_mesh_spec_is_refused_in_its_own_words(sizes: dict[str, Any]) -> None:
    """One judgement, whoever asks."""
    assert refusal(lambda: mesh_of_call(SPEC, (), sizes)) == refusal(lambda: MeshSpec(**sizes))


@pytest.mark.torch
@pytest.mark.parametrize(
    "given",
    [
        {"tp_size": 8},
        {"tp_size": 8, "fsdp_size": 2, "ep_size": 8, "ep_implementation": "all_to_all"},
        {"tp_size": 4, "enable_expert_parallel": True},
        {"tp_size": 4, "enable_expert_parallel": True, "tp_plan": {"a": "colwise"}},
        {"enable_expert_parallel": True},
        {"pp_size": 2, "fsdp_plan": {}},
        {"fsdp_size": 4, "dp_replicate_size": 2, "fsdp_cpu_offload": True},
        {"tp_size": None, "pp_size": None},
        {},
    ],
)
def test_the_config_of_transformers_as_it_resolves_itself(given: dict[str, Any]) -> None:
    """What is left out or None is what its `__post_init__` makes of it."""
    from transformers.distributed.configuration_utils import DistributedConfig

    assert told(mesh_of_call(DISTRIBUTED, (), given)) == told(read_mesh(DistributedConfig(**given)))


@pytest.mark.torch
def test_the_parameters_are_those_of_the_installed_packages() -> None:
    """Positional arguments are read by the order of the real signatures."""
    from dataclasses import fields

    from accelerate.parallelism_config import ParallelismConfig
    from transformers.distributed.configuration_utils import DistributedConfig

    from meshfit.readers import mesh_makers

    assert tuple(field.name for field in fields(DistributedConfig)) == mesh_makers._DISTRIBUTED_CONFIG
    assert tuple(field.name for field in fields(ParallelismConfig)) == mesh_makers._PARALLELISM_CONFIG


@pytest.mark.torch
def test_every_exported_name_is_the_constructor() -> None:
    """Each dotted name of an installed package can be imported."""
    from importlib import import_module

    for name in CONSTRUCTORS:
        package = name.partition(".")[0]
        if package in ("transformers", "torch", "meshfit"):
            module, _, attribute = name.removesuffix(".parse").removesuffix(".of").rpartition(".")
            assert callable(getattr(import_module(module), attribute)), name


@pytest.mark.torch
def test_the_config_of_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given is known; what is not is filled from the environment, so it is unknown."""
    for name in [name for name in os.environ if name.startswith("PARALLELISM_CONFIG")]:
        monkeypatch.delenv(name)
    from accelerate.parallelism_config import ParallelismConfig

    sizes = {"dp_replicate_size": 1, "dp_shard_size": 4, "tp_size": 2, "cp_size": 2, "sp_size": 1}
    given = {**sizes, "cp_backend": "torch", "sp_backend": "deepspeed"}
    assert told(mesh_of_call(PARALLELISM, (), given)) == told(read_mesh(ParallelismConfig(**given)))
    part = mesh_of_call(PARALLELISM, (), {"tp_size": 2})
    assert isinstance(part, PartialMesh)
    assert (part.used, part.engine) == (("tp",), "accelerate")
    assert part.unknown == {"dp_replicate", "dp_shard", "cp", "sp", "cp_backend", "sp_backend"}


def test_the_dims_of_torchtitan() -> None:
    """`dp_shard=-1` is inferred from a world size that is given."""
    given = {"dp_replicate": 1, "dp_shard": -1, "cp": 1, "tp": 4, "pp": 2, "ep": 1, "world_size": 16}
    assert mesh_of_call(TITAN, (), given) == MeshSpec(tp_size=4, pp_size=2, dp_shard_size=2)
    open_world = mesh_of_call(TITAN, (), {**given, "world_size": UNKNOWN})
    assert isinstance(open_world, PartialMesh)
    assert (open_world.used, open_world.unknown) == (("tp", "pp"), {"dp_shard"})
    with pytest.raises(UnreadableCall):
        mesh_of_call(TITAN, (1, -1, 1, 4, 2))


def test_a_device_mesh_and_its_slices() -> None:
    """Names and shape; a name that is no dim of it, such as a flattened one, is unreadable."""
    mesh = make_mesh(INIT, ("cuda", (2, 4)), {"mesh_dim_names": ("dp", "tp")})
    assert isinstance(mesh, DeviceMesh)
    assert mesh_of_value(mesh) == MeshSpec(tp_size=4, dp_shard_size=2)
    assert mesh_of_value(mesh.sliced("tp")) == MeshSpec(tp_size=4)
    assert mesh_of_value(mesh.sliced(("tp", "dp"))) == MeshSpec(tp_size=4, dp_shard_size=2)
    for name in ("dp_tp", ("tp", UNKNOWN), 0):
        with pytest.raises(UnreadableCall):
            mesh.sliced(name)


def test_a_device_mesh_of_ranks() -> None:
    """The shape of nested lists; of a tensor only the number of dims is known, from their names."""
    names = {"mesh_dim_names": ("pp", "tp")}
    assert mesh_of_call(DEVICE_MESH, ("cuda", [[0, 1, 2], [3, 4, 5]]), names) == MeshSpec(pp_size=2, tp_size=3)
    part = mesh_of_call(DEVICE_MESH, ("cuda", UNKNOWN), names)
    assert isinstance(part, PartialMesh)
    assert part.unknown == {"pp", "tp"}


def test_a_mesh_context_of_nemo() -> None:
    """Read from the meshes it holds; NeMo may find a flattened `ep` where no MoE mesh is passed."""
    dense = make_mesh(INIT, ("cuda", (2, 4)), {"mesh_dim_names": ("pp", "tp")})
    experts = make_mesh(INIT, ("cuda", (2, 4)), {"mesh_dim_names": ("ep_shard", "ep")})
    both = mesh_of_call(CONTEXT, (), {"device_mesh": dense, "moe_mesh": experts, "activation_checkpointing": True})
    assert told(both) == {
        **told(MeshSpec(pp_size=2, tp_size=4, ep_size=4, engine="nemo")),
        "settings": {"activation_checkpointing": True},
    }
    alone = mesh_of_call(f"{CONTEXT}.from_meshes", (dense,))
    assert isinstance(alone, PartialMesh)
    assert (alone.used, alone.unknown) == (("tp", "pp"), {"ep"})


def test_a_constructor_that_options_name() -> None:
    """Only what is passed by keyword is known of what it makes."""
    mesh = mesh_of_call("my.make", (8,), {"tensor": 4, "device": "cuda"}, extra={"my.make": {"tensor": "tp"}})
    assert isinstance(mesh, PartialMesh)
    assert (mesh.used, mesh.unknown) == (("tp",), set(AXES) - {"tp"})
    with pytest.raises(UnreadableCall):
        mesh_of_call("my.other", (), {"tensor": 4})


# --- what is refused, in the words of the live reader


@pytest.mark.parametrize(
    "mapping",
    [
        {"tensor_parallel_size": 8},
        {"tp": 8, "tp_size": 8},
        {"tp_szie": 8},
        {},
        {"world_size": 8},
        {"tp": 0},
        {"dp": 6, "dp_replicate": 4},
        {1: 8},
        {"tp_size": None, "tp_plan": "auto"},
    ],
)
def test_a_mapping_is_refused_as_it_is_live(mapping: dict[Any, Any]) -> None:
    """The same text, so the checker and the run agree."""
    assert refusal(lambda: mesh_of_value(mapping)) == refusal(lambda: read_mesh(mapping))


def test_an_unnamed_device_mesh_is_refused_as_it_is_live() -> None:
    """The advice is that of the live reader."""
    live = type("DeviceMesh", (SimpleNamespace,), {})(mesh_dim_names=None, shape=(2, 4))
    assert refusal(lambda: mesh_of_call(INIT, ("cuda", (2, 4)))) == refusal(lambda: read_mesh(live))


def test_a_name_that_is_no_axis_is_refused_though_its_size_is_unknown() -> None:
    """No size can make a key an axis."""
    assert "unknown key 'tensor'" in refusal(lambda: mesh_of_value({"tensor": UNKNOWN}))
    names = {"mesh_dim_names": ("tensor",)}
    assert "unknown dim 'tensor'" in refusal(lambda: mesh_of_call(INIT, ("cuda", (UNKNOWN,)), names))


# --- what is unknown


@pytest.mark.parametrize(
    ("given", "unknown"),
    [
        ({"tp_plan": "auto"}, {"tp"}),
        ({"tp_plan": UNKNOWN, "pp_size": 2}, {"tp", "tp_plan"}),
        ({"tp_size": UNKNOWN, "enable_expert_parallel": True}, {"tp", "ep"}),
        ({"tp_size": 4, "enable_expert_parallel": UNKNOWN}, {"ep", "tp_plan"}),
        ({"tp_size": 4, "enable_expert_parallel": UNKNOWN, "ep_size": 4}, set()),
        ({"tp_size": 4, "tp_plan": {"a": UNKNOWN}}, {"tp_plan"}),
    ],
)
def test_what_hangs_on_an_unknown_argument_of_the_config_is_unknown(given: dict[str, Any], unknown: set[str]) -> None:
    """A `tp_size` that is None beside a plan is filled from the environment, which is no 1."""
    mesh = mesh_of_call(DISTRIBUTED, (), given)
    assert getattr(mesh, "unknown", set()) == unknown


def test_further_arguments_leave_the_rest_unknown() -> None:
    """`DistributedConfig(tp_size=8, **kwargs)`."""
    mesh = mesh_of_call(DISTRIBUTED, (), {"tp_size": 8}, more=True)
    assert isinstance(mesh, PartialMesh)
    assert mesh.used == ("tp",)
    assert {"pp", "ep", "dp_shard", "dp_replicate", "tp_plan"} <= mesh.unknown


SWITCHES = {"enable_expert_parallel": st.booleans(), "tp_plan": st.sampled_from([None, {}, "auto"])}
SIZES = st.dictionaries(st.sampled_from([*AXES, "dp", "fsdp"]), st.integers(1, 8), min_size=1, max_size=5)


def _agrees(known: Callable[[], MeshSpec], partly: Callable[[], MeshSpec]) -> None:
    """What is told of a mesh with unknown sizes holds for the mesh that it turns out to be."""
    try:
        whole = known()
    except MeshError:
        return
    part = partly()
    open_names: Any = getattr(part, "unknown", frozenset())
    for axis in AXES:
        if axis not in open_names:
            assert part.size(axis) == whole.size(axis), (axis, part, whole)


@settings(deadline=None)
@given(sizes=SIZES, data=st.data())
def test_a_mapping_with_unknown_sizes_never_tells_more_than_the_whole(sizes: dict[str, int], data: Any) -> None:
    """Whatever the unknown values are, the known sizes hold."""
    sizes = {**sizes, **data.draw(st.fixed_dictionaries({}, optional=SWITCHES))}
    hidden = data.draw(st.sets(st.sampled_from(sorted(sizes))))
    shown = {name: UNKNOWN if name in hidden else size for name, size in sizes.items()}
    _agrees(lambda: read_mesh(sizes), lambda: mesh_of_value(shown))


@settings(deadline=None)
@given(sizes=SIZES, data=st.data())
def test_dims_with_unknown_ranks_never_tell_more_than_the_whole(sizes: dict[str, int], data: Any) -> None:
    """The same for a DeviceMesh, joined dims included."""
    sizes |= data.draw(
        st.dictionaries(st.sampled_from(["dp_shard_cp", "dp_cp", "world"]), st.integers(1, 4), max_size=2)
    )
    hidden = data.draw(st.sets(st.sampled_from(sorted(sizes))))
    names = {"mesh_dim_names": tuple(sizes)}
    shown = tuple(UNKNOWN if name in hidden else size for name, size in sizes.items())
    _agrees(
        lambda: mesh_of_call(INIT, ("cuda", tuple(sizes.values())), names),
        lambda: mesh_of_call(INIT, ("cuda", shown), names),
    )


@pytest.mark.torch
@settings(deadline=None, max_examples=300)
@given(
    given_=st.fixed_dictionaries(
        {},
        optional={
            **{name: st.sampled_from([None, 1, 2, 4]) for name in ("tp_size", "fsdp_size", "pp_size", "ep_size")},
            "tp_plan": st.sampled_from([None, {}, {"a": "colwise"}]),
            "enable_expert_parallel": st.booleans(),
            "ep_implementation": st.sampled_from(["auto", "all_to_all"]),
        },
    ),
    data=st.data(),
)
def test_the_config_with_unknown_arguments_never_tells_more_than_the_whole(
    given_: Mapping[str, Any], data: Any
) -> None:
    """What is told of transformers' config holds for the one that its constructor makes."""
    from transformers.distributed.configuration_utils import DistributedConfig

    hidden = data.draw(st.sets(st.sampled_from(sorted(given_)))) if given_ else set()
    shown = {name: UNKNOWN if name in hidden else value for name, value in given_.items()}
    try:
        whole = read_mesh(DistributedConfig(**given_))
    except ValueError:
        return
    part = mesh_of_call(DISTRIBUTED, (), shown)
    open_names: Any = getattr(part, "unknown", frozenset())
    known = {name: value for name, value in told(whole).items() if name in AXES and name not in open_names}
    assert known == {axis: part.size(axis) for axis in known}
    settings_known = {name: value for name, value in whole.settings.items() if name not in open_names}
    assert settings_known == dict(part.settings)
