"""The index that comes with meshfit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from meshfit.readers.shipped.archive import read_index
from meshfit.readers.shipped.choice import SHIPPED
from meshfit.readers.shipped.facts import facts_from_index
from meshfit.readers.source.facts import facts_from_config

ROOT = Path(__file__).parents[2]


def test_the_shipped_index_is_small_and_holds_the_models() -> None:
    """At most 2 MB, nearly all classes that the auto mappings name."""
    assert SHIPPED.stat().st_size <= 2_000_000
    assert len(read_index(SHIPPED).names) > 1400


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "MixtralForCausalLM", "Gemma3ForCausalLM"])
def test_a_class_is_known_by_its_defaults(name: str) -> None:
    """Structure and plans; it needs no transformers to be read."""
    facts = facts_from_index(read_index(SHIPPED), {}, class_name=name)
    assert facts.tp_plan
    assert facts.parameters
    assert facts.knows("pipeline_faults")


def _layers(last: str) -> dict[str, object]:
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    kinds = ["sliding_attention", "sliding_attention", "sliding_attention", last]
    return {**sizes, "num_hidden_layers": 4, "layer_types": kinds, "vocab_size": 128}


CONFIGS = {
    "layers with values of their own": (
        "Gemma4ForCausalLM",
        {"model_type": "gemma4_text", **_layers("full_attention"), "per_layer_config": {"3": {"head_dim": 32}}},
    ),
    "a part that is completed by the whole": (
        "VoxtralForConditionalGeneration",
        {"model_type": "voxtral", "text_config": {"model_type": "llama", "hidden_size": 96, "num_attention_heads": 8}},
    ),
    "two sizes that happen to be equal": (
        "ElectraForMaskedLM",
        {"model_type": "electra", "hidden_size": 64, "embedding_size": 64, "num_attention_heads": 4},
    ),
    "a list that code copies": (
        "BambaForCausalLM",
        {"model_type": "bamba", "time_step_limit": [0.0, 9.0], "mamba_n_heads": 64, "num_key_value_heads": 4},
    ),
    "a pattern of layers that is repeated": (
        "RecurrentGemmaForCausalLM",
        {"model_type": "recurrent_gemma", "num_hidden_layers": 5, "num_attention_heads": 4, "hidden_size": 64},
    ),
}


@pytest.mark.torch
@pytest.mark.parametrize(("name", "values"), CONFIGS.values(), ids=list(CONFIGS))
def test_a_config_is_known_by_what_its_class_makes_of_it(name: str, values: dict[str, object]) -> None:
    """Its structure is told, and everything that is told is the source reader's."""
    config = {"architectures": [name], **values}
    told, real = dict(facts_from_index(read_index(SHIPPED), config)), dict(facts_from_config(config))
    assert told["parameters"]
    assert {fact: real.get(fact) for fact in told} == told


@pytest.mark.torch
@pytest.mark.slow
def test_the_shipped_index_never_contradicts_the_source() -> None:
    """Every fact it tells of random configs is the source reader's."""
    script = str(ROOT / "benchmarks" / "index_accuracy.py")
    options = ("--random-only", "--classes", "60", "--seed", "7")
    run = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def test_the_wheel_ships_it() -> None:
    """Everything below the package goes into the wheel; no rule leaves the file out."""
    ignored = subprocess.run(["git", "check-ignore", "-q", str(SHIPPED)], cwd=ROOT, check=False).returncode
    assert ignored == 1
    assert json.loads(SHIPPED.read_bytes().partition(b"\n")[0])["format"] == "meshfit-index"
