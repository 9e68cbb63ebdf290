"""What a model can do besides run on an axis: the capabilities without one, and the observations seed rules share.

A declaration (`ModelCapabilities`, `get_capabilities(config)`) stands instead of the observation. An undeclared
capability whose facts are unknown is False: nobody should rely on what nobody has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts

__all__ = ["CAPABILITIES", "OBSERVED", "capability", "declaration"]


def has_tensor_plan(facts: ModelFacts) -> bool:
    """A plan registered for the class, or a non-empty plan on the model."""
    if facts.knows("registered_tp_plan") and facts.registered_tp_plan:
        return True
    return bool(facts.tp_plan)


def has_pipeline_plan(facts: ModelFacts) -> bool:
    """A non-empty `_pp_plan`, or NeMo's MoE mixin."""
    return _moe_mixin(facts) or bool(facts.pp_plan)


def has_context_attention(facts: ModelFacts) -> bool:
    """Attention that can run on parts of the sequence, by the backend of a NeMo model or by SDPA without one."""
    if facts.knows("owns_cp_attention") and facts.owns_cp_attention:
        return True
    if facts.backend_attn is None:
        return facts.supports_sdpa and not facts.is_hybrid
    if facts.is_hybrid:
        return uses_te_attention(facts) or facts.backend_attn == "sdpa"
    if facts.backend_attn == "sdpa":
        return uses_te_attention(facts) or facts.supports_cp_sdpa
    return uses_te_attention(facts) or facts.backend_attn == "magi"


def has_experts(facts: ModelFacts) -> bool:
    """NeMo's MoE mixin, or a non-empty expert plan."""
    return _moe_mixin(facts) or bool(facts.ep_plan)


def lacks_experts(facts: ModelFacts) -> bool:
    """The config counts no experts, and no parameter is named after any that go by another key."""
    if facts.num_experts:
        return False
    return not (facts.knows("parameters") and any("experts" in name for name in facts.parameters))


def uses_te_attention(facts: ModelFacts) -> bool:
    """Attention by Transformer Engine: the backend's choice, or injected."""
    return facts.backend_attn == "te" or (facts.knows("te_injected") and facts.te_injected)


def packs_sequences(facts: ModelFacts) -> bool:
    """`forward` reads `seq_lens`, and the attention can keep documents apart.

    transformers passes `**kwargs` on without reading `seq_lens`, so there it must be a parameter of its own.
    """
    named = "seq_lens" in facts.forward_parameters
    if not named and (facts.is_pretrained or not any(name.startswith("**") for name in facts.forward_parameters)):
        return False
    return facts.supports_sdpa or uses_te_attention(facts)


def _moe_mixin(facts: ModelFacts) -> bool:
    return facts.knows("moe_mixin") and facts.moe_mixin


def _packs_with_context(facts: ModelFacts, cp_size: int) -> bool:
    if not _answer(facts, "sequence_packing", packs_sequences):
        return False
    owned = facts.knows("owns_cp_attention") and facts.owns_cp_attention
    return cp_size == 1 or owned or uses_te_attention(facts)


def _checkpoints(facts: ModelFacts, ep_size: int) -> bool:
    return facts.gradient_checkpointing and not (ep_size > 1 and has_experts(facts))


OBSERVED: Final[Mapping[str, Callable[[ModelFacts], bool]]] = {
    "tp": has_tensor_plan,
    "pp": has_pipeline_plan,
    "cp": has_context_attention,
    "ep": has_experts,
}
"""What the seed rules look at for each axis that a class may also declare."""

CAPABILITIES: Final = ("sequence_packing", "cp_with_sequence_packing", "generate", "gradient_checkpointing", "hybrid")
"""The capabilities without an axis."""


def declaration(facts: ModelFacts, name: str) -> bool | None:
    """What the class declares of an axis or capability; None where it declares nothing.

    Raises:
        MissingFact: only a config, or the instance, tells what the class declares.
    """
    return facts.declared.get(name)


def capability(facts: ModelFacts, name: str, *, cp_size: int = 1, ep_size: int = 1) -> bool:
    """Whether the model has a capability without an axis.

    Args:
        facts: of the model or class.
        name: one of `CAPABILITIES`.
        cp_size: ranks along cp in the mesh in use; packing depends on it.
        ep_size: ranks along ep; gradient checkpointing of experts depends on it.

    Raises:
        ValueError: an unknown name.
    """
    observe: Mapping[str, Callable[[ModelFacts], bool]] = {
        "sequence_packing": packs_sequences,
        "cp_with_sequence_packing": lambda known: _packs_with_context(known, cp_size),
        "generate": lambda known: known.has_generate,
        "gradient_checkpointing": lambda known: _checkpoints(known, ep_size),
        "hybrid": lambda known: known.is_hybrid,
    }
    if name not in observe:
        raise ValueError(f"unknown capability {name!r}; known are {', '.join(CAPABILITIES)}")
    return _answer(facts, name, observe[name])


def _answer(facts: ModelFacts, name: str, observe: Callable[[ModelFacts], bool]) -> bool:
    declared = declaration(facts, name)
    if declared is not None:
        return declared
    try:
        return bool(observe(facts))
    except MissingFact:
        return False
