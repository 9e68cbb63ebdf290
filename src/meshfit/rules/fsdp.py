"""Rules of FSDP2 as transformers applies it: modules are wrapped, and weights cut at dim 0, before they are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Final

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules import plans
from meshfit.rules.causes import Cause, cause
from meshfit.rules.conversions import merged_lists
from meshfit.rules.heads import tied_head_of_another_width
from meshfit.rules.registry import Finding, rule
from meshfit.rules.sizes import satisfying

CONTAINERS: Final = ("ModuleList", "ModuleDict")
"""Modules without a forward that FSDP2 could hook."""

WHOLE: Final = "load the checkpoint in one piece and shard it afterwards"

FAULTS: Final[Mapping[str, Cause]] = {
    "buffer-left-empty": Cause(
        Consequence.SILENT,
        "a buffer that no checkpoint holds is filled by the initialisation of a module above it, which is skipped "
        "once FSDP2 has renamed the class, so it keeps what the memory held",
        "fill the buffer in the branch of _init_weights for the module that owns it",
    ),
    "plain-tensor-into-weight": Cause(
        Consequence.CLEAN,
        "a weight that checkpoints leave out is set from a plain tensor by _init_weights, which a cut weight refuses",
        "save the weight with the checkpoint, or make it a buffer",
    ),
}
"""Kinds of `loading_faults` and what they mean."""

OTHER_FAULT: Final = Cause(Consequence.SILENT, "what no checkpoint holds is not set on a wrapped model", WHOLE)


@rule(
    "DP006",
    "dp-plan-names-container",
    axis="dp_shard",
    engines=("transformers",),
    consequence=Consequence.CLEAN,
    size_free=True,
)
def wrapped_modules_have_a_forward(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """The FSDP plan names no `ModuleList` and no `ModuleDict`.

    Why: FSDP2 gathers and frees weights around a forward, and a container has none.
    Source: torch 2.13 distributed/fsdp/_fully_shard/_fsdp_init.py `_validate_module`; executed on 2 classes.
    """
    yield from _containers(facts, mesh)


@rule("DP007", "dp-ranks-without-experts", axis="dp_shard", engines=("transformers",), consequence=Consequence.CLEAN)
def each_rank_reads_an_expert(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """With e = ceil(experts / dp_shard_size): `(dp_shard_size - 1) * e < experts`, where experts are listed in files.

    Why: FSDP2 gives each rank e experts until none are left, and a rank that is left with none has no tensors to
    stack.
    Source: transformers 5.23 core_model_loading.py `MergeModulelist`, distributed/sharding_utils.py
    `_local_shard_size_and_offset`; executed with 1, 3, 5 and 6 experts.
    """
    if mesh.ep_size > 1:  # experts then lie on a mesh of their own
        return
    merged = merged_lists(facts.conversions, facts.parameters)
    name, experts = min(((name, shape[0]) for name, shape in merged), key=itemgetter(1), default=("", 0))
    if experts and not _all_served(experts, mesh.dp_shard_size):
        yield Finding(
            message=f"{name} has {experts} experts, which leaves some of dp_shard_size ({mesh.dp_shard_size}) ranks "
            "with none to load",
            help="spread the other ranks over dp_replicate_size",
            alternatives=satisfying(lambda size: _all_served(experts, size), up_to=experts),
            facts=("num_experts",),
        )


@rule(
    "DP008",
    "dp-left-out-of-checkpoints",
    axis="dp_shard",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def what_no_checkpoint_holds_is_set(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """What a checkpoint leaves out is set by `_init_weights` of the module that owns it, in place of its own values.

    Why: a wrapped class counts as custom code, whose modules are passed over when all they own has been loaded; and
    plain tensors do not go into cut weights.
    Source: transformers 5.23 modeling_utils.py `_initialize_weights`, `is_custom_code`; torch 2.13
    distributed/fsdp/_fully_shard/_fully_shard.py, which renames the class; executed on 2 classes.
    """
    yield from _not_set(facts)


@rule(
    "DP009",
    "dp-tied-head-width",
    axis="dp_shard",
    engines=("transformers",),
    consequence=Consequence.LATE,
    size_free=True,
)
def tied_head_is_wrapped_as_it_will_be(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """An output head that is tied to the input embedding has as many rows as the embedding.

    Why: FSDP2 keeps the head's own shape, and tying then puts the embedding's shard in its place.
    Source: transformers 5.23 modeling_utils.py `from_pretrained` (wrapped, then tied); torch 2.13
    distributed/fsdp/_fully_shard/_fsdp_param.py `reset_sharded_param`; executed on a multimodal class.
    """
    if mesh.tp_size == 1:  # tensor ranks cut a head in their own way: tp-tied-head-width
        yield from tied_head_of_another_width(facts, f"dp_shard_size ({mesh.dp_shard_size})")


@rule(
    "DP010",
    "dp-replicate-wrapping",
    axis="dp_replicate",
    engines=("transformers",),
    consequence=Consequence.SILENT,
    size_free=True,
)
def replicas_are_wrapped_and_loaded_alike(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """What the names of containers, tied heads and loading must keep for `dp_shard_size` holds for replicas too.

    Why: under transformers replicas are those of HSDP, so FSDP2 wraps the model even where `dp_shard_size` is 1.
    Source: transformers 5.23 distributed/mixin.py `maybe_distribute_model`; executed on 4 classes.
    """
    if mesh.dp_shard_size > 1:  # the rules of dp_shard tell it
        return
    ranks = f"dp_replicate_size ({mesh.dp_replicate_size})"
    lacking: MissingFact | None = None
    for part in (_containers(facts, mesh), _not_set(facts), tied_head_of_another_width(facts, ranks, Consequence.LATE)):
        try:
            yield from part
        except MissingFact as fact:  # what one of them lacks, the others need not
            lacking = fact
    if lacking is not None:
        raise lacking


def _containers(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    plan = plans.fsdp_plan(facts, mesh)
    for name, module in facts.modules.items():
        if name in plan and module.kind in CONTAINERS:
            yield Finding(
                message=f"the FSDP plan names {name}, a {module.kind}, which has no forward that FSDP2 could wrap",
                help=f'name what it holds ("{name}.*") in the fsdp_plan of the config instead',
                alternatives=(1,),
                facts=("fsdp_plan",),
                consequence=Consequence.CLEAN,
            )
            return


def _not_set(facts: ModelFacts) -> Iterator[Finding]:
    for kind, where in facts.loading_faults:
        meaning = cause(FAULTS, kind, OTHER_FAULT)
        yield Finding(
            message=f"{meaning.why} ({where})",
            help=meaning.help,
            alternatives=(1,),
            facts=("loading_faults",),
            consequence=meaning.consequence,
        )


def _all_served(experts: int, ranks: int) -> bool:
    """Whether `ranks` that each take an equal part, rounded up, all get one."""
    each = -(-experts // ranks)
    return (ranks - 1) * each < experts
