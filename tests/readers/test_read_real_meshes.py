"""The mesh objects of the installed torch, transformers and accelerate, as they really are."""

from __future__ import annotations

import os
import timeit
from typing import TYPE_CHECKING, Any

import pytest

from meshfit.errors import MeshError
from meshfit.mesh import MeshSpec
from meshfit.readers.meshes import read_mesh

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def init_device_mesh() -> Iterator[Any]:
    """`init_device_mesh` on 64 ranks that exist only by name."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh as init
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=64)
    yield lambda shape, names=None: init("cpu", shape, mesh_dim_names=names)
    dist.destroy_process_group()


def test_a_device_mesh_and_its_slice(init_device_mesh: Any) -> None:
    """A flattened dim is no factor, a slice knows its own axes only."""
    mesh = init_device_mesh((2, 2, 4, 4), ("dp_replicate", "dp_shard", "cp", "tp"))
    mesh["dp_shard", "cp"]._flatten("dp_shard_cp")
    assert read_mesh(mesh) == MeshSpec(dp_replicate_size=2, dp_shard_size=2, cp_size=4, tp_size=4)
    assert read_mesh(mesh["tp"]) == MeshSpec(tp_size=4)
    with pytest.raises(MeshError, match="dp_shard and cp"):
        read_mesh(mesh["dp_shard", "cp"]._flatten("dp_shard_cp"))


def test_an_unnamed_device_mesh(init_device_mesh: Any) -> None:
    """The message says what to pass."""
    with pytest.raises(MeshError, match="mesh_dim_names"):
        read_mesh(init_device_mesh((64,)))


def test_reading_a_device_mesh_is_far_cheaper_than_slicing_it(init_device_mesh: Any) -> None:
    """Names and shape, nothing of the ranks."""
    mesh = init_device_mesh((16, 4), ("dp_shard", "tp"))
    read = min(timeit.repeat(lambda: read_mesh(mesh), number=200, repeat=5))
    sliced = min(timeit.repeat(lambda: (mesh["dp_shard"].size(), mesh["tp"].size()), number=200, repeat=5))
    assert read < sliced / 5


def test_the_device_mesh_of_transformers(init_device_mesh: Any) -> None:
    """Its dense and its expert view."""
    from transformers.distributed.utils import TransformersDeviceMesh

    dense = init_device_mesh((1, 1, 16, 4), ("pp", "dp_replicate", "fsdp", "tp"))
    expert = init_device_mesh((1, 1, 8, 8), ("pp", "dp_replicate", "efsdp", "ep"))
    spec = read_mesh(TransformersDeviceMesh(dense, expert))
    assert spec == MeshSpec(dp_shard_size=16, tp_size=4, ep_size=8)
    assert spec.engine == "transformers"


def test_the_distributed_config_of_transformers() -> None:
    """Sizes as its own constructor resolves them, and as its `to_dict` writes them."""
    from transformers.distributed.configuration_utils import DistributedConfig

    config = DistributedConfig(tp_size=2, fsdp_size=4, ep_size=8, ep_implementation="all_to_all")
    spec = read_mesh(config)
    assert spec.settings["ep_implementation"] == "all_to_all"
    assert (spec.tp_size, spec.dp_shard_size, spec.ep_size, spec.engine) == (2, 4, 8, "transformers")
    assert read_mesh(config.to_dict()) == spec
    assert read_mesh(DistributedConfig(pp_size=4)) == MeshSpec(pp_size=4)


def test_the_parallelism_config_of_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes as its constructor resolves them."""
    for name in [name for name in os.environ if name.startswith("PARALLELISM_CONFIG")]:
        monkeypatch.delenv(name)
    from accelerate.parallelism_config import ParallelismConfig

    spec = read_mesh(ParallelismConfig(dp_replicate_size=2, dp_shard_size=4, cp_size=2, tp_size=2))
    assert spec == MeshSpec(dp_replicate_size=2, dp_shard_size=4, cp_size=2, tp_size=2)
    assert spec.engine == "accelerate"


def test_a_loaded_model_is_not_a_mesh() -> None:
    """A `PreTrainedModel` has a `tp_size` of its own, the applied degree."""
    from torch import nn

    with pytest.raises(MeshError, match="is a model, not a mesh"):
        read_mesh(nn.Linear(1, 1))
