"""Meshes of other packages."""

import sys
from typing import Any

import accelerate
import torch.distributed as dist
from accelerate import ParallelismConfig
from accelerate.utils import ParallelismConfig as Config
from asking import ask
from meshfit.mesh import MeshSpec
from nemo_automodel.components.distributed.mesh import MeshContext
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torchtitan.distributed import ParallelDims
from transformers import DistributedConfig

MESH = init_device_mesh("cuda", (2, 4), mesh_dim_names=("dp", "tp"))
ask(MESH)  # -> tp=4,dp_shard=2
ask(MESH["tp"])  # -> tp=4
ask(MESH["dp", "tp"])  # -> tp=4,dp_shard=2
ask(MESH["dp_tp"])  # -> ?
ask(MESH["tp" if sys.argv else "dp"])  # -> dp_shard=2 | tp=4
SLICE = MESH["tp"]
ask(SLICE)  # -> tp=4
ask(dist.init_device_mesh("cuda", mesh_shape=[8], mesh_dim_names=["tp"]))  # -> tp=8
ask(init_device_mesh("cuda", (8,)))  # -> ! has unnamed dims
ask(init_device_mesh("cuda", (8,), mesh_dim_names=("tensor",)))  # -> ! unknown dim 'tensor'
ask(init_device_mesh("cuda", (len(sys.argv), 8), mesh_dim_names=("dp", "tp")))  # -> tp=8,dp_replicate=?,dp_shard=?
ask(init_device_mesh("cuda", (len(sys.argv), 8), mesh_dim_names=("pp", "tp")))  # -> tp=8,pp=?
ask(init_device_mesh("cuda", (8 // len(sys.argv),), mesh_dim_names=("pp", "tp")))  # -> ?
ask(DeviceMesh("cuda", [[0, 1], [2, 3]], mesh_dim_names=("pp", "tp")))  # -> tp=2,pp=2
ask(DeviceMesh("cuda", sys.argv, mesh_dim_names=("tp",)))  # -> tp=?
ask(MESH["tp"]["tp"])  # -> tp=4

ask(DistributedConfig(tp_size=8))  # -> transformers:tp=8
ask(DistributedConfig(8))  # -> transformers:tp=8
ask(DistributedConfig(tp_size=8, fsdp_size=2, ep_size=8))  # -> transformers:tp=8,ep=8,dp_shard=2
ask(DistributedConfig(tp_plan="auto"))  # -> transformers:tp=?
ask(DistributedConfig(tp_plan="auto", tp_size=None, pp_size=2))  # -> transformers:pp=2,tp=?
ask(DistributedConfig(tp_size=4, enable_expert_parallel=True))  # -> transformers:tp=4,ep=4
ask(DistributedConfig(tp_size=4, tp_plan=sys.argv))  # -> transformers:tp=4,tp_plan=?
CONFIG = DistributedConfig(tp_size=8)
ask(CONFIG)  # -> transformers:tp=8
print(CONFIG, CONFIG.tp_size)
WRITTEN = DistributedConfig(tp_size=8)
WRITTEN.tp_size = 1
ask(WRITTEN)  # -> ?
GIVEN = DistributedConfig(tp_size=8)


def change(config: Any) -> None:
    config.tp_size = 1


change(GIVEN)
ask(GIVEN)  # -> ?
LOADED = DistributedConfig(tp_size=8)
LOADER: Any = None
LOADER.from_pretrained("x", distributed_config=LOADED)
ask(LOADED)  # -> transformers:tp=8

ask(ParallelismConfig(tp_size=8))  # -> accelerate:tp=8,cp=?,cp_backend=?,dp_replicate=?,dp_shard=?,sp=?,sp_backend=?
ask(
    accelerate.ParallelismConfig(cp_size=8, tp_size=1, dp_shard_size=1, dp_replicate_size=1, sp_size=1)
)  # -> accelerate:cp=8,cp_backend=?,sp_backend=?
ask(
    Config(tp_size=8, cp_size=1, dp_shard_size=1, dp_replicate_size=1, sp_size=1)
)  # -> accelerate:tp=8,cp_backend=?,sp_backend=?
ask(accelerate.Accelerator())  # -> ?

ask(
    ParallelDims(dp_replicate=1, dp_shard=2, cp=1, tp=4, pp=2, ep=1, world_size=16)
)  # -> torchtitan:tp=4,pp=2,dp_shard=2
ask(ParallelDims(1, -1, 1, 4, 2, 1, 16))  # -> torchtitan:tp=4,pp=2,dp_shard=2
ask(ParallelDims(1, -1, 1, 4, 2, 1, len(sys.argv)))  # -> torchtitan:tp=4,pp=2,dp_shard=?
ask(ParallelDims(1, -1, 1, 3, 2, 1, 16))  # -> ! is not divisible by

ask(MeshContext(device_mesh=MESH))  # -> nemo:tp=4,dp_shard=2,ep=?
ask(MeshContext(MESH))  # -> nemo:tp=4,dp_shard=2,ep=?
ask(MeshContext())  # -> nemo:tp=1
ask(
    MeshContext(device_mesh=MESH, moe_mesh=init_device_mesh("cuda", (2, 4), mesh_dim_names=("ep_shard", "ep")))
)  # -> nemo:tp=4,ep=4,dp_shard=2
ask(MeshContext(device_mesh=MESH, strategy_config=object()))  # -> nemo:tp=4,dp_shard=2,ep=?,*=?

ask({"tp_size": 8})  # -> tp=8
ask({"tp": 8, "pp": len(sys.argv)})  # -> tp=8,pp=?
ask({"tensor_parallel_size": 8})  # -> ! write 'tp_size'
ask({"tensor": len(sys.argv)})  # -> ! unknown key 'tensor'
ask({})  # -> ! tells no sizes
ask({sys.argv[0]: 8})  # -> ?
SIZES = {"tp_size": 8}
ask(SIZES)  # -> tp=8
ask(MeshSpec.of(SIZES))  # -> tp=8
ask(MeshSpec(**SIZES))  # type: ignore[arg-type]  # -> tp=8
SIZES2 = {"tp_size": 8}
SIZES2["tp_size"] = 1
ask(SIZES2)  # -> ?
ask(MeshSpec.of(SIZES2))  # -> ?
ask(MeshSpec.of(None))  # -> tp=1
ask(MeshSpec.of(MESH))  # -> tp=4,dp_shard=2
ask(MeshSpec.of(CONFIG))  # -> transformers:tp=8
ask(None)  # -> tp=1
ask("tp=8")  # -> ! MeshSpec.parse reads a mesh
ask(8)  # -> ! 8 (int) tells no sizes
ask(True)  # -> ! True (bool) tells no sizes
ask(MeshSpec)  # -> ?
ask(MeshSpec.parse("tp=8,pp=2"))  # -> tp=8,pp=2
ask(MeshSpec.parse("tp=8,pp"))  # -> ! is not axis=size
ask(MeshSpec.parse("tp=" + "8"))  # -> tp=8
ask(MeshSpec(tp_size=True))  # -> ! must be an int >= 1, got True
ask(MeshSpec(tp_size="8"))  # type: ignore[arg-type]  # -> ! must be an int >= 1, got '8'
ask(MeshSpec(tp_size=None))  # type: ignore[arg-type]  # -> ! got None
ask(MeshSpec(tp_size=2.0))  # type: ignore[arg-type]  # -> ! got 2.0
ask(MeshSpec(tp_size=8, settings={"sequence_packing": True}))  # -> tp=8
ask(MeshSpec(tp_size=8, settings={"sequence_packing": sys.argv}))  # -> tp=8,sequence_packing=?
ask(MeshSpec(tp_size=8, engine="nemo"))  # -> nemo:tp=8
import dataclasses
from dataclasses import replace

ask(replace(MeshSpec(tp_size=8), pp_size=2))  # -> tp=8,pp=2
BASE = MeshSpec(tp_size=8)
ask(dataclasses.replace(BASE, tp_size=2))  # -> tp=2
ask(replace(BASE, tp_size=0))  # -> ! tp_size must be >= 1
ask(replace(BASE, tp_size=len(sys.argv)))  # -> ?

try:
    from accelerate import ParallelismConfig as Perhaps
except ImportError:
    from elsewhere import ParallelismConfig as Perhaps
ask(Perhaps(tp_size=8))  # -> ?


def imported_here() -> None:
    from meshfit import MeshSpec as Spec

    ask(Spec(tp_size=8))  # -> tp=8


def imported_there() -> None:
    from meshfit.mesh import MeshSpec as Spec

    ask(Spec(tp_size=8))  # -> tp=8


try:
    from meshfit import MeshSpec as Either
except ImportError:
    from own_meshes import make as Either
ask(Either(tp_size=8))  # -> ?
