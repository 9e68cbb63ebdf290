"""Rules of the mesh alone: its sizes against the world, and against each other. No model is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules.registry import ENGINES, Finding, rule
from meshfit.rules.sizes import satisfying

DENSE: Final = ("pp", "dp_replicate", "dp_shard", "cp", "sp", "tp")


@rule(
    "MS001",
    "mesh-world-size",
    axis="mesh",
    engines=("transformers", "accelerate", "torchtitan"),
    consequence=Consequence.CLEAN,
)
def mesh_covers_the_world(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`pp * dp_replicate * dp_shard * cp * sp * tp == world_size`.

    Why: every rank has one place in the mesh. `ep` lays the same ranks out a second time and is no factor.
    Source: transformers 5.23 distributed/utils.py `initialize_distributed_mesh` (after the process group exists);
    accelerate 1.15 parallelism_config.py `_validate_accelerator` (not for a mesh of one, nor for DeepSpeed's sp);
    torchtitan distributed/parallel_dims.py `_validate`.
    """
    if mesh.world_size == 1 or mesh.sp_size > 1 or mesh.world_size == facts.world_size:
        return
    yield Finding(
        message=f"the mesh needs {mesh.world_size} ranks ({_product(mesh)}), but world_size is {facts.world_size}",
        help=_world_help(mesh, facts.world_size),
        facts=("world_size",),
    )


@rule("MS001", "mesh-world-size", axis="mesh", engines=("generic", "nemo", "megatron"), consequence=Consequence.CLEAN)
def mesh_divides_the_world(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`world_size % (pp * dp_replicate * dp_shard * cp * sp * tp) == 0`.

    Why: the ranks the mesh does not name become data-parallel copies of it, so it must fit a whole number of times.
    Source: NeMo Automodel components/distributed/mesh_utils.py, where dp_size is inferred from the world size;
    megatron-core 0.16.1 parallel_state.py `initialize_model_parallel`.
    """
    if facts.world_size % mesh.world_size == 0:
        return
    yield Finding(
        message=f"the mesh needs {mesh.world_size} ranks ({_product(mesh)}), which does not divide world_size "
        f"({facts.world_size})",
        help=_world_help(mesh, facts.world_size),
        facts=("world_size",),
    )


@rule(
    "MS002",
    "mesh-pipeline-with-fsdp",
    axis="mesh",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
)
def pipeline_excludes_fsdp(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`not (dp_replicate * dp_shard > 1 and pp > 1)`.

    Why: transformers does not combine its pipeline with FSDP.
    Source: transformers 5.23 distributed/configuration_utils.py `DistributedConfig._validate_mesh_config`.
    """
    data = mesh.dp_replicate_size * mesh.dp_shard_size
    if data > 1 and mesh.pp_size > 1:
        yield Finding(
            message=f"pp_size ({mesh.pp_size}) cannot be combined with FSDP (dp_replicate_size * "
            f"dp_shard_size = {data})",
            help="set pp_size=1, or set dp_shard_size=1 and dp_replicate_size=1",
        )


@rule("MS003", "mesh-replicas-unsharded", axis="mesh", engines=("accelerate",), consequence=Consequence.CLEAN)
def replicas_with_tensor_parallel_are_sharded(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`not (tp > 1 and dp_replicate > 1 and dp_shard == 1)`.

    Why: accelerate has no plain DDP over a tensor-parallel model; replicas need FSDP inside (HSDP).
    Source: accelerate 1.15 parallelism_config.py `ParallelismConfig.__post_init__`.
    """
    if mesh.tp_size > 1 and mesh.dp_replicate_size > 1 and mesh.dp_shard_size == 1:
        yield Finding(
            message=f"tp_size ({mesh.tp_size}) with dp_replicate_size ({mesh.dp_replicate_size}) and dp_shard_size (1) "
            "is tensor parallelism under plain DDP, which accelerate refuses",
            help=f"set dp_shard_size above 1, or dp_replicate_size=1 and dp_shard_size={mesh.dp_replicate_size}",
        )


@rule("MS004", "mesh-cp-with-sp", axis="mesh", engines=("accelerate", "transformers"), consequence=Consequence.CLEAN)
def context_excludes_sequence_parallel(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`not (cp > 1 and sp > 1)`.

    Why: both split the sequence, one by ring attention, the other by Ulysses, and neither knows of the other.
    Source: accelerate 1.15 parallelism_config.py `ParallelismConfig.__post_init__`.
    """
    if mesh.cp_size > 1 and mesh.sp_size > 1:
        yield Finding(
            message=f"cp_size ({mesh.cp_size}) and sp_size ({mesh.sp_size}) both split the sequence",
            help="set cp_size=1 or sp_size=1",
        )


@rule(
    "TP009",
    "tp-across-nodes",
    axis="tp",
    engines=ENGINES,
    consequence=Consequence.WASTE,
    severity=Severity.WARNING,
)
def tensor_group_fits_a_node(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`gpus_per_node % tp_size == 0`.

    Why: tensor parallelism exchanges activations several times a layer; across nodes the network sets the pace.
    Source: every framework's guide; Megatron-LM's states it first.
    """
    if facts.gpus_per_node % mesh.tp_size == 0:
        return
    sizes = satisfying(lambda size: facts.gpus_per_node % size == 0, up_to=facts.gpus_per_node)
    yield Finding(
        message=f"tp_size ({mesh.tp_size}) does not divide the devices of a node ({facts.gpus_per_node}), so tensor "
        "groups span nodes",
        help="use pp_size or dp_shard_size across nodes",
        alternatives=sizes,
        facts=("gpus_per_node",),
    )


def _product(mesh: MeshSpec) -> str:
    """`pp_size=2 * tp_size=8`, the axes in use."""
    return " * ".join(f"{axis}_size={mesh.size(axis)}" for axis in DENSE if mesh.size(axis) > 1) or "1"


def _world_help(mesh: MeshSpec, world: int) -> str:
    """The one change of an axis that makes the mesh cover the world, where there is one."""
    for axis in ("dp_shard", "tp", "pp", "cp", "dp_replicate"):
        rest = mesh.world_size // mesh.size(axis)
        if world % rest == 0 and world // rest != mesh.size(axis) and (axis == "dp_shard" or mesh.size(axis) > 1):
            return f"set {axis}_size={world // rest}, or start {mesh.world_size} ranks"
    return f"start {mesh.world_size} ranks, or choose sizes whose product is {world}"
