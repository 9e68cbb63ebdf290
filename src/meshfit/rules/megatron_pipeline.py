"""Rules of Megatron-LM's pipeline: how layers lie on stages, and on the virtual stages of a rank."""

from __future__ import annotations

from collections.abc import Iterator

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules.registry import Finding, rule
from meshfit.rules.settings import switched_on, whole_number
from meshfit.rules.sizes import satisfying

ENGINE = ("megatron",)
OTHER_LAYOUT = (
    "give the layout: --decoder-first-pipeline-num-layers, --decoder-last-pipeline-num-layers or "
    "--pipeline-model-parallel-layout"
)


@rule("MS005", "mesh-virtual-pipeline", axis="mesh", engines=ENGINE, consequence=Consequence.CLEAN)
def virtual_stages_need_a_pipeline(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`virtual_pipeline_model_parallel_size` above 1 only with `pp_size > 1`.

    Why: virtual stages are parts of one rank's stage that take turns with those of the other ranks.
    Source: megatron-core 0.16.1 parallel_state.py `initialize_model_parallel`.
    """
    virtual = whole_number(mesh, "virtual_pipeline_model_parallel_size", least=2)
    if virtual and mesh.pp_size == 1 and mesh.used:
        yield Finding(
            message=f"virtual_pipeline_model_parallel_size ({virtual}) needs a pipeline, but pp_size is 1",
            help="set pp_size above 1, or leave the virtual stages out",
        )


@rule("PP012", "pp-layers-divide", axis="pp", engines=ENGINE, consequence=Consequence.CLEAN)
def layers_divide_over_stages(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_hidden_layers % pp_size == 0`, unless the layers of a stage are laid out by hand.

    Stages whose layers are given (`num_layers_in_first_pipeline_stage`, `num_layers_in_last_pipeline_stage`) are taken
    off on both sides. `account_for_embedding_in_pipeline_split` and `account_for_loss_in_pipeline_split` count as a
    layer each. Hybrid models and encoder-decoders are laid out in other ways.

    Why: every stage holds the same number of layers; releases before the check dropped the remainder silently.
    Source: megatron-core 0.16.1 transformer/transformer_block.py `get_num_layers_to_build`,
    transformer/transformer_config.py `TransformerConfig.__post_init__`.
    """
    if _laid_out_otherwise(facts, mesh):
        return
    layers = facts.num_hidden_layers
    if _per_stage(layers, mesh, mesh.pp_size) is None:
        yield Finding(
            message=f"num_hidden_layers ({layers}){_taken_off(mesh)} is not divisible by pp_size ({mesh.pp_size})",
            help=OTHER_LAYOUT,
            alternatives=(1, *_stages(layers, mesh)),
            facts=("num_hidden_layers",),
        )


@rule("PP013", "pp-virtual-stages", axis="pp", engines=ENGINE, consequence=Consequence.CLEAN)
def layers_of_a_stage_divide_over_virtual_stages(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The layers of each stage `% virtual_pipeline_model_parallel_size == 0`.

    So, too, by `num_layers_per_virtual_pipeline_stage`, which tells the layers of a virtual stage instead.

    Why: every virtual stage holds the same number of layers.
    Source: megatron-core 0.16.1 transformer/transformer_block.py `get_num_layers_to_build`; Megatron-LM
    training/arguments.py `validate_args`.
    """
    virtual = whole_number(mesh, "virtual_pipeline_model_parallel_size")
    each = whole_number(mesh, "num_layers_per_virtual_pipeline_stage")
    divisor = virtual or each
    if divisor is None or _laid_out_otherwise(facts, mesh):
        return
    layers = facts.num_hidden_layers
    stages = _per_stage(layers, mesh, mesh.pp_size)
    uneven = sorted({held for held in stages or () if held % divisor})
    if uneven:
        name = "virtual_pipeline_model_parallel_size" if virtual else "num_layers_per_virtual_pipeline_stage"
        yield Finding(
            message=f"the {uneven[0]} layers of a stage (num_hidden_layers {layers} over pp_size {mesh.pp_size}) are "
            f"not divisible by {name} ({divisor})",
            help=f"choose {name} so that it divides {uneven[0]}",
            alternatives=(
                1,
                *(
                    size
                    for size in _stages(layers, mesh)
                    if all(held % divisor == 0 for held in _per_stage(layers, mesh, size) or ())
                ),
            ),
            facts=("num_hidden_layers",),
        )


def _laid_out_otherwise(facts: ModelFacts, mesh: MeshSpec) -> bool:
    """The layout is written out, or the model is of a kind whose layers are counted in another way."""
    if mesh.settings.get("pipeline_model_parallel_layout"):
        return True
    return any(facts.knows(kind) and getattr(facts, kind) for kind in ("is_hybrid", "is_encoder_decoder"))


def _given(mesh: MeshSpec) -> list[int]:
    """The layers of the first and of the last stage, as far as they are given."""
    names = ("num_layers_in_first_pipeline_stage", "num_layers_in_last_pipeline_stage")
    return [count for count in (whole_number(mesh, name) for name in names) if count]


def _counted_in(mesh: MeshSpec) -> int:
    """Layers that stand for the embedding and the loss."""
    parts = ("account_for_embedding_in_pipeline_split", "account_for_loss_in_pipeline_split")
    return sum(switched_on(mesh, part) for part in parts)


def _per_stage(layers: int, mesh: MeshSpec, pp: int) -> list[int] | None:
    """The distinct counts of layers that stages hold, None where the layers do not divide."""
    given = _given(mesh)
    rest = layers - sum(given) if given else layers + _counted_in(mesh)
    stages = pp - len(given)
    if rest < 0 or stages < 0 or (rest % stages if stages else rest):
        return None
    return [*given, rest // stages] if stages else given


def _stages(layers: int, mesh: MeshSpec) -> tuple[int, ...]:
    """Sizes of pp above 1 over which the layers divide."""
    sizes = satisfying(lambda size: _per_stage(layers, mesh, size) is not None, up_to=layers + 2)
    return tuple(size for size in sizes if size > 1)


def _taken_off(mesh: MeshSpec) -> str:
    """How the count of layers was changed before it is divided, in words."""
    given, counted = _given(mesh), _counted_in(mesh)
    if given:
        return f" less the {' and '.join(map(str, given))} of the stages given"
    return f" with {counted} for embedding and loss" if counted else ""
