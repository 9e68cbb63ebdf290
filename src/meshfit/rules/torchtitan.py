"""Rules of torchtitan: its own models' recurrent layers, stages of its schedules, and where experts lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules.heads import uneven_heads
from meshfit.rules.registry import Finding, rule
from meshfit.rules.settings import whole_number
from meshfit.rules.sizes import divisors, satisfying

ENGINE = ("torchtitan",)

STAGES_A_RANK: Final[Mapping[str, int]] = {
    "1f1b": 1,
    "gpipe": 1,
    "interleaved1f1b": 2,
    "loopedbfs": 2,
    "interleavedzerobubble": 2,
    "zbvzerobubble": 2,
    "dualpipev": 2,
}
"""Schedule, letter case ignored -> stages each rank runs where `pipeline_parallel_layers_per_stage` is not set."""


@rule("TP004", "tp-recurrent-heads", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def recurrent_heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """Key and value heads of linear attention: each `% tp_size == 0`.

    Why: their projections are cut along heads like those of attention.
    Source: torchtitan main of 2026-08 models/qwen3_5/model.py `Qwen35Model.Config.update_from_config`.
    """
    keys = ("linear_num_key_heads", "linear_num_value_heads")
    for key in sorted(keys, key=lambda key: not facts.knows(key)):
        count = getattr(facts, key)
        if count:
            yield from uneven_heads(key, (count,), mesh)


@rule("TP024", "tp-sequence-length", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def sequence_divides_over_tensor_ranks(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`seq_len % tp_size == 0`, unless `sequence_parallel` is False; for `cp_size > 1` see `cp-sequence-length`.

    `seq_len` stands for the tokens of one microbatch on a data rank (`num_tokens_per_microbatch_per_dp_rank`), in which
    torchtitan joins sequences.

    Why: between blocks each tensor rank holds an equal part of the tokens.
    Source: torchtitan main of 2026-08 trainer.py `Trainer.__init__`, distributed/parallel_dims.py `seq_len_divisor`.
    """
    if mesh.cp_size > 1 or mesh.settings.get("sequence_parallel") is False:
        return
    if facts.seq_len % mesh.tp_size:
        yield Finding(
            message=f"seq_len ({facts.seq_len}) is not divisible by tp_size ({mesh.tp_size}), and sequence parallelism "
            "shares the tokens out",
            help=f"pad the sequence to a multiple of {mesh.tp_size}, or set enable_sequence_parallel to false",
            alternatives=divisors(facts.seq_len),
            facts=("seq_len",),
        )


@rule("PP007", "pp-more-stages-than-layers", axis="pp", engines=ENGINE, consequence=Consequence.CLEAN)
def stages_do_not_outnumber_layers(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """Stages <= `num_hidden_layers` + 2, where a rank runs one stage, or two in schedules that loop.

    Embedding and head count as a layer each, or as many as `pipeline_parallel_first_stage_less_layers` and
    `pipeline_parallel_last_stage_less_layers` say; neither may outweigh a stage.

    Why: layers, embedding and head are shared out over the stages, and every stage needs a part.
    Source: torchtitan main of 2026-08 distributed/pipeline_parallel.py `_generate_llm_fqn_per_model_part`,
    `_get_pipeline_metadata`.
    """
    a_rank = _stages_a_rank(mesh)
    if a_rank is None or _laid_out(mesh) or mesh.settings.get("pipeline_parallel_layers_per_stage") is not None:
        return
    layers, ends = facts.num_hidden_layers, _ends(mesh)
    stages = mesh.pp_size * a_rank
    if _shared_out(layers, ends, stages):
        return
    several = f" with {a_rank} stages a rank ({stages})" if a_rank > 1 else ""
    yield Finding(
        message=f"num_hidden_layers ({layers}), with embedding and head counted as {ends[0]} and {ends[1]}, is less "
        f"than pp_size ({mesh.pp_size}){several} needs",
        help="",
        alternatives=(1, *(size for size in _sizes(layers, ends) if _shared_out(layers, ends, size * a_rank))),
        facts=("num_hidden_layers",),
    )


@rule("PP013", "pp-virtual-stages", axis="pp", engines=ENGINE, consequence=Consequence.CLEAN)
def stages_divide_over_ranks(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """With `pipeline_parallel_layers_per_stage`, each rank gets as many of the stages it makes as the schedule runs.

    The stages are `ceil((num_hidden_layers + 2) / layers_per_stage)`, a multiple of pp_size. "1F1B" and "GPipe" run one
    on each rank, "ZBVZeroBubble" and "DualPipeV" two, others that loop two or more.

    Why: every rank runs the same number of stages.
    Source: torchtitan main of 2026-08 distributed/pipeline_parallel.py `_get_pipeline_metadata`,
    `_get_pp_rank_to_stage_indices_mapping`.
    """
    each, a_rank = whole_number(mesh, "pipeline_parallel_layers_per_stage"), _stages_a_rank(mesh)
    if each is None or a_rank is None or _laid_out(mesh):
        return
    ends = _ends(mesh)
    layers = facts.num_hidden_layers
    stages = ceil((layers + sum(ends)) / each)
    schedule = _schedule(mesh)
    if not _runs(schedule, stages, mesh.pp_size):
        wanted = "1 stage" if a_rank == 1 else "2 stages" if schedule in TWO_EXACTLY else "2 stages or more"
        yield Finding(
            message=f"pipeline_parallel_layers_per_stage ({each}) makes {stages} stages of num_hidden_layers "
            f"({layers}), which pp_size ({mesh.pp_size}) ranks cannot share out: "
            f"{mesh.settings.get('pipeline_parallel_schedule') or '1F1B'} runs {wanted} a rank",
            help="leave pipeline_parallel_layers_per_stage out, or change it",
            alternatives=(1, *(size for size in _sizes(layers, ends) if _runs(schedule, stages, size))),
            facts=("num_hidden_layers",),
        )


@rule("EP004", "ep-layout", axis="ep", engines=ENGINE, consequence=Consequence.CLEAN)
def experts_borrow_ranks_of_shards(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`(dp_shard * cp * tp) % ep == 0`; `dp_shard` is what the world leaves where it is not given.

    Why: an expert group is cut out of the ranks that shard the weights; replicas and stages lie outside.
    Source: torchtitan main of 2026-08 distributed/parallel_dims.py `ParallelDims._validate`.
    """
    ranks = mesh.dp_shard_size * mesh.cp_size * mesh.tp_size
    if mesh.dp_shard_size == 1:
        ranks = facts.world_size // (mesh.pp_size * mesh.dp_replicate_size)
    if ranks % mesh.ep_size:
        yield Finding(
            message=f"the {ranks} ranks that shard the weights (dp_shard * cp * tp) are not divisible by ep_size "
            f"({mesh.ep_size})",
            help=f"choose dp_shard_size, cp_size and tp_size whose product is a multiple of {mesh.ep_size}",
            alternatives=divisors(ranks) if ranks else (1,),
            facts=("world_size",),
        )


TWO_EXACTLY: Final = frozenset({"zbvzerobubble", "dualpipev"})
"""Schedules whose stages go down the ranks and up again."""


def _schedule(mesh: MeshSpec) -> str:
    """The schedule's name in small letters, empty where it is no text."""
    name = mesh.settings.get("pipeline_parallel_schedule")
    return "1f1b" if name is None else name.lower() if isinstance(name, str) else ""


def _stages_a_rank(mesh: MeshSpec) -> int | None:
    """Stages of each rank under the schedule; None for one that is not known."""
    return STAGES_A_RANK.get(_schedule(mesh))


def _laid_out(mesh: MeshSpec) -> bool:
    """The modules of each stage are written out."""
    return mesh.settings.get("module_fqns_per_model_part") is not None


def _ends(mesh: MeshSpec) -> tuple[int, int]:
    """The layers that embedding and head count for."""
    first = whole_number(mesh, "pipeline_parallel_first_stage_less_layers", least=0)
    last = whole_number(mesh, "pipeline_parallel_last_stage_less_layers", least=0)
    return 1 if first is None else first, 1 if last is None else last


def _shared_out(layers: int, ends: tuple[int, int], stages: int) -> bool:
    """Whether every stage gets a part, and one that holds the embedding or the head."""
    held = (layers + sum(ends)) // stages
    return held >= max(1, *ends)


def _runs(schedule: str, stages: int, pp: int) -> bool:
    """Whether the schedule runs so many stages on so many ranks."""
    each, rest = divmod(stages, pp)
    if rest:
        return False
    wanted = STAGES_A_RANK[schedule]
    return each == wanted or (each > wanted > 1 and schedule not in TWO_EXACTLY)


def _sizes(layers: int, ends: tuple[int, int]) -> tuple[int, ...]:
    """Sizes of pp above 1 that could have a stage each."""
    return tuple(size for size in satisfying(lambda size: size > 1, up_to=layers + sum(ends)))
