"""Rules of context parallelism (ring attention) and Ulysses sequence parallelism under accelerate and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules.causes import Cause, cause
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import divisors, satisfying

ATTENTION_WORDS: Final = ("attention", "sliding", "chunked", "full", "window")
"""Words in the names of layer types that attend; any other layer carries a state along the sequence."""

NO_CONTEXT: Final = "use dp_shard_size or tp_size for this model"

FAULTS: Final[Mapping[str, Cause]] = {
    "local-positions": Cause(
        Consequence.SILENT,
        "positions are counted over the local part of the sequence instead of taken from position_ids",
        NO_CONTEXT,
    ),
    "mask-reaches-attention": Cause(
        Consequence.LATE,
        "a mask is built from position_ids and reaches an attention module not named *self_attn, where the hook does "
        "not take it away",
        NO_CONTEXT,
    ),
    "bias-reaches-attention": Cause(
        Consequence.LATE, "the attention adds a bias to its scores, which the ring cannot share out", NO_CONTEXT
    ),
    "encoder-made-causal": Cause(
        Consequence.SILENT, "the hook makes a bidirectional attention named *self_attn causal", NO_CONTEXT
    ),
    "non-causal-attention": Cause(
        Consequence.LATE, "the ring runs causal attention only, and this one is not", NO_CONTEXT
    ),
    "attention-sinks": Cause(
        Consequence.SILENT, "the ring drops the extra entries of the softmax (attention sinks)", NO_CONTEXT
    ),
    "attention-rejects-is-causal": Cause(
        Consequence.LATE, "the attention has no place for is_causal, which the hook passes", NO_CONTEXT
    ),
    "pools-tokens": Cause(
        Consequence.SILENT,
        "the logits are those of one token of the text, and each rank takes one of its own",
        NO_CONTEXT,
    ),
    "mixes-tokens": Cause(
        Consequence.SILENT, "a convolution, recurrence or scan runs over the local tokens alone", NO_CONTEXT
    ),
}
"""Kinds of `context_faults` and what they mean."""

OTHER_FAULT: Final = Cause(
    Consequence.SILENT,
    "the forward depends on the whole sequence, of which a rank has a part",
    NO_CONTEXT,
)


@rule(
    "CP001",
    "cp-attention-backend",
    axis="cp",
    engines=("accelerate",),
    consequence=Consequence.LATE,
    size_free=True,
)
def attention_can_run_through_sdpa(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`_supports_sdpa` is True.

    Why: torch's ring attention takes the place of `scaled_dot_product_attention` and of nothing else. transformers'
    `supports_context_parallel` does not look at it.
    Source: accelerate 1.15 accelerator.py `_prepare_cp`; torch distributed/tensor/experimental `context_parallel`.
    """
    if not facts.supports_sdpa:
        yield Finding(
            message=f"does not support SDPA attention (_supports_sdpa is not True), "
            f"which cp_size ({mesh.cp_size}) runs through",
            help="use tp_size or dp_shard_size",
            alternatives=(1,),
            facts=("supports_sdpa",),
        )


@rule(
    "CP002",
    "cp-layer-types",
    axis="cp",
    engines=("accelerate",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def every_layer_is_full_attention(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """Every entry of `layer_types` is `full_attention`; without `layer_types`, `sliding_window` is not set.

    Why: the ring computes full causal attention only. A window, chunks, or a state carried along the sequence would be
    dropped silently, so accelerate refuses them.
    Source: accelerate 1.15 big_modeling.py `_attach_context_parallel_hooks`.
    """
    if facts.layer_types is not None:
        other = sorted({kind for kind in facts.layer_types if kind != "full_attention"})
        if other:
            mixed = any(not any(word in kind for word in ATTENTION_WORDS) or "linear" in kind for kind in other)
            hybrid = "is a hybrid model (as with Mamba): it " if mixed else ""
            yield Finding(
                message=f"{hybrid}has layers of type {', '.join(other)}, and cp_size ({mesh.cp_size}) can express full "
                "causal attention only",
                help="use sp_size (Ulysses) where layers are only windowed, or dp_shard_size",
                alternatives=(1,),
                facts=("layer_types",),
            )
    elif facts.sliding_window:
        yield Finding(
            message=f"sliding_window ({facts.sliding_window}) is set, and cp_size ({mesh.cp_size}) can express full "
            "causal attention only",
            help="set sliding_window to null in the config if the checkpoint was trained without it, or use sp_size",
            alternatives=(1,),
            facts=("sliding_window",),
        )


@rule(
    "CP003",
    "cp-attention-implementation",
    axis="cp",
    engines=("accelerate",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def attention_in_force_is_sdpa(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`attn_implementation` is "sdpa", or not set.

    Why: flash, flex and eager attention do not go through the function that the ring replaces, so every rank attends to
    its own part of the sequence.
    Source: accelerate 1.15 accelerator.py `_prepare_cp`; torch distributed/tensor/experimental/_attention.py.
    """
    if facts.attn_implementation not in (None, "sdpa"):
        yield Finding(
            message=f"attn_implementation is {facts.attn_implementation!r}, and cp_size ({mesh.cp_size}) works through "
            '"sdpa" only',
            help='set attn_implementation="sdpa"',
            alternatives=(1,),
            facts=("attn_implementation",),
        )


@rule(
    "CP004",
    "cp-forward",
    axis="cp",
    engines=("accelerate",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def forward_works_on_a_part_of_the_sequence(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """The forward takes positions from `position_ids`, masks only in modules `*self_attn`, and mixes no other way.

    Why: a rank sees its part of the tokens. Positions counted from the local length, masks the hook does not find and
    any other mixing along the sequence are then wrong.
    Source: accelerate 1.15 big_modeling.py `_attach_context_parallel_hooks`, accelerator.py `maybe_context_parallel`.
    """
    for kind, where in facts.context_faults:
        meaning = cause(FAULTS, kind, OTHER_FAULT)
        yield Finding(
            message=f"{meaning.why} ({where})" if where else meaning.why,
            help=meaning.help,
            alternatives=(1,),
            facts=("context_faults",),
            consequence=meaning.consequence,
        )


@rule("CP005", "cp-sequence-length", axis="cp", engines=("accelerate", "nemo"), consequence=Consequence.LATE)
def sequence_divides_over_the_ring(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`seq_len % (2 * cp_size) == 0`.

    Why: the load-balanced ring gives each rank one chunk from the front and one from the back.
    Source: torch distributed/tensor/experimental/_attention.py, head-tail load balancer; NeMo Automodel
    components/distributed/context_parallel/sharder.py.
    """
    if facts.seq_len % (2 * mesh.cp_size):
        yield Finding(
            message=f"seq_len ({facts.seq_len}) is not divisible by 2 * cp_size ({2 * mesh.cp_size})",
            help=f"pad the sequence to a multiple of {2 * mesh.cp_size}",
            alternatives=(1, *(size for size in divisors(facts.seq_len // 2) if size > 1 and facts.seq_len % 2 == 0)),
            facts=("seq_len",),
        )


@rule("CP005", "cp-sequence-length", axis="cp", engines=("torchtitan",), consequence=Consequence.CLEAN)
def sequence_divides_over_ring_and_tensor(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`seq_len % (2 * cp_size * tp_size) == 0`; tp_size is left out where `sequence_parallel` is False.

    `seq_len` stands for the tokens of one microbatch on a data rank (`num_tokens_per_microbatch_per_dp_rank`), in which
    torchtitan joins sequences.

    Why: the tokens are cut over the ring in two chunks a rank, then over the tensor group between blocks.
    Source: torchtitan main of 2026-08 trainer.py `Trainer.__init__`, distributed/parallel_dims.py `seq_len_divisor`.
    """
    shared = 1 if mesh.settings.get("sequence_parallel") is False else mesh.tp_size
    factor = 2 * mesh.cp_size * shared
    if facts.seq_len % factor:
        product = "2 * cp_size * tp_size" if shared > 1 else "2 * cp_size"
        yield Finding(
            message=f"seq_len ({facts.seq_len}) is not divisible by {product} ({factor})",
            help=f"pad the sequence to a multiple of {factor}",
            alternatives=(
                1,
                *satisfying(lambda size: size > 1 and facts.seq_len % (2 * size * shared) == 0, up_to=facts.seq_len),
            ),
            facts=("seq_len",),
        )


@rule("CP006", "cp-replicas-unsharded", axis="cp", engines=("accelerate",), consequence=Consequence.CLEAN)
def replicas_with_context_parallel_are_sharded(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """`not (cp > 1 and dp_replicate > 1 and dp_shard == 1)`.

    Why: accelerate runs context parallelism inside FSDP2 and has none under plain DDP.
    Source: accelerate 1.15 parallelism_config.py `ParallelismConfig.__post_init__`.
    """
    if mesh.dp_replicate_size > 1 and mesh.dp_shard_size == 1:
        yield Finding(
            message=f"cp_size ({mesh.cp_size}) with dp_replicate_size ({mesh.dp_replicate_size}) and dp_shard_size "
            "(1) is context parallelism under plain DDP, which accelerate refuses",
            help=f"set dp_shard_size above 1, or dp_replicate_size=1 and dp_shard_size={mesh.dp_replicate_size}",
            alternatives=(1,),
        )


@rule(
    "SP001",
    "sp-recurrent-layers",
    axis="sp",
    engines=("accelerate",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def no_layer_carries_a_state(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """No entry of `layer_types` is a linear attention.

    Why: Ulysses gathers the sequence in attention only. A state carried along the sequence would restart on every rank.
    Source: accelerate 1.15 big_modeling.py `_refuse_recurrent_layers_under_sequence_parallelism`.
    """
    recurrent = sorted({kind for kind in facts.layer_types or () if "linear_attention" in kind})
    if recurrent:
        yield Finding(
            message=f"has recurrent layers ({', '.join(recurrent)}), "
            f"whose state sp_size ({mesh.sp_size}) would restart on every rank",
            help="use dp_shard_size or tp_size",
            alternatives=(1,),
            facts=("layer_types",),
        )


@rule("SP002", "sp-heads", axis="sp", engines=("accelerate",), consequence=Consequence.LATE)
def heads_divide_over_ulysses(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_attention_heads % sp_size == 0`.

    Why: inside attention each rank holds the whole sequence of its share of the heads.
    Source: DeepSpeed 0.19 runtime/sequence_parallel/ulysses_sp.py, which accelerate 1.15 calls.
    """
    if facts.num_attention_heads % mesh.sp_size:
        yield Finding(
            message=f"num_attention_heads ({facts.num_attention_heads}) is not divisible by sp_size ({mesh.sp_size})",
            help="",
            alternatives=divisors(facts.num_attention_heads),
            facts=("num_attention_heads",),
        )


@rule("SP003", "sp-kv-heads", axis="sp", engines=("accelerate",), consequence=Consequence.LATE)
def key_value_heads_divide_over_ulysses(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`num_key_value_heads % sp_size == 0 or sp_size % num_key_value_heads == 0`.

    Why: key and value heads are shared out, or replicated a whole number of times.
    Source: DeepSpeed 0.19 runtime/sequence_parallel/ulysses_sp.py, which accelerate 1.15 calls.
    """
    heads = facts.num_key_value_heads
    if heads % mesh.sp_size and mesh.sp_size % heads:
        yield Finding(
            message=f"num_key_value_heads ({heads}) and sp_size ({mesh.sp_size}) do not divide one another",
            help="",
            alternatives=satisfying(lambda size: heads % size == 0 or size % heads == 0, up_to=4 * heads),
            facts=("num_key_value_heads",),
        )


@rule("SP004", "sp-sequence-length", axis="sp", engines=("accelerate",), consequence=Consequence.LATE)
def sequence_divides_over_ulysses(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`seq_len % sp_size == 0`.

    Why: outside attention each rank holds an equal part of the sequence.
    Source: DeepSpeed 0.19 runtime/sequence_parallel/ulysses_sp.py, which accelerate 1.15 calls.
    """
    if facts.seq_len % mesh.sp_size:
        yield Finding(
            message=f"seq_len ({facts.seq_len}) is not divisible by sp_size ({mesh.sp_size})",
            help=f"pad the sequence to a multiple of {mesh.sp_size}",
            alternatives=divisors(facts.seq_len),
            facts=("seq_len",),
        )


@rule(
    "SP005",
    "sp-no-such-axis",
    axis="sp",
    engines=("nemo", "torchtitan", "megatron", "vllm"),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def engine_has_no_ulysses_axis(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """Never, with `sp_size > 1`: these engines have no axis for Ulysses.

    Why: they split the sequence over `cp_size`, and their own "sequence parallelism" uses the tensor ranks.
    Source: NeMo Automodel main of 2026-08 components/distributed/mesh.py `ParallelismSizes`, `MeshAxisName`; torchtitan
    main of 2026-08 distributed/parallel_dims.py `ParallelDims`; megatron-core 0.16.1 parallel_state.py
    `initialize_model_parallel`; vLLM 0.33.0 config/parallel.py `ParallelConfig`.
    """
    yield Finding(
        message=f"there is no axis for sp_size ({mesh.sp_size})",
        help="use cp_size to split the sequence",
        alternatives=(1,),
    )
