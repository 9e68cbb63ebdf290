"""What lengths are padded to a multiple of."""

from __future__ import annotations

from math import lcm
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.fitting.test_search import ENGINES
from tests.rules.builders import facts, mesh

from meshfit.checking import judged
from meshfit.fitting.multiples import Multiples, multiples
from meshfit.rules.padding import vocabulary_multiple

DENSE_MODEL: dict[str, Any] = {"num_experts": None, "ep_plan": {}}


def of(text: str, engine: str, **changes: Any) -> Multiples:
    """The multiples of a mesh of the sound model."""
    spec = mesh(text)
    return multiples(facts(world_size=spec.world_size, **changes), spec, engine)


@pytest.mark.parametrize(
    ("text", "engine", "multiple"),
    [
        ("cp=4", "transformers", 8),
        ("cp=4", "nemo", 8),
        ("cp=2,tp=4", "torchtitan", 2 * 2 * 4),
        ("cp=2,tp=4", "megatron", 4),
        ("sp=4", "accelerate", 4),
        ("tp=2", "transformers", None),
        ("dp_shard=8", "nemo", None),
    ],
)
def test_a_sequence_is_padded_to_what_the_rules_divide_it_by(text: str, engine: str, multiple: int | None) -> None:
    """The formula of each engine, found by asking its rules."""
    assert of(text, engine).seq_len == multiple


def test_a_known_length_changes_nothing() -> None:
    """What is needed does not hang on what there is."""
    assert of("cp=4", "nemo", seq_len=24).seq_len == of("cp=4", "nemo").seq_len == 8


def test_under_sequence_parallelism_it_is_cp_times_the_lcm_of_2_and_tp() -> None:
    """Two rules of Megatron together: 2 * cp, and cp * tp."""
    spec = mesh("tp=4,cp=2", sequence_parallel=True)
    assert multiples(facts(world_size=8), spec, "megatron").seq_len == 2 * lcm(2, 4)


@pytest.mark.parametrize("engine", ["transformers", "nemo", "torchtitan", "megatron"])
def test_experts_are_padded_to_the_ranks_that_share_them(engine: str) -> None:
    """By each engine's own rule; under transformers that rule reads the tensors."""
    assert of("ep=4,dp_shard=8", engine).num_experts == 4


def test_a_model_without_experts_has_none_to_pad() -> None:
    """Also where a mesh would share them."""
    assert of("dp_shard=8", "nemo", **DENSE_MODEL).num_experts is None


@pytest.mark.parametrize(("settings_", "multiple"), [({}, 512), ({"make_vocab_size_divisible_by": 16}, 64)])
def test_megatron_fills_the_vocabulary_up(settings_: dict[str, Any], multiple: int) -> None:
    """128 rows a tensor rank, or what the flag says."""
    assert vocabulary_multiple(mesh("tp=4", **settings_), "megatron") == multiple


@pytest.mark.parametrize("engine", sorted(set(ENGINES) - {"megatron"}))
def test_other_engines_leave_the_vocabulary_as_it_is(engine: str) -> None:
    """Uneven shards are fine there."""
    assert vocabulary_multiple(mesh("tp=4"), engine) is None


@given(
    text=st.sampled_from(["cp=2", "cp=4,tp=2", "sp=4", "tp=4", "cp=2,tp=4,dp_shard=2", "cp=3", "cp=3,tp=2"]),
    engine=st.sampled_from(ENGINES),
    length=st.integers(1, 400),
)
@settings(max_examples=150)
def test_a_length_is_let_through_exactly_when_it_is_such_a_multiple(text: str, engine: str, length: int) -> None:
    """Against what `check` says of that length, where it says anything else of the mesh at all."""
    spec = mesh(text)
    known = facts(world_size=spec.world_size, num_attention_heads=12, num_key_value_heads=12, **DENSE_MODEL)
    if judged(known, spec, engine=engine).ok:
        needed = multiples(known, spec, engine).seq_len or 1
        assert judged(known.replace(seq_len=length), spec, engine=engine).ok == (length % needed == 0)
