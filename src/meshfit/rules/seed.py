"""The seed rules: what a model must bring for each axis under the engines `generic` and `nemo`.

A class may declare the answer instead; `rules.declared` then judges the declaration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules.capabilities import (
    declaration,
    has_context_attention,
    has_experts,
    has_pipeline_plan,
    has_tensor_plan,
)
from meshfit.rules.registry import Finding, rule

SEED: Final = ("generic", "nemo")


@rule("TP001", "tp-plan-missing", axis="tp", engines=SEED, consequence=Consequence.CLEAN, size_free=True)
def tensor_plan_exists(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """A plan in `meshfit.tp_plans` for the class, or a non-empty TP plan on the model.

    Why: the plan is all that tells which weights to cut. Every transformers instance carries one, often `{}`, so
    that it is not None says nothing.
    Source: NeMo Automodel _transformers/capabilities.py `supports_tp`; transformers 5.23 distributed/mixin.py.
    """
    if declaration(facts, "tp") is None and not has_tensor_plan(facts):
        yield Finding(
            message="has no TP plan, neither registered for the class nor on the model",
            help="register one: meshfit.tp_plans[YourClass] = {...}",
            alternatives=(1,),
            facts=("tp_plan", "registered_tp_plan"),
        )


@rule("PP001", "pp-plan-missing", axis="pp", engines=SEED, consequence=Consequence.CLEAN, size_free=True)
def pipeline_plan_exists(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """A non-empty `_pp_plan` on the model, or NeMo's MoE mixin in the class.

    Why: the plan tells which modules make a stage and what passes between them; the mixin brings its own.
    Source: NeMo Automodel _transformers/capabilities.py `supports_pp`.
    """
    if declaration(facts, "pp") is None and not has_pipeline_plan(facts):
        yield Finding(
            message="has no pipeline plan (_pp_plan is empty or absent)",
            help="declare _pp_plan on the class",
            alternatives=(1,),
            facts=("pp_plan",),
        )


@rule("CP001", "cp-attention-backend", axis="cp", engines=SEED, consequence=Consequence.CLEAN, size_free=True)
def attention_takes_parts_of_the_sequence(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """With a `backend`: TE or Magi attention, for hybrids TE or SDPA. Without one: `_supports_sdpa` and not hybrid.

    Why: ring attention needs an attention that exchanges keys and values; a Mamba state needs its own path.
    Source: NeMo Automodel _transformers/capabilities.py `supports_cp`.
    """
    if declaration(facts, "cp") is not None or has_context_attention(facts):
        return
    if facts.backend_attn is not None:
        kinds = ", or SDPA as a hybrid (Mamba) model," if facts.is_hybrid else ""
        yield Finding(
            message=f"needs the TE attention backend{kinds} but model.backend.attn is {facts.backend_attn!r}",
            help="set model.backend.attn to te",
            alternatives=(1,),
            facts=("backend_attn",),
        )
    elif facts.is_hybrid:
        yield Finding(
            message="is a hybrid model with layers other than attention (Mamba), whose state is not passed "
            "between ranks",
            help="use a model with a backend that supports it",
            alternatives=(1,),
            facts=("is_hybrid", "layer_types"),
        )
    else:
        yield Finding(
            message="does not support SDPA attention (_supports_sdpa is not True)",
            help="use a class whose attention runs through scaled_dot_product_attention and declares _supports_sdpa",
            alternatives=(1,),
            facts=("supports_sdpa",),
        )


@rule("EP001", "ep-plan-missing", axis="ep", engines=SEED, consequence=Consequence.CLEAN, size_free=True)
def experts_exist(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
    """NeMo's `MoEFSDPSyncMixin` in the class, or a non-empty expert plan on the model.

    Why: only a MoE model has experts to share out.
    Source: NeMo Automodel _transformers/capabilities.py `supports_ep`.
    """
    if declaration(facts, "ep") is None and not has_experts(facts):
        yield Finding(
            message="is not a MoE model: no MoE mixin (MoEFSDPSyncMixin) in the class and no expert plan",
            help="use tp_size or data parallelism for a dense model",
            alternatives=(1,),
            facts=("ep_plan",),
        )
