"""Rules of tensor parallelism: what forward bodies, tied weights and checkpoints do to weights that a plan cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules import plans
from meshfit.rules.causes import Cause, cause
from meshfit.rules.conversions import broken_conversions
from meshfit.rules.heads import tied_head_of_another_width
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import satisfying

FAULTS: Final[Mapping[str, Cause]] = {
    "assumes-whole-width": Cause(
        Consequence.LATE,
        "its output is split, sliced or viewed by sizes of the whole width",
        "cut it colwise_gather_output, or take the sizes from the tensor",
    ),
    "chunks-fused-output": Cause(
        Consequence.SILENT,
        "its output holds several projections one after the other, and a rank would get a part of one",
        "cut it packed_colwise (two projections) or colwise_gather_output",
    ),
    "summarises-cut-output": Cause(
        Consequence.SILENT,
        "a mean, norm, softmax or top-k runs over the width of its output, of which a rank has a part",
        "cut it colwise_gather_output",
    ),
    "whole-parameter-meets-cut-output": Cause(
        Consequence.LATE,
        "its output meets a parameter that has an entry for every head or feature and is not cut",
        "cut the parameter in the plan too, and style its module local_params",
    ),
    "embedding-transforms-output": Cause(
        Consequence.LATE,
        "the embedding passes its own lookup through another module, which meets a partial sum of it",
        "leave the embedding out of the plan",
    ),
    "embedding-assigns-output": Cause(
        Consequence.LATE,
        "the embedding assigns plain values into its own distributed output",
        "leave the embedding out of the plan",
    ),
}
"""Kinds of `tensor_faults` and what they mean."""

OTHER_FAULT: Final = Cause(Consequence.LATE, "its forward needs it whole", "leave the module out of the plan")


@rule("TP010", "tp-tied-head", axis="tp", engines=("transformers",), consequence=Consequence.LATE, size_free=True)
def tied_head_is_cut_like_its_embedding(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """A head tied to the input embedding is cut along the same dim as the embedding, or neither is cut.

    Why: the two share one weight, and the embedding's layout is the one that stays. A head whose style expects its
    slice of rows then gets all of them: its output is relabelled and narrowed, which fails where the vocabulary is
    divisible by tp_size, and gives wrong logits where it is not.
    Source: transformers 5.23 distributed/tensor_parallel.py `_from_local_last_dim_shard`; executed on 7 classes.
    """
    if not facts.tied_head or facts.head_name is None or facts.embedding_name is None:
        return
    plan = plans.tp_plan(facts, mesh)
    shape = facts.parameters.get(f"{facts.embedding_name}.weight")
    if shape is None:
        return
    shared = {f"{name}.weight": shape for name in (facts.embedding_name, facts.head_name)}
    dims = {cut.module: cut.dim for cut in plans.cuts(plan, shared)}
    embedding, head = dims.get(facts.embedding_name), dims.get(facts.head_name)
    if embedding == head or plan.get(facts.head_name) == "colwise_rep":
        # Releases that wrote colwise_rep replicate the tied weight inside the head (`distribute_module`).
        return
    told = {None: "not at all", 0: "along its rows", 1: "along its columns"}
    yield Finding(
        message=f"{facts.head_name} shares the weight of {facts.embedding_name} (tie_word_embeddings, {shape[0]} "
        f"rows), but the plan cuts the head {told[head]} and the embedding {told[embedding]} over "
        f"tp_size ({mesh.tp_size})",
        help=f'add "{facts.embedding_name}": "embedding_rowwise" and "{facts.head_name}": "colwise_gather_output" to '
        "tp_plan, or set tie_word_embeddings to false",
        alternatives=(1,),
        facts=("tie_word_embeddings", "tp_plan"),
        consequence=Consequence.SILENT if embedding is None and shape[0] % mesh.tp_size else None,
    )


@rule(
    "TP029",
    "tp-tied-head-width",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def tied_head_has_the_rows_of_its_embedding(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """An output head that the plan cuts and that is tied to the input embedding has as many rows as the embedding.

    Why: in one process the tied head gives a logit for each row of the embedding. Cut over ranks, its logits are
    gathered to the width it was made with.
    Source: transformers 5.23 distributed/tensor_parallel.py `_from_local_last_dim_shard`; executed on a multimodal
    class whose text config has a vocabulary of its own.
    """
    plan = plans.tp_plan(facts, mesh)
    if plan and plan.get(facts.head_name or "") in plans.COLUMN:
        yield from tied_head_of_another_width(facts, f"tp_size ({mesh.tp_size})")


@rule(
    "TP011",
    "tp-head-not-gathered",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def head_output_is_gathered(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The plan does not leave the output head `colwise`: its output must be gathered.

    Why: `colwise` gives each rank its part of the vocabulary; loss and argmax then run over a part.
    Source: transformers 5.23 distributed/tensor_parallel.py `ColwiseParallel` (output `Shard(-1)`).
    """
    if facts.head_name is not None and plans.tp_plan(facts, mesh).get(facts.head_name) in plans.LOCAL_COLUMNS:
        yield Finding(
            message=f"the TP plan leaves the logits of {facts.head_name} cut over tp_size ({mesh.tp_size}) ranks",
            help=f'set "{facts.head_name}": "colwise_gather_output" in tp_plan',
            alternatives=(1,),
            facts=("tp_plan",),
        )


@rule("TP012", "tp-grouped-experts", axis="tp", engines=("transformers",), consequence=Consequence.LATE)
def expert_rows_are_aligned(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`(moe_intermediate_size / tp_size) * itemsize % 16 == 0` with the grouped matmul experts.

    Why: the grouped matmul kernel takes rows that start at multiples of 16 bytes. `experts_implementation="eager"`
    multiplies expert by expert and has no such limit.
    Source: transformers 5.23 integrations/moe.py `_grouped_mm`; torch 2.13 `grouped_mm` stride check.
    """
    plan = plans.tp_plan(facts, mesh)
    if "moe_tp_experts" not in plan.values() or facts.experts_implementation not in (None, "grouped_mm"):
        return
    for cut in plans.cuts(plan, facts.parameters):
        if len(cut.shape) != 3 or cut.dim == 0 or plan.get(cut.module) != "moe_tp_experts":
            continue
        if not _rows_aligned(cut.width, mesh.tp_size, facts.dtype_bytes):
            bytes_each = ceil(cut.width / mesh.tp_size) * facts.dtype_bytes
            yield Finding(
                message=f"the width of an expert ({cut.width}) over tp_size ({mesh.tp_size}) gives rows of "
                f"{bytes_each} bytes, not a multiple of the 16 that grouped matmul needs",
                help='set experts_implementation="eager"',
                alternatives=_aligned_sizes(cut.width, facts.dtype_bytes, mesh.tp_size),
                facts=("moe_intermediate_size",),
            )
            return


@rule(
    "TP013",
    "tp-checkpoint-conversion",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def conversions_keep_cut_dims(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No checkpoint conversion rearranges the dim along which the plan cuts its target.

    Why: each rank reads its slice of the checkpoint's tensor, cut as the target is, and converts the slice: a fused
    gate-and-up tensor cut in two and then chunked gives one rank the gate and the other the up projection.
    Source: transformers 5.23 distributed/sharding_utils.py `DtensorShardOperation`, core_model_loading.py (`Split`
    warns of it).
    """
    cuts = plans.cuts(plans.tp_plan(facts, mesh), facts.parameters)
    for cut, operation in broken_conversions(facts.conversions, cuts):
        if not plans.on_text_path(cut.parameter, facts):
            continue
        yield Finding(
            message=f"loading a checkpoint applies {operation} along dim {cut.dim} of {cut.parameter}, which the TP "
            f"plan cuts along that dim over tp_size ({mesh.tp_size}) ranks: each would hold the wrong rows",
            help="leave these projections out of tp_plan, or load whole and shard afterwards",
            alternatives=(1,),
            facts=("conversions", "tp_plan"),
        )
        return


@rule("TP014", "tp-in-place-output", axis="tp", engines=("transformers",), consequence=Consequence.LATE, size_free=True)
def outputs_are_not_modified_in_place(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No forward modifies in place the output of a module whose style hands on a view of a distributed tensor.

    Why: "Output 0 of _ToTorchTensor is a view and is being modified inplace": the first backward fails.
    Source: transformers 5.23 distributed/tensor_parallel.py `transform_output_post_forward` (`to_local`).
    """
    for name, style in plans.module_styles(plans.tp_plan(facts, mesh), facts):
        if style in plans.LOCAL_OUTPUT and name in facts.inplace_outputs:
            yield Finding(
                message=f"the output of {name} ({style} over tp_size {mesh.tp_size}) is modified in place",
                help="for inference alone this is harmless; to train, leave the module out of tp_plan or clone its "
                "output in forward",
                alternatives=(1,),
                facts=("tp_plan",),
            )
            return


@rule(
    "TP015",
    "tp-weight-read-outside",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.LATE,
    size_free=True,
)
def cut_weights_are_read_by_their_module(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No forward reads the weight of a module that the plan cuts, except the module's own.

    Why: outside its module's hooks the weight is a distributed tensor, and torch refuses to mix it with plain ones.
    Source: transformers 5.23 distributed/tensor_parallel.py `shard_param`; torch DTensor dispatch.
    """
    for cut in plans.cuts(plans.tp_plan(facts, mesh), facts.parameters):
        if cut.module in facts.raw_weight_reads:
            yield Finding(
                message=f"a forward reads the weight of {cut.module} directly, which tp_size ({mesh.tp_size}) cuts "
                f"({cut.style})",
                help=f"leave {cut.module} out of tp_plan, or call the module instead of reading its weight",
                alternatives=(1,),
                facts=("tp_plan",),
            )
            return


@rule("TP016", "tp-forward", axis="tp", engines=("transformers",), consequence=Consequence.LATE, size_free=True)
def forwards_take_cut_modules(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No forward body needs whole what the plan cuts.

    Why: sizes written for the whole output, bare parameters of full length and writes into an output fail, or compute
    something else, on a slice.
    Source: transformers 5.23 distributed/tensor_parallel.py, hooks of the styles; the class's own forward.
    """
    cut = {}
    for found in plans.cuts(plans.tp_plan(facts, mesh), facts.parameters):
        cut[found.parameter] = cut[found.module] = found.style
    for kind, where in facts.tensor_faults:
        name, _, parameter = where.partition(" with ")
        if _breaks(kind, cut.get(name), parameter in cut):
            meaning = cause(FAULTS, kind, OTHER_FAULT)
            met = f": {parameter}" if parameter else ""
            yield Finding(
                message=f"the TP plan cuts {name} ({cut[name]}, tp_size {mesh.tp_size}), but {meaning.why}{met}",
                help=meaning.help,
                alternatives=(1,),
                facts=("tp_plan",),
                consequence=meaning.consequence,
            )
            return


@rule(
    "TP017",
    "tp-partial-gradients",
    axis="tp",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def modules_after_a_cut_are_in_the_plan(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """A module with own parameters that is fed by a column-cut output stands in the plan.

    Why: such a module (a norm over each head, an activation with learnable parameters) sees only this rank's columns,
    so its gradient is a part of the sum; only a style such as `replicated_with_grad_allreduce` adds the parts up. A
    linear layer does not even fit: its input is too narrow.
    Source: transformers 5.23 distributed/tensor_parallel.py `ReplicatedWithGradAllReduce`.
    """
    plan = plans.tp_plan(facts, mesh)
    for name, sources in facts.dataflow.items():
        feeding = sorted(source for source in sources if plan.get(source) in plans.LOCAL_COLUMNS)
        if feeding and _has_parameters(name, facts) and not _named_at_or_below(name, plan):
            linear = name in facts.modules and facts.modules[name].kind == "Linear"
            yield Finding(
                message=f"{name} has parameters and is fed by {', '.join(feeding)}, cut over tp_size ({mesh.tp_size}) "
                "ranks, but stands in no plan: its gradients stay partial",
                help=f'add "{name}": "{"rowwise" if linear else "replicated_with_grad_allreduce"}" to tp_plan',
                alternatives=(1,),
                facts=("tp_plan",),
                consequence=Consequence.LATE if linear else None,
            )
            return


@rule(
    "TP019", "tp-layouts-disagree", axis="tp", engines=("transformers",), consequence=Consequence.LATE, size_free=True
)
def layouts_meet(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """A `rowwise` module is fed by an output that is cut column-wise, in every kind of layer that has one of its name;
    a column-wise module is not.

    Why: `rowwise` takes its input as this rank's slice and `colwise` takes it whole. The other way round, shapes
    disagree in the first matrix product ("mat1 and mat2 shapes cannot be multiplied"). Layers of different kinds may
    share a name (linear and latent attention, both with an `o_proj`) while the plan cuts the projections of one only.
    Source: transformers 5.23 distributed/tensor_parallel.py `RowwiseParallel`, `ColwiseParallel` (input layouts).
    """
    plan = plans.tp_plan(facts, mesh)
    for name, sources in facts.linear_inputs:
        style = plan.get(name)
        cut = sorted(source for source in sources if plan.get(source) in plans.LOCAL_COLUMNS)
        if style == "rowwise" and sources and not cut:
            told = f"{name} is rowwise, but nothing that feeds it ({', '.join(sorted(sources))}) is cut column-wise"
            advice = f'"{name}": "rowwise_split_input", or cut what feeds it colwise'
        elif style in plans.COLUMN and cut:
            told = f"{name} is {style} and needs its input whole, but {', '.join(cut)} leaves it cut"
            advice = f'"{name}": "rowwise", or cut what feeds it colwise_gather_output'
        else:
            continue
        yield Finding(
            message=f"in the TP plan (tp_size {mesh.tp_size}) {told}",
            help=f"set {advice}",
            alternatives=(1,),
            facts=("tp_plan",),
        )
        return


@rule(
    "TP018", "tp-latent-rope-width", axis="tp", engines=("transformers",), consequence=Consequence.LATE, size_free=True
)
def latent_rope_width_is_global(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`qk_rope_head_dim` is the same in every layer where the plan styles a module `mla_kv_a_proj`.

    Why: the style reads it from the whole config, and a config whose layers differ refuses the question.
    Source: transformers 5.23 distributed/tensor_parallel.py `MlaKvAProjParallel`,
    integrations/heterogeneity/configuration_utils.py `__getattribute__`.
    """
    for name, style in plans.module_styles(plans.tp_plan(facts, mesh), facts):
        if style == "mla_kv_a_proj" and "qk_rope_head_dim" in facts.per_layer_attributes:
            yield Finding(
                message=f"the TP plan styles {name} mla_kv_a_proj, which reads qk_rope_head_dim from the whole "
                "config, but layers differ in it",
                help="set allow_global_per_layer_attribute_access=True on the config where the sizes are in fact equal",
                alternatives=(1,),
                facts=("tp_plan",),
            )
            return


def _breaks(kind: str, style: str | None, meets_cut: bool) -> bool:
    """Whether a fault of that kind shows under the style its module is cut with."""
    if style is None:
        return False
    if kind == "chunks-fused-output":
        return style in ("colwise", "local_colwise")
    if kind.startswith("embedding-"):
        return True
    return style in plans.LOCAL_COLUMNS and not meets_cut


def _rows_aligned(width: int, tp_size: int, itemsize: int) -> bool:
    """Whether every rank's slice of a row of `width` elements is a multiple of 16 bytes."""
    each = ceil(width / tp_size)
    last = width - each * (tp_size - 1)
    return each * itemsize % 16 == 0 and max(last, 0) * itemsize % 16 == 0


def _aligned_sizes(width: int, itemsize: int, asked: int) -> tuple[int, ...]:
    """Sizes below the one asked for: above it odd ones abound (261 for a width of 1856), and nobody means them."""
    return (1, *satisfying(lambda size: size > 1 and _rows_aligned(width, size, itemsize), up_to=asked - 1))


def _has_parameters(name: str, facts: ModelFacts) -> bool:
    return any(parameter.startswith(f"{name}.") for parameter in facts.parameters)


def _named_at_or_below(name: str, plan: Mapping[str, str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for key in plan)
