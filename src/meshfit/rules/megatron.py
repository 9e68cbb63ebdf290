"""Rules of Megatron-LM: widths and sequences cut over tensor ranks, recurrent layers, and where experts lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules.heads import uneven_heads
from meshfit.rules.registry import Finding, rule
from meshfit.rules.settings import switched_on, whole_number
from meshfit.rules.sizes import divisors, satisfying

ENGINE = ("megatron",)


def expert_tensor_size(mesh: MeshSpec) -> int:
    """Ranks that share one expert: `expert_tensor_parallel_size`, or where it is not set those of a dense layer."""
    return whole_number(mesh, "expert_tensor_parallel_size") or mesh.tp_size


@rule("TP004", "tp-recurrent-heads", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def recurrent_heads_divide(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """In a hybrid model, key and value heads of linear attention, heads and groups of Mamba: each `% tp_size == 0`.

    Why: their projections are cut along heads like those of attention.
    Source: megatron-core 0.16.1 transformer/transformer_config.py `TransformerConfig.__post_init__` (gated delta net),
    ssm/mamba_mixer.py `MambaMixer`.
    """
    if not facts.is_hybrid:
        return
    for key in _recurrent(facts):
        count = getattr(facts, key)
        if count:
            yield from uneven_heads(key, (count,), mesh)


@rule("TP023", "tp-expert-width", axis="tp", engines=ENGINE, consequence=Consequence.CLEAN)
def expert_width_divides(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`moe_intermediate_size % expert_tensor_parallel_size == 0`; that is `tp_size` where it is not set.

    Why: the two layers of an expert are cut like those of a dense MLP, over a tensor group of their own.
    Source: megatron-core 0.16.1 model_parallel_config.py `ModelParallelConfig.__post_init__`,
    extensions/transformer_engine.py `TEGroupedLinear`.
    """
    shared = expert_tensor_size(mesh)
    if not facts.num_experts or facts.moe_intermediate_size is None or facts.moe_intermediate_size % shared == 0:
        return
    yield Finding(
        message=f"moe_intermediate_size ({facts.moe_intermediate_size}) is not divisible by the {shared} ranks that "
        f"share an expert under tp_size ({mesh.tp_size})",
        help="set --expert-tensor-parallel-size 1",
        alternatives=_tensor_sizes(facts.moe_intermediate_size, mesh),
        facts=("moe_intermediate_size",),
    )


@rule("TP024", "tp-sequence-length", axis="tp", engines=ENGINE, consequence=Consequence.LATE)
def sequence_divides_over_tensor_ranks(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """With `sequence_parallel`, `seq_len % (cp_size * tp_size) == 0`.

    Why: between blocks each tensor rank holds an equal part of the tokens that its context rank has.
    Source: megatron-core 0.16.1 tensor_parallel/mappings.py `_reduce_scatter_along_first_dim`.
    """
    if not switched_on(mesh, "sequence_parallel"):
        return
    factor = mesh.cp_size * mesh.tp_size
    if facts.seq_len % factor:
        ring = f"cp_size * tp_size ({factor})" if mesh.cp_size > 1 else f"tp_size ({factor})"
        length = facts.seq_len
        yield Finding(
            message=f"seq_len ({length}) is not divisible by {ring}, and sequence_parallel shares the tokens out",
            help=f"pad the sequence to a multiple of {factor}, or leave out --sequence-parallel",
            alternatives=_some(lambda size: length % (mesh.cp_size * size) == 0, up_to=mesh.tp_size),
            facts=("seq_len",),
        )


@rule("TP025", "tp-experts-need-sequence-parallel", axis="tp", engines=ENGINE, consequence=Consequence.LATE)
def experts_share_out_tokens(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """Not `sequence_parallel = False` for a model with experts, where the mesh says so.

    Why: in training a MoE layer refuses to send the same tokens from every tensor rank.
    Source: megatron-core 0.16.1 transformer/moe/moe_layer.py `MoELayer.forward`.
    """
    if mesh.settings.get("sequence_parallel") is False and facts.num_experts:
        yield Finding(
            message=f"sequence_parallel is off for a model with experts (num_experts {facts.num_experts}) under "
            f"tp_size ({mesh.tp_size}), which training refuses",
            help="add --sequence-parallel",
            alternatives=(1,),
            facts=("num_experts",),
        )


@rule("CP005", "cp-sequence-length", axis="cp", engines=ENGINE, consequence=Consequence.CLEAN)
def sequence_divides_over_the_ring(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`seq_len % (2 * cp_size) == 0`.

    Why: the load-balanced ring gives each rank one chunk from the front and one from the back.
    Source: Megatron-LM training/arguments.py `validate_args`.
    """
    length = facts.seq_len
    if length % (2 * mesh.cp_size):
        yield Finding(
            message=f"seq_len ({length}) is not divisible by 2 * cp_size ({2 * mesh.cp_size})",
            help=f"pad the sequence to a multiple of {2 * mesh.cp_size}",
            alternatives=_some(lambda size: length % (2 * size) == 0, up_to=length),
            facts=("seq_len",),
        )


@rule("CP007", "cp-recurrent-heads", axis="cp", engines=ENGINE, consequence=Consequence.CLEAN)
def recurrent_heads_divide_over_the_ring(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """In a hybrid model, heads of linear attention and of Mamba `% (tp_size * cp_size) == 0`.

    Groups of Mamba divide so too, or cp_size is a multiple of the groups that one tensor rank has.

    Why: a state cannot be carried around the ring, so a recurrent layer trades its part of the sequence for a part of
    its heads, and a group is copied whole.
    Source: megatron-core 0.20 transformer/transformer_config.py `TransformerConfig.__post_init__` (0.16.1 refuses
    gated delta nets over more than one context rank), ssm/mamba_context_parallel.py `MambaContextParallel`.
    """
    if not facts.is_hybrid:
        return
    for key in _recurrent(facts):
        count = getattr(facts, key)
        if count and not _lies_on_ring(key, count, mesh.tp_size, mesh.cp_size):
            yield Finding(
                message=f"{key} ({count}) is not divisible by tp_size * cp_size ({mesh.tp_size * mesh.cp_size})",
                help="",
                alternatives=(1, *_ring_sizes(key, count, mesh.tp_size)),
                facts=(key,),
            )


@rule("EP004", "ep-layout", axis="ep", engines=ENGINE, consequence=Consequence.CLEAN)
def experts_tile_the_world(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`world_size % (expert_tensor_parallel_size * ep_size * pp_size) == 0`; the first is `tp_size` if not set.

    Why: experts lie on the ranks of a pipeline stage in a layout of their own, whatever dense layers make of them.
    Source: megatron-core 0.16.1 parallel_state.py `initialize_model_parallel`.
    """
    shared = expert_tensor_size(mesh)
    world = _world(facts, mesh)
    ranks = shared * mesh.ep_size * mesh.pp_size
    if world % ranks:
        product = f"{shared} ranks an expert * ep_size ({mesh.ep_size}) * pp_size ({mesh.pp_size}) = {ranks}"
        yield Finding(
            message=f"world_size ({world}) is not divisible by {product}",
            help="set --expert-tensor-parallel-size 1, or choose sizes whose product divides the world"
            if shared > 1
            else "choose sizes whose product divides the world",
            alternatives=_some(lambda size: world % (shared * size * mesh.pp_size) == 0, up_to=world),
            facts=("world_size",),
        )


def _world(facts: ModelFacts, mesh: MeshSpec) -> int:
    """The ranks there are; a mesh that tells its data-parallel width tells them too."""
    if not facts.knows("world_size") and mesh.dp_replicate_size * mesh.dp_shard_size > 1:
        return mesh.world_size
    return facts.world_size


def _recurrent(facts: ModelFacts) -> list[str]:
    """The facts that count heads or groups of recurrent layers, known ones first."""
    keys = ("linear_num_key_heads", "linear_num_value_heads", "mamba_heads", "mamba_groups")
    return sorted(keys, key=lambda key: not facts.knows(key))


def _lies_on_ring(key: str, count: int, tp: int, cp: int) -> bool:
    """Whether the count divides over both axes. What tp alone breaks is told by the tensor rule."""
    if count % tp:
        return True
    local = count // tp
    return local % cp == 0 or (key == "mamba_groups" and cp % local == 0)


def _ring_sizes(key: str, count: int, tp: int) -> tuple[int, ...]:
    sizes = satisfying(lambda size: _lies_on_ring(key, count, tp, size), up_to=4 * count)
    return tuple(size for size in sizes if size > 1)


def _tensor_sizes(width: int, mesh: MeshSpec) -> tuple[int, ...]:
    """Sizes of tp that suit the width, where experts are cut over tp."""
    return (1,) if whole_number(mesh, "expert_tensor_parallel_size") else divisors(width)


def _some(condition: Callable[[int], bool], *, up_to: int) -> tuple[int, ...]:
    """1, and the sizes above it that meet the condition."""
    return (1, *(size for size in satisfying(condition, up_to=up_to) if size > 1))
