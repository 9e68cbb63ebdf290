"""The capabilities without an axis."""

from __future__ import annotations

from typing import Any

import pytest
from builders import facts

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts
from meshfit.rules.capabilities import CAPABILITIES, capability

OPEN = ("input_ids", "**kwargs")


@pytest.mark.parametrize(
    ("changes", "packs"),
    [
        ({}, True),
        ({"supports_sdpa": False}, False),
        ({"supports_sdpa": False, "backend_attn": "te"}, True),
        ({"supports_sdpa": False, "te_injected": True}, True),
        ({"supports_sdpa": False, "backend_attn": "flex"}, False),
        ({"forward_parameters": ("input_ids",)}, False),
        ({"forward_parameters": OPEN}, False),
        ({"forward_parameters": OPEN, "is_pretrained": False}, True),
        ({"declared": {"sequence_packing": False}}, False),
        ({"declared": {"sequence_packing": True}, "supports_sdpa": False}, True),
    ],
)
def test_packing_needs_seq_lens_and_an_attention_that_isolates(changes: dict[str, Any], packs: bool) -> None:
    """`seq_lens` named in forward, or taken by `**kwargs` outside transformers, and SDPA or TE attention."""
    assert capability(facts(**changes), "sequence_packing") == packs


@pytest.mark.parametrize(
    ("changes", "cp_size", "packs"),
    [
        ({}, 1, True),
        ({}, 2, False),
        ({"backend_attn": "te"}, 2, True),
        ({"owns_cp_attention": True}, 2, True),
        ({"backend_attn": "te", "forward_parameters": ("x",)}, 2, False),
        ({"declared": {"cp_with_sequence_packing": True}}, 2, True),
    ],
)
def test_packing_under_context_parallelism_also_needs_te(changes: dict[str, Any], cp_size: int, packs: bool) -> None:
    """With one rank along cp it is packing alone."""
    assert capability(facts(**changes), "cp_with_sequence_packing", cp_size=cp_size) == packs


def test_experts_are_not_checkpointed_under_expert_parallelism() -> None:
    """Only while the experts are split, and only where there are experts."""
    assert capability(facts(), "gradient_checkpointing")
    assert not capability(facts(), "gradient_checkpointing", ep_size=2)
    assert capability(facts(ep_plan={}), "gradient_checkpointing", ep_size=2)
    assert not capability(facts(gradient_checkpointing=False), "gradient_checkpointing")


def test_the_rest_is_what_was_observed() -> None:
    """`generate` and `hybrid` are facts."""
    assert capability(facts(), "generate")
    assert not capability(facts(has_generate=False), "generate")
    assert capability(facts(is_hybrid=True), "hybrid")


@pytest.mark.parametrize("name", CAPABILITIES)
def test_an_unknown_capability_is_not_promised(name: str) -> None:
    """Without facts each is False, unless the class declares it; what it declares must be known."""
    assert not capability(ModelFacts(declared={}), name)
    assert capability(ModelFacts(declared={name: True}), name)
    with pytest.raises(MissingFact, match="declared"):
        capability(ModelFacts(), name)


def test_a_misspelt_capability_is_an_error() -> None:
    """The message lists the names."""
    with pytest.raises(ValueError, match=r"unknown capability 'packing'; known are sequence_packing, "):
        capability(facts(), "packing")
