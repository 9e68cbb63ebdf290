"""Rules of sequence packing and of gradient checkpointing, where the mesh's settings ask for them."""

from __future__ import annotations

from collections.abc import Iterator

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules import capabilities
from meshfit.rules.registry import Finding, rule


@rule(
    "PK001",
    "packing-ignored",
    axis="mesh",
    engines=("generic", "nemo", "transformers", "accelerate"),
    consequence=Consequence.SILENT,
)
def packed_documents_stay_apart(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """With `sequence_packing`, `forward` takes `seq_lens` and the attention is SDPA or TE.

    Why: a `seq_lens` that falls into `**kwargs` of a transformers forward is ignored, and tokens attend across
    documents.
    Source: executed on 34 transformers classes, outputs bitwise unchanged; NeMo Automodel
    _transformers/capabilities.py `supports_sequence_packing`.
    """
    if not mesh.settings.get("sequence_packing") or not mesh.used:
        return
    packs = capabilities.declaration(facts, "sequence_packing")
    if packs is None:
        packs = capabilities.packs_sequences(facts)
    if not packs:
        yield Finding(
            message="sequence_packing is on, but forward does not read seq_lens with an attention (SDPA or TE) that "
            "keeps documents apart",
            help="turn sequence packing off, or use a model whose forward takes seq_lens",
            facts=("forward_parameters", "supports_sdpa"),
        )


@rule("PK002", "packing-with-cp", axis="cp", engines=("generic", "nemo"), consequence=Consequence.CLEAN)
def packing_under_context_parallel_needs_te(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """With `sequence_packing` and `cp_size > 1`, attention is TE or the model's own.

    Why: the ring of SDPA has one causal mask for the whole row; only TE (or a model-owned path) knows documents in it.
    Source: NeMo Automodel _transformers/capabilities.py `supports_cp_with_sequence_packing`.
    """
    if not mesh.settings.get("sequence_packing"):
        return
    declared = capabilities.declaration(facts, "cp_with_sequence_packing")
    owned = facts.knows("owns_cp_attention") and facts.owns_cp_attention
    if not (declared if declared is not None else owned or capabilities.uses_te_attention(facts)):
        yield Finding(
            message=f"sequence_packing with cp_size ({mesh.cp_size}) needs the TE attention backend, and attention is "
            f"{facts.backend_attn or 'SDPA'}",
            help="set model.backend.attn to te, or turn sequence packing off",
            alternatives=(1,),
            facts=("backend_attn",),
        )


@rule("PK003", "checkpointing-with-ep", axis="ep", engines=("generic", "nemo"), consequence=Consequence.LATE)
def experts_are_not_checkpointed(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
    """`not activation_checkpointing` for a MoE model with `ep_size > 1`.

    Why: recomputing a layer dispatches its tokens a second time, and the ranks need not agree on the second routing.
    Source: NeMo Automodel _transformers/capabilities.py `supports_gradient_checkpointing`; public threads.
    """
    if mesh.settings.get("activation_checkpointing") and capabilities.has_experts(facts):
        yield Finding(
            message=f"activation_checkpointing of a MoE model with ep_size ({mesh.ep_size}) recomputes the "
            "token dispatch",
            help="set activation_checkpointing to false",
            alternatives=(1,),
        )
