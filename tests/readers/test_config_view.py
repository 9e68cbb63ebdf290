"""What a config says is read by one function, for a live object as for an evaluated source."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from meshfit.readers.config_facts import config_facts
from meshfit.readers.source.facts import facts_from_config

SAID: dict[str, Any] = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 4,
    "vocab_size": 128,
    "tie_word_embeddings": False,
}


def live(**changes: Any) -> dict[str, Any]:
    """The facts of a live config object."""
    return config_facts(SimpleNamespace(**{**SAID, **changes}))


@pytest.mark.parametrize(
    "changes",
    [{}, {"dtype": "bfloat16"}, {"dtype": "half"}, {"num_key_value_heads": None}, {"num_local_experts": 8}],
    ids=str,
)
def test_a_live_config_and_its_file_give_the_same_facts(changes: dict[str, Any]) -> None:
    """Every fact that the live object gives, but for what the class defaults."""
    known = dict(facts_from_config({**SAID, **changes}))
    defaulted = {"head_dim", "sliding_window", "attn_implementation", "experts_implementation"}
    facts = {name: fact for name, fact in live(**changes).items() if name not in defaulted}
    assert {name: known.get(name) for name in facts} == facts


@pytest.mark.parametrize("given", [live, lambda **changes: dict(facts_from_config({**SAID, **changes}))])
def test_a_quantised_model_does_not_tell_the_width_of_its_weights(given: Any) -> None:
    """A quantiser picks weights and kernels of its own."""
    assert "dtype_bytes" in given()
    assert "dtype_bytes" not in given(quantization_config={"quant_method": "fp8"})
