"""Rules of expert parallelism: the plan, the experts it cuts, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules import plans
from meshfit.rules.capabilities import lacks_experts
from meshfit.rules.conversions import broken_conversions
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import common_divisors, divisors

EXPERT_PLAN: Final = (
    'pass ep_plan={"model.layers.*.mlp.experts.gate_up_proj": "grouped_gemm", "model.layers.*.mlp.experts.down_proj": '
    '"grouped_gemm", "model.layers.*.mlp.experts": "ep_dispatch_experts"} in DistributedConfig, if the model '
    "holds its experts in one tensor"
)


@rule(
    "EP001",
    "ep-plan-missing",
    axis="ep",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def merged_expert_plan_is_not_empty(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The expert plan merged from class, config and children is not empty.

    Why: the plan tells transformers which tensors hold experts.
    Source: transformers 5.23 distributed/mixin.py `init_parallel_plans`, `_resolve_parallel_plans`.
    """
    if not plans.ep_plan(facts, mesh):
        yield Finding(
            message=f"has no expert plan (ep_plan) for ep_size ({mesh.ep_size}): it is no MoE model, or one "
            "whose experts transformers cannot split",
            help=EXPERT_PLAN,
            alternatives=(1,),
            facts=("ep_plan",),
        )


@rule(
    "EP002",
    "ep-plan-vacuous",
    axis="ep",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def expert_plan_cuts_experts(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The expert plan cuts a parameter that this config builds, and dispatches tokens in a module that it builds.

    Why: a class that may have experts, configured without, matches no rule; so does a plan without
    `ep_dispatch_experts`, which transformers does not apply at all. Every rank then holds the whole model.
    Source: transformers 5.23 distributed/mixin.py `_expand_parallel_plan`, `maybe_distribute_model`.
    """
    plan = plans.ep_plan(facts, mesh)
    if not plan or not facts.parameters:
        return
    cuts = any(plans.cuts(plan, facts.parameters))
    dispatches = any(style == "ep_dispatch_experts" for _, style in plans.module_styles(plan, facts))
    if not cuts or ("ep_dispatch_experts" not in plan.values() and "ep_router" not in plan.values()):
        lacking = "cuts no parameter that this config builds" if not cuts else "has no ep_dispatch_experts rule"
        yield Finding(
            message=f"the expert plan {lacking}, so ep_size ({mesh.ep_size}) would split nothing: no MoE model in this "
            "config",
            help="use tp_size or dp_shard_size, or configure the model with experts",
            alternatives=(1,),
            facts=("ep_plan", "num_experts"),
        )
    elif not dispatches and "ep_dispatch_experts" in plan.values():
        yield Finding(
            message=f"the expert plan dispatches tokens in no module that this config builds, so ep_size "
            f"({mesh.ep_size}) would do nothing: no MoE model in this config",
            help=EXPERT_PLAN,
            alternatives=(1,),
            facts=("ep_plan",),
        )


@rule("EP003", "ep-experts", axis="ep", engines=("transformers",), consequence=Consequence.CLEAN)
def cut_experts_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The number of experts in every tensor the plan cuts (`grouped_gemm`) `% ep_size == 0`.

    Why: each rank owns whole experts, as many as every other rank.
    Source: transformers 5.23 distributed/expert_parallel.py `MoEParamShard.shard_param`.
    """
    cuts = plans.cuts(plans.ep_plan(facts, mesh), facts.parameters)
    counts = tuple(dict.fromkeys(cut.shape[0] for cut in cuts if cut.style == "grouped_gemm"))
    uneven = [count for count in counts if count % mesh.ep_size]
    if uneven:
        yield _experts(uneven, counts, mesh)


@rule("EP003", "ep-experts", axis="ep", engines=("nemo", "torchtitan", "megatron"), consequence=Consequence.CLEAN)
def experts_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_experts % ep_size == 0`.

    Why: each rank owns whole experts, as many as every other rank.
    Source: NeMo Automodel components/moe/experts.py; torchtitan main of 2026-08 models/common/decoder.py
    `Decoder.Config.update_from_config`; megatron-core 0.16.1 transformer/moe/moe_layer.py `BaseMoELayer`.
    """
    count = facts.num_experts
    if count and count % mesh.ep_size:
        yield _experts([count], (count,), mesh)


@rule(
    "EP002",
    "ep-plan-vacuous",
    axis="ep",
    engines=("torchtitan",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def model_has_experts(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The model has experts in this config.

    Why: torchtitan applies expert parallelism to the layers that have experts, and says nothing where none has.
    Source: torchtitan main of 2026-08 config/configs.py `ParallelismConfig.expert_parallel_degree`.
    """
    if lacks_experts(facts):
        yield _no_experts(mesh)


@rule(
    "EP002",
    "ep-plan-vacuous",
    axis="ep",
    engines=("megatron", "vllm"),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def model_must_have_experts(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The model has experts in this config.

    Why: there would be nothing to share out, and the engine refuses to go on.
    Source: megatron-core 0.16.1 transformer/transformer_config.py `TransformerConfig.__post_init__`; vLLM 0.33.0
    config/model.py `ModelConfig._verify_with_expert_parallelism`.
    """
    if lacks_experts(facts):
        yield _no_experts(mesh)


@rule(
    "EP007",
    "ep-checkpoint-conversion",
    axis="ep",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def conversions_keep_experts_whole(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No checkpoint conversion rearranges the dim along which the expert plan cuts its target.

    Why: each rank reads its experts from the checkpoint and converts those. Merging a list of experts keeps them whole;
    chunking or concatenating along the experts' dim does not.
    Source: transformers 5.23 distributed/sharding_utils.py `DtensorShardOperation`, core_model_loading.py.
    """
    cuts = plans.cuts(plans.ep_plan(facts, mesh), facts.parameters)
    for cut, operation in broken_conversions(facts.conversions, cuts):
        yield Finding(
            message=f"loading a checkpoint applies {operation} along dim {cut.dim} of {cut.parameter}, which ep_size "
            f"({mesh.ep_size}) cuts along that dim",
            help="use tp_size for the experts, or load the checkpoint whole and split it afterwards",
            alternatives=(1,),
            facts=("conversions", "ep_plan"),
        )
        return


@rule("EP008", "ep-plan-removed-style", axis="ep", engines=("transformers",), consequence=Consequence.CLEAN)
def passed_expert_rules_are_current(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """A passed `ep_plan` uses known styles and neither `ep_router` nor `moe_tp_experts`, and names what exists.

    Why: the router style was removed in transformers 5, and the other is tensor parallelism.
    Source: transformers 5.23 distributed/mixin.py `_resolve_parallel_plans`.
    """
    given = plans.override(mesh, "ep_plan") or {}
    wrong = sorted({str(s) for s in given.values() if s in ("ep_router", "moe_tp_experts") or s not in plans.STYLES})
    if wrong:
        yield Finding(
            message=f"ep_plan has styles that are not for experts: {', '.join(wrong)}",
            help=EXPERT_PLAN,
            alternatives=(1,),
        )
    unknown = sorted(given.keys() - facts.modules.keys() - facts.parameters.keys() - facts.ep_plan.keys())
    if unknown:
        yield Finding(
            message=f"ep_plan keys {unknown} match nothing in the model",
            help="name modules or parameters with * for layer numbers",
            alternatives=(1,),
        )


def _no_experts(mesh: MeshSpec) -> Finding:
    return Finding(
        message=f"is no MoE model in this config, so ep_size ({mesh.ep_size}) would split nothing",
        help="use tp_size or data parallelism",
        alternatives=(1,),
        facts=("num_experts",),
    )


def _experts(uneven: list[int], counts: tuple[int, ...], mesh: MeshSpec) -> Finding:
    return Finding(
        message=f"num_experts ({', '.join(map(str, uneven))}) is not divisible by ep_size ({mesh.ep_size})",
        help="",
        alternatives=common_divisors(counts) if len(counts) > 1 else divisors(counts[0]),
        facts=("num_experts",),
    )
