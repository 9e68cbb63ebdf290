"""Meshes of other packages, each with the engine it is written for."""

from accelerate import ParallelismConfig
from accelerate.parallelism_config import ParallelismConfig as ByItsModule
from nemo_automodel.components.distributed.mesh import MeshContext
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torchtitan.distributed import ParallelDims
from transformers.distributed import DistributedConfig
from transformers.distributed.configuration_utils import DistributedConfig as Defined

import accelerate
import meshfit
import transformers.distributed
from meshfit import CapabilityMixin


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def of_transformers(net: Net) -> None:
    net.validate_for_mesh(DistributedConfig(tp_size=8))  # E: meshfit-tp "has no TP plan"
    net.validate_for_mesh(Defined(tp_size=8))  # E: meshfit-tp
    net.validate_for_mesh(transformers.distributed.DistributedConfig(tp_size=8))  # E: meshfit-tp
    net.validate_for_mesh(DistributedConfig(8))  # E: meshfit-tp
    net.validate_for_mesh(DistributedConfig(fsdp_size=8))
    net.validate_for_mesh(DistributedConfig())


def of_transformers_with_a_plan(net: Net) -> None:
    net.validate_for_mesh(DistributedConfig(tp_size=8, tp_plan={"lm_head": "colwise"}))
    net.validate_for_mesh(DistributedConfig(tp_plan="auto"))
    net.validate_for_mesh(DistributedConfig(tp_size=8, tp_plan={}))  # E: meshfit-tp "clears it"


def of_transformers_by_name(net: Net) -> None:
    config = DistributedConfig(tp_size=8)
    net.validate_for_mesh(config)  # E: meshfit-tp


def of_transformers_written_to(net: Net) -> None:
    config = DistributedConfig(tp_size=8)
    config.tp_size = 1
    net.validate_for_mesh(config)


def of_accelerate(net: Net) -> None:
    net.validate_for_mesh(ParallelismConfig(tp_size=8))  # E: meshfit-tp "has no TP plan"
    net.validate_for_mesh(ByItsModule(tp_size=8))  # E: meshfit-tp
    net.validate_for_mesh(accelerate.ParallelismConfig(tp_size=8))  # E: meshfit-tp
    net.validate_for_mesh(ParallelismConfig(dp_shard_size=8))
    net.validate_for_mesh(ParallelismConfig(tp_size=1))


def of_accelerate_by_name(net: Net) -> None:
    config = ParallelismConfig(tp_size=8)
    net.validate_for_mesh(config)  # E: meshfit-tp


def of_torchtitan(net: Net) -> None:
    # torchtitan runs its own models: that this class has no plan says nothing there
    net.validate_for_mesh(ParallelDims(dp_replicate=1, dp_shard=1, cp=1, tp=8, pp=1, ep=1, world_size=8))
    net.validate_for_mesh(ParallelDims(1, 4, 1, 1, 1, 3, 4))  # E: meshfit-ep "not divisible by ep_size (3)"


def of_nemo(net: Net) -> None:
    mesh = init_device_mesh("cuda", (2, 4), mesh_dim_names=("pp", "tp"))
    net.validate_for_mesh(MeshContext(device_mesh=mesh))  # E: meshfit-tp meshfit-pp
    net.validate_for_mesh(MeshContext())


def read_by_meshfit(net: Net) -> None:
    net.validate_for_mesh(meshfit.MeshSpec.of(DistributedConfig(tp_size=8)))  # E: meshfit-tp
    net.validate_for_mesh(meshfit.MeshSpec.of(ParallelismConfig(tp_size=8)))  # E: meshfit-tp


def by_the_module_name(net: Net) -> None:
    net.validate_for_mesh(meshfit.MeshSpec(tp_size=8))  # E: meshfit-tp
