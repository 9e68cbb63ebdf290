"""Rules of pipeline parallelism under transformers, torchtitan and NeMo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules.causes import Cause, cause
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import divisors, satisfying

OTHER_AXES: Final = "use tp_size or dp_shard_size (FSDP) for this model"

DOES: Final[Mapping[str, str]] = {
    "rescales": "scales",
    "normalises": "normalises",
    "adds-to": "adds to",
    "projects": "projects",
    "slices": "slices",
    "overwrites": "overwrites a part of",
    "transforms": "transforms",
}
PHASES: Final[Mapping[str, str]] = {
    "embeddings": "the embeddings before the layers, and a later stage would do so again to what it received",
    "hidden-between-layers": "the hidden states between layers, also where a stage does not hold the layer",
    "hidden-after-layers": "the hidden states after the layers, outside the module named norm, so every stage would",
}
"""Where in the base forward something happens to what the stages pass on, and why that breaks."""


def _late(why: str) -> Cause:
    return Cause(Consequence.LATE, why, OTHER_AXES)


def _silent(why: str) -> Cause:
    return Cause(Consequence.SILENT, why, OTHER_AXES)


FAULTS: Final[Mapping[str, Cause]] = {
    **{
        f"{word}-{phase}": (_late if word == "slices" else _silent)(f"the base forward {does} {where}")
        for word, does in DOES.items()
        for phase, where in PHASES.items()
    },
    "unpacks-layer-output": _late(
        "the forward unpacks a layer's result, and the stand-in for a layer returns a tensor"
    ),
    "indexes-layer-output": _late(
        "the forward indexes a layer's result, and the stand-in for a layer returns a tensor"
    ),
    "reads-layer-attribute": _late("the forward reads an attribute that the stand-in for a layer does not have"),
    "reads-embedding-attribute": _late("the forward reads an attribute of embed_tokens, which later stages replace"),
    "reads-norm-attribute": _late("the forward reads an attribute of norm, which all but the last stage replace"),
    "reads-head-attribute": _late("the forward reads an attribute of lm_head, which all but the last stage replace"),
    "layer-input-not-first": _silent("the hidden state is not a layer's first argument, which a stand-in returns"),
    "repeats-layers": _silent("the layers run more than once, and a stage only repeats its own"),
    "layers-read-embeddings": _silent("layers read the embeddings beside the hidden state, and later stages have none"),
    "shares-state-across-layers": _silent("a layer reads what a layer of another stage made beside the hidden state"),
    "needs-input-ids": _late("something beside the embedding is computed from input_ids, and later stages have none"),
    "embeds-outside-base": _silent(
        "the head changes the embeddings before the base model, and stages but the last call the base model alone"
    ),
    "refuses-inputs-embeds": _late("the forward takes no inputs_embeds, by which a later stage is fed"),
    "refuses-argument": _late("the base forward lacks a parameter that the model's forward passes to it"),
    "returns-no-hidden-state": _late("the base output has no last_hidden_state to send on"),
    "returns-no-cache": _late("the output has no past_key_values, which every stage reads"),
    "returns-no-logits": _late("the output of the model has no logits"),
    "no-hidden-size": _late("the config has no hidden_size, by which a stage sizes what it receives"),
    "other-hidden-width": _late("the hidden state is not hidden_size wide, and a stage receives into that width"),
}
"""Kinds of `pipeline_faults` and what they mean."""

OTHER_FAULT: Final = Cause(
    Consequence.SILENT,
    "the forward of the base model gives another result when stages run it in parts",
    OTHER_AXES,
)

MISSING: Final[Mapping[str, tuple[str, Consequence]]] = {
    "layers": ("the layers to split over the stages", Consequence.CLEAN),
    "norm": ("the final norm that only the last stage applies", Consequence.SILENT),
}


@rule(
    "PP002",
    "pp-structure",
    axis="pp",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def model_has_the_parts_a_pipeline_moves(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """The model has `lm_head` and a base under `base_model_prefix`; the base has `layers` and `norm`.

    Why: transformers splits by these names and never reads a declared `_pp_plan`. Without `layers` it stops; a final
    norm of another name is applied by every stage, and the logits are wrong. An embedding that is not `embed_tokens`
    stays on every stage, where nobody asks it.
    Source: transformers 5.23 distributed/pipeline_parallel.py `apply_pipeline_parallelism`, `find_rank_for_key`.
    """
    prefix = facts.base_model_prefix
    if not prefix or prefix not in facts.head_children:
        yield Finding(
            message=f"has no base model under {prefix!r} (base_model_prefix), so there is nothing to split; "
            "transformers does not read _pp_plan",
            help="use the class with a language-model head (ForCausalLM), or tp_size",
            alternatives=(1,),
            facts=("base_model_prefix",),
        )
        return
    for name, (what, consequence) in MISSING.items():
        if name not in facts.base_children:
            yield _missing(f"{prefix}.{name}", what, consequence)
            return
    if "lm_head" not in facts.head_children:
        yield _missing("lm_head", "the output head that only the last stage applies", Consequence.LATE)


@rule(
    "PP003",
    "pp-forward",
    axis="pp",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def base_forward_can_run_in_parts(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """The base forward does nothing before or after the layers that a later stage would repeat or lack.

    Why: a later stage runs the same forward with the received hidden states as `inputs_embeds`, without `input_ids`,
    and with layers of other stages replaced by identities.
    Source: transformers 5.23 distributed/pipeline_parallel.py `pipeline_parallel_naive_forward`,
    `PipelineIdentityLayer`.
    """
    for kind, where in facts.pipeline_faults:
        meaning = cause(FAULTS, kind, OTHER_FAULT)
        yield Finding(
            message=f"{meaning.why} ({where}); transformers does not read _pp_plan",
            help=meaning.help,
            alternatives=(1,),
            facts=("pipeline_faults",),
            consequence=meaning.consequence,
        )


@rule(
    "PP004",
    "pp-inference-only",
    axis="pp",
    engines=("transformers",),
    consequence=Consequence.LATE,
    severity=Severity.WARNING,
    size_free=True,
)
def pipeline_returns_no_loss(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """Always, with `pp_size > 1`: the pipeline is for inference.

    Why: the pipelined forward returns logits and a cache, its `loss` is None, and gradients do not cross stages.
    Source: transformers 5.23 distributed/pipeline_parallel.py `pipeline_parallel_naive_forward`; executed
    on 92 classes.
    """
    yield Finding(
        message=f"transformers' pipeline (pp_size {mesh.pp_size}) is for inference only: its forward returns loss=None",
        help="train with tp_size and dp_shard_size instead; for inference this warning can be ignored",
        alternatives=(1,),
    )


@rule(
    "PP005",
    "pp-empty-stage",
    axis="pp",
    engines=("transformers",),
    consequence=Consequence.WASTE,
    severity=Severity.WARNING,
)
def every_stage_has_a_layer(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_hidden_layers >= pp_size`.

    Why: a stage gets `layers // stages` layers and the last one the remainder; with fewer layers than stages all but
    the last hold none.
    Source: transformers 5.23 distributed/pipeline_parallel.py `layer_range_for_rank`.
    """
    if facts.num_hidden_layers < mesh.pp_size:
        yield Finding(
            message=f"num_hidden_layers ({facts.num_hidden_layers}) is less than pp_size ({mesh.pp_size}), so stages "
            "stay empty",
            help="",
            alternatives=divisors(facts.num_hidden_layers),
            facts=("num_hidden_layers",),
        )


@rule(
    "PP006",
    "pp-uneven-stages",
    axis="pp",
    engines=("transformers",),
    consequence=Consequence.WASTE,
    severity=Severity.WARNING,
)
def stages_are_even(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_hidden_layers % pp_size == 0`.

    Why: the last stage holds the remainder on top, and the others wait for it.
    Source: transformers 5.23 distributed/pipeline_parallel.py `layer_range_for_rank`.
    """
    layers, stages = facts.num_hidden_layers, mesh.pp_size
    if layers >= stages and layers % stages:
        yield Finding(
            message=f"num_hidden_layers ({layers}) is not divisible by pp_size ({stages}): the last stage holds "
            f"{layers - layers // stages * (stages - 1)} layers, the others {layers // stages}",
            help="",
            alternatives=divisors(layers),
            facts=("num_hidden_layers",),
        )


@rule("PP007", "pp-more-stages-than-layers", axis="pp", engines=("nemo",), consequence=Consequence.CLEAN)
def stages_do_not_outnumber_layers(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_hidden_layers >= pp_size`.

    Why: the model is cut at layers, and every stage needs one.
    Source: NeMo Automodel components/distributed/pipelining/functional.py.
    """
    if facts.num_hidden_layers < mesh.pp_size:
        yield Finding(
            message=f"num_hidden_layers ({facts.num_hidden_layers}) is less than pp_size ({mesh.pp_size})",
            help="",
            alternatives=satisfying(lambda size: size <= facts.num_hidden_layers, up_to=facts.num_hidden_layers),
            facts=("num_hidden_layers",),
        )


@rule("PP008", "pp-tied-embeddings", axis="pp", engines=("torchtitan", "nemo"), consequence=Consequence.CLEAN)
def head_is_not_tied_across_stages(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The head does not share the embedding's weight.

    Why: embedding and head lie on the first and the last stage, and each would train its own copy.
    Source: NeMo Automodel components/distributed/pipelining/hf_utils.py `validate_hf_model_for_pipeline_support`;
    torchtitan main of 2026-08 models/common/decoder.py `Decoder.Config.update_from_config`.
    """
    if facts.tied_head:
        yield Finding(
            message=f"tie_word_embeddings shares one weight between the first and the last of pp_size ({mesh.pp_size}) "
            "stages",
            help="set dp_shard_size (FSDP) instead, or untie the embeddings before training",
            alternatives=(1,),
            facts=("tie_word_embeddings",),
        )


@rule("PP009", "pp-encoder-decoder", axis="pp", engines=("torchtitan", "nemo"), consequence=Consequence.CLEAN)
def model_is_one_stack(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The model is no encoder-decoder.

    Why: cross-attention needs the encoder's output in every decoder stage, and stages pass on one hidden state.
    Source: NeMo Automodel components/distributed/pipelining/hf_utils.py `validate_hf_model_for_pipeline_support`.
    """
    if facts.is_encoder_decoder:
        yield Finding(
            message=f"an encoder-decoder cannot be cut into pp_size ({mesh.pp_size}) stages that pass on one tensor",
            help="use tp_size or dp_shard_size",
            alternatives=(1,),
            facts=("is_encoder_decoder",),
        )


@rule(
    "PP010",
    "pp-few-microbatches",
    axis="pp",
    engines=("torchtitan", "nemo"),
    consequence=Consequence.WASTE,
    severity=Severity.WARNING,
)
def microbatches_fill_the_stages(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`microbatches >= pp_size`, where the mesh's settings tell `microbatches`.

    Why: with fewer microbatches than stages some stage always waits.
    Source: torchtitan distributed/pipeline_parallel.py `build_pipeline_schedule` warns of it.
    """
    microbatches = mesh.settings.get("microbatches")
    if type(microbatches) is int and 0 < microbatches < mesh.pp_size:
        yield Finding(
            message=f"microbatches ({microbatches}) are fewer than pp_size ({mesh.pp_size}), so stages idle",
            help=f"use at least {mesh.pp_size} microbatches",
            alternatives=satisfying(lambda size: size <= microbatches, up_to=microbatches),
        )


@rule(
    "PP011",
    "pp-no-such-axis",
    axis="pp",
    engines=("accelerate",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def accelerate_has_no_pipeline_axis(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """Never, with `pp_size > 1`: accelerate's mesh has no pipeline axis.

    Why: `ParallelismConfig` has sizes for dp_replicate, dp_shard, tp, cp and sp only, and neither it nor a model's
    `_pp_plan` makes accelerate build stages.
    Source: accelerate 1.15 parallelism_config.py `ParallelismConfig`.
    """
    yield Finding(
        message=f"accelerate's ParallelismConfig has no pipeline axis for pp_size ({mesh.pp_size}), and no _pp_plan "
        "changes that",
        help='load with transformers\' DistributedConfig(pp_size=...), engine "transformers"',
        alternatives=(1,),
    )


def _missing(name: str, what: str, consequence: Consequence) -> Finding:
    return Finding(
        message=f"has no {name}, {what}; transformers splits by that name and does not read _pp_plan",
        help=OTHER_AXES,
        alternatives=(1,),
        facts=("base_children",),
        consequence=consequence,
    )
