"""Rules of axes that lay the same ranks out together: expert groups over dense axes, and sharded data parallelism."""

from __future__ import annotations

from collections.abc import Iterator

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules import plans
from meshfit.rules.conversions import broken_conversions
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import divisors


@rule("EP004", "ep-layout", axis="ep", engines=("transformers",), consequence=Consequence.CLEAN)
def experts_tile_the_dense_ranks(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`ep_size % tp_size == 0 and (dp_shard_size * tp_size) % ep_size == 0`.

    Why: the expert mesh is a second layout (efsdp, ep) of the ranks that dense weights split between FSDP and tensor
    parallelism; `ep` alone has no ranks to lie on.
    Source: transformers 5.23 distributed/configuration_utils.py `DistributedConfig._validate_mesh_config`.
    """
    ranks = mesh.dp_shard_size * mesh.tp_size
    if mesh.ep_size % mesh.tp_size:
        yield Finding(
            message=f"ep_size ({mesh.ep_size}) is not a multiple of tp_size ({mesh.tp_size})",
            help="choose tp_size so that it divides ep_size",
            alternatives=_tiling(ranks, mesh.tp_size),
        )
    if ranks % mesh.ep_size:
        yield Finding(
            message=f"dp_shard_size * tp_size ({ranks}) is not divisible by ep_size ({mesh.ep_size})",
            help=f"set dp_shard_size (fsdp_size) so that dp_shard_size * tp_size is a multiple of {mesh.ep_size}",
            alternatives=_tiling(ranks, mesh.tp_size),
        )


@rule("EP004", "ep-layout", axis="ep", engines=("nemo",), consequence=Consequence.CLEAN)
def experts_divide_the_ranks_of_a_stage(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`(dp_replicate * dp_shard * cp * tp) % ep == 0`; the product is `world_size / pp` where data axes are inferred.

    Why: an expert group is cut out of the ranks of one pipeline stage, which the dense axes span.
    Source: NeMo Automodel components/distributed/mesh_utils.py.
    """
    ranks = mesh.dp_replicate_size * mesh.dp_shard_size * mesh.cp_size * mesh.tp_size
    if mesh.dp_replicate_size * mesh.dp_shard_size == 1:
        # Data axes that are not given are filled up from the world; without it the product is not known.
        ranks = facts.world_size // mesh.pp_size
    if ranks % mesh.ep_size:
        yield Finding(
            message=f"the {ranks} ranks of a pipeline stage are not divisible by ep_size ({mesh.ep_size})",
            help=f"choose data and tensor sizes whose product is a multiple of {mesh.ep_size}",
            alternatives=divisors(ranks),
            facts=("world_size",),
        )


@rule("PP015", "pp-with-tensor-plan", axis="pp", engines=("transformers",), consequence=Consequence.CLEAN)
def stages_hold_what_the_tensor_plan_names(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`not (tp > 1 and pp > 1)` where the TP plan cuts the layers that stages share out.

    Why: the plan is spelled out for every layer of the whole model, then each stage gives up the layers of the others,
    and the first name that a stage has given up is a KeyError.
    Source: transformers 5.23 distributed/mixin.py `maybe_distribute_model`, distributed/tensor_parallel.py
    `apply_tensor_parallelism`; executed on 12 classes that run along tp and along pp, each refused so.
    """
    layers = f"{facts.base_model_prefix}.layers.*."
    if mesh.tp_size > 1 and any(name.startswith(layers) for name in plans.tp_plan(facts, mesh)):
        yield Finding(
            message=f"pp_size ({mesh.pp_size}) cannot be combined with tp_size ({mesh.tp_size}): the TP plan names "
            f"layers that other stages hold",
            help="set tp_size=1",
            alternatives=(1,),
            facts=("tp_plan",),
        )


@rule("EP005", "ep-shared-batch", axis="ep", engines=("transformers",), consequence=Consequence.CLEAN)
def shared_batch_needs_equal_groups(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`ep_size == tp_size` for `ep_implementation` "all_reduce" or "deepgemm_megamoe".

    Why: both sum or gather over ranks that hold the same batch, and only a tensor group does.
    Source: transformers 5.23 distributed/expert_parallel.py `EPImplementation.needs_shared_batch`.
    """
    implementation = mesh.settings.get("ep_implementation")
    if implementation in ("all_reduce", "deepgemm_megamoe") and mesh.ep_size != mesh.tp_size:
        yield Finding(
            message=f"ep_implementation={implementation!r} needs ep_size == tp_size, but ep_size is {mesh.ep_size} and "
            f"tp_size is {mesh.tp_size}",
            help='set ep_implementation="all_to_all"',
            alternatives=(1, mesh.tp_size) if mesh.tp_size > 1 else (1,),
        )


@rule("EP006", "ep-dispatch-with-pipeline", axis="ep", engines=("transformers",), consequence=Consequence.CLEAN)
def token_dispatch_excludes_pipeline(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`pp_size == 1` where the expert plan dispatches tokens (`ep_dispatch_experts`).

    Why: transformers has not built token dispatch inside pipeline stages.
    Source: transformers 5.23 distributed/configuration_utils.py `_validate_resolved_ep_plan`.
    """
    if mesh.pp_size > 1 and "ep_dispatch_experts" in plans.ep_plan(facts, mesh).values():
        yield Finding(
            message=f"token dispatch (ep_size={mesh.ep_size}) cannot be combined with pp_size ({mesh.pp_size})",
            help="set pp_size=1 or ep_size=1",
            alternatives=(1,),
            facts=("ep_plan",),
        )


@rule(
    "DP001",
    "dp-fsdp-plan-missing",
    axis="dp_shard",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def sharded_data_has_a_plan(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The merged FSDP plan is not empty.

    Why: transformers wraps only the modules that the plan names.
    Source: transformers 5.23 distributed/mixin.py `_resolve_parallel_plans`.
    """
    if not plans.fsdp_plan(facts, mesh):
        yield _no_fsdp_plan()


@rule(
    "DP002",
    "dp-replicate-plan-missing",
    axis="dp_replicate",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def replicated_data_has_a_plan(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The merged FSDP plan is not empty.

    Why: under transformers replicas are those of HSDP, which needs the plan even where `dp_shard_size` is 1.
    Source: transformers 5.23 distributed/mixin.py `_resolve_parallel_plans`, `dp_size`.
    """
    if mesh.dp_shard_size == 1 and not plans.fsdp_plan(facts, mesh):
        yield _no_fsdp_plan()


@rule(
    "DP003",
    "dp-checkpoint-conversion",
    axis="dp_shard",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def conversions_keep_fsdp_shards(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No checkpoint conversion chunks, splits, concatenates or permutes along dim 0 of a parameter.

    Why: FSDP2 cuts every parameter at dim 0 and each rank reads its slice of a checkpoint tensor before the conversion
    runs, so the conversion rearranges rows within the slice.
    Source: transformers 5.23 distributed/sharding_utils.py `DtensorShardOperation`, core_model_loading.py `Chunk`,
    `Concatenate`.
    """
    for cut, operation in broken_conversions(facts.conversions, _cut_by_fsdp(facts)):
        if plans.on_text_path(cut.parameter, facts):
            yield _rearranged(cut, operation, mesh, "each rank would hold the wrong rows")
            return


@rule(
    "DP004",
    "dp-tower-conversion",
    axis="dp_shard",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    severity=Severity.WARNING,
    size_free=True,
)
def conversions_keep_fsdp_shards_of_towers(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """As `dp-checkpoint-conversion`, for parameters that only images or sound reach.

    Why: text alone is computed right, so it is a limit of use; with an image the answer is wrong.
    Source: as `dp-checkpoint-conversion`; executed on a vision tower whose projections are permuted on load.
    """
    for cut, operation in broken_conversions(facts.conversions, _cut_by_fsdp(facts)):
        if not plans.on_text_path(cut.parameter, facts):
            yield _rearranged(cut, operation, mesh, "text runs right, anything else is computed with the wrong rows")
            return


def _tiling(ranks: int, tp_size: int) -> tuple[int, ...]:
    """1, and the multiples of `tp_size` that divide `ranks`."""
    return (1, *(size for size in divisors(ranks) if size > 1 and size % tp_size == 0))


def _cut_by_fsdp(facts: ModelFacts) -> Iterator[plans.Cut]:
    return (plans.Cut(name, "fsdp", 0, shape, packed=False) for name, shape in facts.parameters.items() if shape)


def _rearranged(cut: plans.Cut, operation: str, mesh: MeshSpec, outcome: str) -> Finding:
    return Finding(
        message=f"loading a checkpoint applies {operation} at dim 0 to {cut.parameter}, which dp_shard_size "
        f"({mesh.dp_shard_size}) cuts at dim 0: {outcome}",
        help="load the checkpoint whole and shard it afterwards",
        alternatives=(1,),
        facts=("conversions",),
    )


def _no_fsdp_plan() -> Finding:
    return Finding(
        message="has no FSDP plan, so transformers refuses to shard it",
        help="pass fsdp_plan={...} in DistributedConfig, or add base_model_fsdp_plan to the config",
        alternatives=(1,),
        facts=("fsdp_plan",),
    )
