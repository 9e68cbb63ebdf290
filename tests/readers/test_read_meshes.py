"""Every mesh-like object that `MeshSpec.of` reads, shaped as its package defines it, and everything it refuses."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from meshfit.errors import MeshError
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.meshes import read_mesh


class FakeDims:
    """Names and shape of a DeviceMesh; slicing it, as its owners do, is a failure."""

    def __init__(self, **dims: int) -> None:
        self.mesh_dim_names: tuple[str, ...] | None = tuple(dims)
        self.shape = tuple(dims.values())

    def __getitem__(self, name: object) -> object:
        raise AssertionError("a sub-mesh was made")


DeviceMesh = type("DeviceMesh", (FakeDims,), {"__module__": "torch.distributed.device_mesh"})


@dataclass
class ParallelDims:
    """The fields of torchtitan's class."""

    dp_replicate: Any = 1
    dp_shard: Any = 1
    cp: Any = 1
    tp: Any = 1
    pp: Any = 1
    ep: Any = 1
    etp: Any = 1
    world_size: Any = 1
    enable_loss_parallel: bool = False


@dataclass
class MeshContext:
    """The fields of NeMo's class; its size properties slice the mesh."""

    device_mesh: Any = None
    moe_mesh: Any = None
    activation_checkpointing: bool = False
    strategy_config: Any = None

    @property
    def tp_size(self) -> int:
        return self.device_mesh["tp"].size() if self.device_mesh is not None else 1


@dataclass
class DistributedConfig:
    """Fields of transformers' class."""

    tp_size: Any = None
    tp_plan: Any = None
    fsdp_size: Any = None
    pp_size: Any = None
    ep_size: Any = None
    dp_replicate_size: Any = None
    ep_implementation: str = "auto"
    extra: dict[str, Any] = field(default_factory=dict)


class AxisName(str, enum.Enum):
    """NeMo names its dims by members of a str enum."""

    TP = "tp"
    DP = "dp"


# --- nothing, and what is a mesh already


def test_none_is_no_mesh() -> None:
    """No mesh: every size is 1 and no engine is told."""
    assert read_mesh(None) == MeshSpec()
    assert read_mesh(None).engine is None


def test_a_mesh_spec_is_itself() -> None:
    """What is a MeshSpec already is handed back, a subclass too."""

    class Named(MeshSpec):
        pass

    spec = Named(tp_size=2)
    assert MeshSpec.of(spec) is spec


# --- torch


def test_the_dims_of_a_device_mesh_are_its_axes() -> None:
    """Names and shape tell the sizes; the mesh is not sliced."""
    spec = read_mesh(DeviceMesh(pp=2, dp_replicate=3, dp_shard=4, cp=5, sp=6, tp=8))
    assert (spec.pp_size, spec.dp_replicate_size, spec.dp_shard_size) == (2, 3, 4)
    assert (spec.cp_size, spec.sp_size, spec.tp_size, spec.engine) == (5, 6, 8, None)


@pytest.mark.parametrize(
    ("dims", "sizes"),
    [
        ({"fsdp": 4}, {"dp_shard": 4}),
        ({"dp": 4, "tp": 2}, {"dp_shard": 4, "tp": 2}),
        ({"dp": 2, "fsdp": 4}, {"dp_replicate": 2, "dp_shard": 4}),
        ({"dp_replicate": 2, "dp": 4}, {"dp_replicate": 2, "dp_shard": 4}),
        ({"replicate": 2, "shard": 4}, {"dp_replicate": 2, "dp_shard": 4}),
        ({"ddp": 2, "TP": 4}, {"dp_replicate": 2, "tp": 4}),
        ({"dp_shard": 2, "cp": 2, "dp_shard_cp": 4}, {"dp_shard": 2, "cp": 2}),
        ({"dp": 2, "ep": 4}, {"dp_shard": 2, "ep": 4}),
        ({"dp_shard_cp": 1, "tp": 2}, {"tp": 2}),
        ({"world": 1}, {}),
    ],
)
def test_other_names_of_a_dim(dims: dict[str, int], sizes: dict[str, int]) -> None:
    """`fsdp` is dp_shard; `dp` is a data axis; a dim that joins others is no factor."""
    assert read_mesh(DeviceMesh(**dims)) == MeshSpec(**{f"{axis}_size": size for axis, size in sizes.items()})


def test_dims_named_by_an_enum_are_read() -> None:
    """A member of a str enum is the str it holds."""
    mesh = DeviceMesh()
    mesh.mesh_dim_names, mesh.shape = (AxisName.DP, AxisName.TP), (2, 4)
    assert read_mesh(mesh) == MeshSpec(dp_shard_size=2, tp_size=4)


def test_an_unnamed_device_mesh_is_refused() -> None:
    """Without names a size belongs to no axis; the message says how to name them."""
    mesh = DeviceMesh()
    mesh.mesh_dim_names, mesh.shape = None, (2, 4)
    with pytest.raises(MeshError, match=r"shape \(2, 4\) has unnamed dims.*mesh_dim_names"):
        read_mesh(mesh)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ({"tensor": 2}, "unknown dim 'tensor'"),
        ({"dp_shrd": 2}, "did you mean 'dp_shard'"),
        ({"fsdp": 2, "dp_shard": 2}, "name axis 'dp_shard' twice"),
        ({"dp_shard_cp": 4, "tp": 2}, "made of dp_shard and cp, whose sizes the mesh does not tell"),
        ({"world": 8}, "only counts the world"),
        ({"efsdp": 2, "ep": 4}, "made of other axes"),
        ({"tp": 0}, "tp_size must be >= 1, got 0"),
    ],
)
def test_dims_that_tell_no_sizes_are_refused(dims: dict[str, int], message: str) -> None:
    """A dim that is no axis is never passed over in silence."""
    with pytest.raises(MeshError, match=message):
        read_mesh(DeviceMesh(**dims))


# --- transformers


def test_both_meshes_of_transformers_are_read() -> None:
    """The dense mesh gives the dense axes, the expert mesh gives ep."""
    fake = type("TransformersDeviceMesh", (), {})()
    fake._dense_mesh = DeviceMesh(pp=1, dp_replicate=1, fsdp=4, tp=2)
    fake._expert_mesh = DeviceMesh(pp=1, dp_replicate=1, efsdp=1, ep=8)
    spec = read_mesh(fake)
    assert spec == MeshSpec(dp_shard_size=4, tp_size=2, ep_size=8)
    assert spec.engine == "transformers"


def test_a_distributed_config_keeps_its_settings() -> None:
    """Sizes, and what the rules read besides them; a size that is None is unset."""
    spec = read_mesh(DistributedConfig(tp_size=2, fsdp_size=4, tp_plan={}, ep_implementation="all_reduce"))
    assert (spec.tp_size, spec.dp_shard_size, spec.pp_size) == (2, 4, 1)
    assert spec.engine == "transformers"
    assert dict(spec.settings) == {"tp_plan": {}, "ep_implementation": "all_reduce"}


def test_a_tp_size_that_the_environment_fills_is_unknown() -> None:
    """Transformers computes it from WORLD_SIZE, so it is refused rather than taken for 1."""
    with pytest.raises(MeshError, match="tp_size is None with a tp_plan"):
        read_mesh(DistributedConfig(tp_plan="auto"))


def test_a_namesake_of_another_package_is_read_by_its_members() -> None:
    """A class that is merely called DistributedConfig tells no engine."""
    spec = read_mesh(type("DistributedConfig", (), {"tp_size": 2})())
    assert (spec.tp_size, spec.engine) == (2, None)


def test_settings_that_say_nothing_leave_a_plain_mesh() -> None:
    """What a constructor fills in by itself is no difference between meshes."""
    assert read_mesh(DistributedConfig(tp_size=2)) == MeshSpec(tp_size=2)


def test_the_older_switch_for_experts_is_resolved() -> None:
    """`enable_expert_parallel` is ep_size = tp_size with the expert plan alone, as transformers resolves it."""
    spec = read_mesh({"tp_size": 4, "enable_expert_parallel": True})
    assert (spec.tp_size, spec.ep_size, dict(spec.settings)) == (4, 4, {"tp_plan": {}})


# --- torchtitan, NeMo


def test_parallel_dims_have_no_suffix() -> None:
    """Torchtitan's fields are `tp`, not `tp_size`; its expert-tensor degree is no axis."""
    spec = read_mesh(ParallelDims(tp=8, pp=2, cp=2, ep=4, dp_replicate=2, dp_shard=4, world_size=256))
    assert spec == MeshSpec(
        tp_size=8, pp_size=2, cp_size=2, ep_size=4, dp_replicate_size=2, dp_shard_size=4, engine="torchtitan"
    )
    assert spec.engine == "torchtitan"


def test_an_open_shard_degree_is_inferred_from_the_world() -> None:
    """`dp_shard=-1` is what the other dense axes leave of the world."""
    assert read_mesh(ParallelDims(tp=2, pp=2, dp_shard=-1, world_size=32)).dp_shard_size == 8


@pytest.mark.parametrize("world", [None, 0, True, "8"])
def test_an_open_shard_degree_needs_the_world(world: object) -> None:
    """Without a world size there is nothing to infer from."""
    with pytest.raises(MeshError, match="world size, which is unknown"):
        read_mesh(ParallelDims(dp_shard=-1, world_size=world))


def test_an_open_shard_degree_must_come_out_whole() -> None:
    """Both numbers stand in the message."""
    with pytest.raises(MeshError, match=r"world_size \(8\) is not divisible by .* \(3\)"):
        read_mesh(ParallelDims(tp=3, dp_shard=-1, world_size=8))


def test_a_mesh_context_is_read_from_its_meshes() -> None:
    """The dense mesh and the MoE mesh, not the properties that slice them."""
    context = MeshContext(
        DeviceMesh(pp=2, dp_replicate=1, dp_shard=4, cp=2, tp=2),
        DeviceMesh(ep_shard=4, ep=4),
        activation_checkpointing=True,
        strategy_config=SimpleNamespace(sequence_parallel=True),
    )
    spec = read_mesh(context)
    sizes = (spec.pp_size, spec.dp_shard_size, spec.cp_size, spec.tp_size, spec.ep_size)
    assert sizes == (2, 4, 2, 2, 4)
    assert spec.engine == "nemo"
    assert dict(spec.settings) == {"activation_checkpointing": True, "sequence_parallel": True}


def test_a_mesh_context_without_a_mesh_is_one_device() -> None:
    """NeMo's DDP strategy makes no mesh; its sizes are 1."""
    assert read_mesh(MeshContext()).world_size == 1


@given(st.dictionaries(st.sampled_from(AXES), st.integers(1, 64), min_size=1))
def test_a_mapping_an_object_and_a_device_mesh_agree(sizes: dict[str, int]) -> None:
    """Three spellings of the same sizes are the same mesh."""
    expected = MeshSpec(**{f"{axis}_size": size for axis, size in sizes.items()})
    assert read_mesh(sizes) == expected
    assert read_mesh(SimpleNamespace(**{f"{axis}_size": size for axis, size in sizes.items()})) == expected
    assert read_mesh(DeviceMesh(**sizes)) == expected


_LOADED = (
    "import sys; {act}; from meshfit.mesh import MeshSpec; MeshSpec.of({{'tp': 2}}); "
    "print(*sorted({{'torch', 'transformers', 'accelerate', 'difflib'}} & set(sys.modules)))"
)


def _loaded_after(act: str) -> str:
    command = [sys.executable, "-c", _LOADED.format(act=act)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_reading_a_mesh_imports_no_framework() -> None:
    """A mapping is read without loading anybody's package."""
    assert _loaded_after("pass") == ""


def test_the_import_test_can_fail() -> None:
    """The same probe names a module that was loaded."""
    assert _loaded_after("import difflib") == "difflib"
