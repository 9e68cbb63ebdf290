"""Rules of vLLM: ranks, recurrent layers and experts of a model that it serves by an implementation of its own."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules.registry import Finding, rule
from meshfit.rules.settings import switched_on, whole_number
from meshfit.rules.sizes import divisors, satisfying

ENGINE = ("vllm",)
ROWS = 64
"""The vocabulary is filled up to a multiple of so many rows."""


@rule("MS001", "mesh-world-size", axis="mesh", engines=ENGINE, consequence=Consequence.CLEAN)
def mesh_fits_into_the_world(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`pp * dp_replicate * dp_shard * cp * tp <= world_size`.

    Why: every rank takes a device of its own; devices that are left over stay free for others.
    Source: vLLM 0.33.0 config/parallel.py `ParallelConfig.__post_init__`, `world_size_across_dp`.
    """
    if mesh.world_size > facts.world_size:
        yield Finding(
            message=f"the mesh needs {mesh.world_size} ranks, but world_size is {facts.world_size}",
            help=f"start on {mesh.world_size} devices, or choose sizes whose product is at most {facts.world_size}",
            facts=("world_size",),
        )


@rule("MS006", "mesh-decode-context", axis="mesh", engines=ENGINE, consequence=Consequence.CLEAN)
def decode_context_lies_on_tensor_ranks(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`tp_size % decode_context_parallel_size == 0`; with `cp_size > 1` it is 1, `cp_size` or `tp_size * cp_size`.

    Why: decoding shares the cache out over ranks that there are already, and brings none of its own.
    Source: vLLM 0.33.0 config/parallel.py `ParallelConfig._validate_parallel_config`.
    """
    decode = whole_number(mesh, "decode_context_parallel_size", least=2)
    if decode is None or not mesh.used:
        return
    tp, cp = mesh.tp_size, mesh.cp_size
    if cp == 1 and tp % decode:
        yield Finding(
            message=f"tp_size ({tp}) is not divisible by decode_context_parallel_size ({decode})",
            help="choose a decode context size that divides tp_size",
        )
    elif cp > 1 and decode not in (cp, tp * cp):
        yield Finding(
            message=f"decode_context_parallel_size ({decode}) is neither cp_size ({cp}) nor tp_size * cp_size "
            f"({tp * cp})",
            help="leave the decode context size out, or set it to one of the two",
        )


@rule("TP004", "tp-recurrent-heads", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def recurrent_heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """In a hybrid model, key and value heads of linear attention and heads of Mamba: each `% tp_size == 0`.

    Groups of Mamba divide so too, unless there is one, which every rank gets.

    Why: their projections are cut along heads like those of attention.
    Source: vLLM 0.33.0 model_executor/layers/mamba/mamba_mixer2.py `MambaMixer2`, mamba_utils.py
    `MambaStateShapeCalculator`, gdn/qwen_gdn_linear_attn.py.
    """
    if not facts.is_hybrid:
        return
    keys = ("linear_num_key_heads", "linear_num_value_heads", "mamba_heads", "mamba_groups")
    for key in sorted(keys, key=lambda key: not facts.knows(key)):
        count = getattr(facts, key)
        if not count or count % mesh.tp_size == 0 or (key, count) == ("mamba_groups", 1):
            continue
        yield Finding(
            message=f"{key} ({count}) is not divisible by tp_size ({mesh.tp_size})",
            help="",
            alternatives=divisors(count),
            facts=(key,),
            consequence=Consequence.LATE if key == "linear_num_key_heads" else None,
        )


@rule("TP023", "tp-expert-width", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def expert_width_divides(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`moe_intermediate_size % (tp * dp_replicate * dp_shard * cp) == 0`, without expert parallelism.

    Why: experts that are not shared out whole are cut over every rank of a pipeline stage, data ranks included.
    Source: vLLM 0.33.0 model_executor/layers/fused_moe/config.py `FusedMoEConfig.__post_init__`,
    `FusedMoEParallelConfig.make`.
    """
    if mesh.ep_size > 1 or switched_on(mesh, "enable_expert_parallel"):
        return
    if not facts.num_experts or facts.moe_intermediate_size is None:
        return
    width, ranks = facts.moe_intermediate_size, stage_ranks(mesh)
    if width % ranks:
        others = ranks // mesh.tp_size
        yield Finding(
            message=f"moe_intermediate_size ({width}) is not divisible by the {ranks} ranks of a stage that share "
            f"an expert (tp_size {mesh.tp_size} * {others} data and context ranks)"
            if others > 1
            else f"moe_intermediate_size ({width}) is not divisible by tp_size ({ranks})",
            help="share experts out whole: --enable-expert-parallel",
            alternatives=(1, *satisfying(lambda size: size > 1 and width % (size * others) == 0, up_to=width)),
            facts=("moe_intermediate_size",),
        )


@rule("TP026", "tp-decode-context-heads", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def decode_context_divides_a_group_of_heads(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """With `decode_context_parallel_size > 1`: at most `tp_size // K`, and a divisor of `H // K`.

    H and K are `num_attention_heads` and `num_key_value_heads`, where they differ.

    Why: the ranks that hold a copy of the same key/value head share out its cache, and trade the query heads of its
    group for it.
    Source: vLLM 0.33.0 config/model.py `ModelConfig.verify_with_parallel_config`.
    """
    decode = whole_number(mesh, "decode_context_parallel_size", least=2)
    if decode is None:
        return
    heads, groups = facts.num_attention_heads, facts.num_key_value_heads
    if heads == groups:  # latent attention has one key/value head to share out, whatever the config says
        return
    group = heads // groups
    copies = mesh.tp_size // groups
    if decode > copies:
        yield Finding(
            message=f"decode_context_parallel_size ({decode}) is too many: tp_size ({mesh.tp_size}) gives {copies} "
            f"to each of the num_key_value_heads ({groups})",
            help=f"set tp_size to {groups * decode} or more, or leave the decode context size out",
            facts=("num_key_value_heads",),
        )
    elif group % decode:
        fitting = gcd(group, decode)
        yield Finding(
            message=f"the {group} query heads to a key/value head (num_attention_heads {heads} / num_key_value_heads "
            f"{groups}) are not divisible by decode_context_parallel_size ({decode})",
            help=f"set decode_context_parallel_size to {fitting}"
            if fitting > 1
            else "leave the decode context size out",
            facts=("num_attention_heads", "num_key_value_heads"),
        )


@rule("TP027", "tp-vocabulary", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def filled_up_vocabulary_divides(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`vocab_size`, filled up to a multiple of 64, `% tp_size == 0`.

    Why: embedding and head are cut along the vocabulary into equal parts. A power of two up to 64 always divides.
    Source: vLLM 0.33.0 model_executor/layers/vocab_parallel_embedding.py `VocabParallelEmbedding`.
    """
    filled = -(-facts.vocab_size // ROWS) * ROWS
    if filled % mesh.tp_size:
        yield Finding(
            message=f"vocab_size ({facts.vocab_size}), filled up to {filled}, is not divisible by tp_size "
            f"({mesh.tp_size})",
            help="",
            alternatives=divisors(filled),
            facts=("vocab_size",),
        )


@rule(
    "PP005",
    "pp-empty-stage",
    axis="pp",
    engines=ENGINE,
    consequence=Consequence.WASTE,
    severity=Severity.WARNING,
)
def every_stage_has_a_layer(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_hidden_layers >= pp_size`.

    Why: layers are shared out as evenly as they can be, so with fewer layers than stages some stage holds none.
    Source: vLLM 0.33.0 distributed/utils.py `get_pp_indices`.
    """
    layers = facts.num_hidden_layers
    if layers < mesh.pp_size:
        yield Finding(
            message=f"num_hidden_layers ({layers}) is less than pp_size ({mesh.pp_size}), so stages stay empty",
            help="",
            alternatives=tuple(range(1, layers + 1)),
            facts=("num_hidden_layers",),
        )


@rule("EP004", "ep-layout", axis="ep", engines=ENGINE, consequence=Consequence.CLEAN)
def experts_take_the_ranks_of_a_stage(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`ep_size == tp * dp_replicate * dp_shard * cp`; `tp_size` alone is read as the switch that turns it on.

    Why: `--enable-expert-parallel` has no size of its own: experts lie on every rank of a pipeline stage.
    Source: vLLM 0.33.0 model_executor/layers/fused_moe/config.py `FusedMoEParallelConfig.make`.
    """
    ranks = stage_ranks(mesh)
    if mesh.ep_size not in (ranks, mesh.tp_size):
        yield Finding(
            message=f"ep_size ({mesh.ep_size}) cannot be chosen: experts lie on all {ranks} ranks of a stage "
            "(tp * data * context)",
            help="choose tp_size and the data-parallel size for it",
            alternatives=(1, ranks) if ranks > 1 else (1,),
        )


def stage_ranks(mesh: MeshSpec) -> int:
    """Ranks of one pipeline stage: tp * dp_replicate * dp_shard * cp."""
    return mesh.tp_size * mesh.dp_replicate_size * mesh.dp_shard_size * mesh.cp_size
