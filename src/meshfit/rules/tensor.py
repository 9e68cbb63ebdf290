"""Rules of tensor parallelism: the plan, and the heads it cuts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules import plans
from meshfit.rules.capabilities import lacks_experts
from meshfit.rules.heads import uneven_heads
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import divisors, satisfying

NO_COLUMNS: Final = frozenset({"Conv1D", "Embedding", "LayerNorm", "RMSNorm"})
"""Module kinds without `out_features`."""

PLAN_HELP: Final = "pass tp_plan={...} in DistributedConfig with colwise and rowwise rules for the layers' projections"


@rule(
    "TP001",
    "tp-plan-missing",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def merged_plan_is_not_empty(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The tensor plan merged from class, config and children is not empty, nor cleared by `tp_plan={}`.

    Why: the plan is all that tells transformers which weights to cut. Every instance carries a plan, often `{}`.
    Source: transformers 5.23 distributed/mixin.py `init_parallel_plans`, `_resolve_parallel_plans`.
    """
    given = plans.override(mesh, "tp_plan")
    if given == {}:
        yield Finding(
            message="has no TP plan, because tp_plan={} clears it (so does enable_expert_parallel=True)",
            help='leave tp_plan out or set tp_plan="auto"',
            alternatives=(1,),
        )
    elif not given and not facts.tp_plan:
        yield Finding(
            message="has no TP plan: neither the class, its config nor a child module declares one",
            help=PLAN_HELP,
            alternatives=(1,),
            facts=("tp_plan",),
        )


@rule("TP002", "tp-kv-heads", axis="tp", engines=("nemo", "torchtitan"), consequence=Consequence.CLEAN)
def key_value_heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_key_value_heads % tp_size == 0`, in every layer.

    Why: key and value projections are cut along heads, and no head is replicated or split.
    Source: NeMo Automodel components/distributed/parallelizer.py `validate_tp_mesh`; torchtitan main of 2026-08
    models/common/decoder.py `Decoder.Config.update_from_config`.
    """
    yield from uneven_heads("num_key_value_heads", _per_layer(facts, "num_key_value_heads", "kv_heads_per_layer"), mesh)


@rule(
    "TP003",
    "tp-heads",
    axis="tp",
    engines=("nemo", "torchtitan", "megatron", "vllm"),
    consequence=Consequence.CLEAN,
)
def heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_attention_heads % tp_size == 0`, in every layer.

    Why: the query projection is cut along heads.
    Source: NeMo Automodel components/distributed/parallelizer.py `validate_tp_mesh`; torchtitan main of 2026-08
    models/common/decoder.py `Decoder.Config.update_from_config`; megatron-core 0.16.1
    transformer/transformer_config.py `TransformerConfig.__post_init__`; vLLM 0.33.0 config/model.py
    `ModelConfig.verify_with_parallel_config`.
    """
    yield from uneven_heads("num_attention_heads", _per_layer(facts, "num_attention_heads", "heads_per_layer"), mesh)


@rule("TP002", "tp-kv-heads", axis="tp", engines=("generic", "transformers"), consequence=Consequence.LATE)
def cut_key_value_heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_key_value_heads % tp_size == 0` where the plan cuts k/v `colwise`.

    Why: a `colwise` projection leaves each rank an equal slice of its columns, and the attention views the slice as
    whole heads: "shape '[2, 16, -1, 16]' is invalid". Gathered, packed, latent or uncut projections may have any count.
    Source: transformers 5.23 distributed/tensor_parallel.py `ColwiseParallel`, `get_kv_heads_per_rank`.
    """
    for key, counts in _cut_heads(facts, mesh).items():
        if key == "num_key_value_heads":
            yield from uneven_heads(key, counts, mesh)


@rule("TP003", "tp-heads", axis="tp", engines=("generic", "transformers"), consequence=Consequence.LATE)
def cut_heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_attention_heads % tp_size == 0` where the plan cuts q `colwise`; so for any other count of heads it cuts.

    Why: the attention (linear attention and Mamba alike) views each rank's slice of columns as whole heads.
    Source: transformers 5.23 distributed/tensor_parallel.py `ColwiseParallel`.
    """
    for key, counts in _cut_heads(facts, mesh).items():
        if key != "num_key_value_heads":
            yield from uneven_heads(key, counts, mesh)


@rule("TP002", "tp-kv-heads", axis="tp", engines=("megatron", "vllm"), consequence=Consequence.CLEAN)
def key_value_heads_divide_or_repeat(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_key_value_heads % tp_size == 0 or tp_size % num_key_value_heads == 0`, where there are fewer than heads.

    Why: key and value heads are shared out, or each is held by a whole number of ranks. A model that has as many of
    them as heads is judged by those (`tp-heads`); latent attention is such a one.
    Source: megatron-core 0.16.1 transformer/transformer_config.py `TransformerConfig.__post_init__`; vLLM 0.33.0
    model_executor/layers/linear.py `QKVParallelLinear`.
    """
    counts = _per_layer(facts, "num_key_value_heads", "kv_heads_per_layer")
    if counts == _per_layer(facts, "num_attention_heads", "heads_per_layer"):
        return
    uneven = [count for count in counts if not _shares(count, mesh.tp_size)]
    if uneven:
        yield Finding(
            message=f"num_key_value_heads ({', '.join(map(str, uneven))}) and tp_size ({mesh.tp_size}) do not divide "
            "one another",
            help="",
            alternatives=satisfying(lambda size: all(_shares(count, size) for count in counts), up_to=4 * max(counts)),
            facts=("num_key_value_heads",),
        )


@rule("TP022", "tp-mlp-width", axis="tp", engines=("megatron", "vllm"), consequence=Consequence.CLEAN)
def width_of_the_mlp_divides(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`intermediate_size % tp_size == 0`, in a model without experts.

    Why: the first layer of the MLP is cut along its rows and the second along its columns, into equal parts. What a
    model with experts makes of `intermediate_size` is its own affair.
    Source: megatron-core 0.16.1 tensor_parallel/layers.py `ColumnParallelLinear`, `RowParallelLinear`; vLLM 0.33.0
    model_executor/layers/linear.py `MergedColumnParallelLinear`, `RowParallelLinear`.
    """
    if lacks_experts(facts) and facts.intermediate_size % mesh.tp_size:
        yield Finding(
            message=f"intermediate_size ({facts.intermediate_size}) is not divisible by tp_size ({mesh.tp_size})",
            help="",
            alternatives=divisors(facts.intermediate_size),
            facts=("intermediate_size",),
        )


@rule("TP005", "tp-plan-unknown-name", axis="tp", engines=("transformers",), consequence=Consequence.CLEAN)
def passed_rules_name_something(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """Every key of a passed `tp_plan` names a module or parameter (`*` for layer numbers) or a rule of the model.

    Why: transformers refuses a rule that would silently do nothing.
    Source: transformers 5.23 distributed/mixin.py `_resolve_parallel_plans`.
    """
    given = plans.override(mesh, "tp_plan") or {}
    unknown = sorted(given.keys() - facts.modules.keys() - facts.parameters.keys() - facts.tp_plan.keys())
    if unknown:
        yield Finding(
            message=f"tp_plan keys {unknown} match nothing in the model",
            help="name modules or parameters with * for layer numbers, such as model.layers.*.mlp.up_proj",
            alternatives=(1,),
        )


@rule(
    "TP006",
    "tp-plan-unknown-style",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def styles_are_known(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """Every style of the merged plan is one of transformers' styles.

    Why: a style is looked up by name when the plan is applied.
    Source: transformers 5.23 distributed/mixin.py `_validate_parallel_plan`, parallel_utils.py `ALL_PARALLEL_STYLES`.
    """
    unknown = sorted({str(style) for style in plans.tp_plan(facts, mesh).values() if style not in plans.STYLES})
    if unknown:
        yield Finding(
            message=f"tp_plan has styles transformers does not know: {', '.join(unknown)}",
            help=f"use one of {', '.join(sorted(plans.STYLES))}",
            alternatives=(1,),
            facts=("tp_plan",),
        )


@rule(
    "TP007",
    "tp-style-needs-linear",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def column_and_row_styles_meet_linears(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """A `colwise` or `rowwise` rule for a module names one with `out_features` or `in_features` (an `nn.Linear`).

    Why: the style needs the whole width of the layer; embeddings, norms and GPT-2's `Conv1D` do not tell it.
    Source: transformers 5.23 distributed/tensor_parallel.py `install_forward` of `ColwiseParallel`, `RowwiseParallel`.
    """
    for name, style in plans.module_styles(plans.tp_plan(facts, mesh), facts):
        kind = facts.modules[name].kind
        if kind in NO_COLUMNS and style in (plans.COLUMN | plans.ROW) - {"packed_colwise"}:
            advice = f"embedding_rowwise for {name}" if kind == "Embedding" else f"no rule for {name}"
            yield Finding(
                message=f"the TP plan cuts {name} {style}, but a {kind} has no out_features or in_features",
                help=f"use {advice}; colwise and rowwise are for nn.Linear",
                alternatives=(1,),
                facts=("tp_plan",),
            )


@rule(
    "TP008",
    "tp-plan-vacuous",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def plan_cuts_the_body(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The plan cuts at least one parameter of the decoder layers.

    Why: a plan that names only `lm_head`, or layers this config does not build, runs every layer whole on every rank:
    no memory and no time is saved, and nothing says so.
    Source: transformers 5.23 distributed/mixin.py `_expand_parallel_plan`, which drops rules that match nothing.
    """
    plan = plans.tp_plan(facts, mesh)
    if not plan or not facts.layer_lists or not facts.parameters:
        return
    bodies = tuple(f"{name}." for name in facts.layer_lists)
    cut = {c.parameter: c.module for c in plans.cuts(plan, facts.parameters)}
    if mesh.ep_size > 1:
        # Experts that the expert plan takes over are split all the same.
        cut.update((c.parameter, c.module) for c in plans.cuts(plans.ep_plan(facts, mesh), facts.parameters))
    if not any(parameter.startswith(bodies) for parameter in cut):
        rest = sorted(set(cut.values()))
        only = f"only {', '.join(rest)}" if rest else "nothing"
        yield Finding(
            message=f"the TP plan cuts {only}, no parameter of {', '.join(facts.layer_lists)}: every rank would "
            "hold and run every layer whole",
            help=PLAN_HELP,
            alternatives=(1,),
            facts=("tp_plan",),
        )


def _shares(count: int, tp_size: int) -> bool:
    """Whether so many heads are shared out, or held by a whole number of ranks each."""
    return count % tp_size == 0 or tp_size % count == 0


def _per_layer(facts: ModelFacts, key: str, per_layer: str) -> tuple[int, ...]:
    """The distinct counts over the layers, or the one of the config."""
    counts: tuple[int, ...] = getattr(facts, per_layer) if facts.knows(per_layer) else ()
    return counts or (getattr(facts, key),)


def _cut_heads(facts: ModelFacts, mesh: MeshSpec) -> dict[str, tuple[int, ...]]:
    """Config key -> the distinct head counts of the projections that the plan cuts `colwise`, in the model's order."""
    found: dict[str, tuple[int, ...]] = {}
    for name, style in plans.module_styles(plans.tp_plan(facts, mesh), facts):
        heads = facts.modules[name].heads
        if style == "colwise" and heads is not None:
            key, count = heads
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), count)))
    for key, per_layer in (("num_key_value_heads", "kv_heads_per_layer"), ("num_attention_heads", "heads_per_layer")):
        if key in found and facts.knows(per_layer):
            found[key] = tuple(dict.fromkeys((*found[key], *getattr(facts, per_layer))))
    return found
