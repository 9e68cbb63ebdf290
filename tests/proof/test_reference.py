"""The twin runs in one process and leaves behind what ranks are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from meshfit.errors import ProofError, TargetError
from meshfit.mesh import MeshSpec
from meshfit.proof.drawing import redraw
from meshfit.proof.observing import observe
from meshfit.proof.reference import CHECKPOINT, INPUTS, REFERENCE, make_reference
from meshfit.proof.twin import make_twin, twin_of

pytestmark = pytest.mark.torch

MESHES = (MeshSpec(tp_size=2), MeshSpec(pp_size=2))


class Steps:
    """A rank that remembers what it was about to do."""

    rank = 0
    world_size = 1

    def __init__(self) -> None:
        self.seen: list[str] = []

    def step(self, name: str) -> None:
        """Remember."""
        self.seen.append(name)


def reference_of(target: str | dict[str, Any], folder: Path) -> dict[str, Any]:
    """The facts of a reference."""
    return make_reference(Steps(), {**twin_of(target, MESHES)._asdict(), "folder": str(folder)})


@pytest.mark.parametrize(
    "target",
    ["LlamaForCausalLM", "T5ForConditionalGeneration", "MixtralForCausalLM", "Gemma3ForConditionalGeneration"],
)
def test_a_class_runs_from_its_defaults(target: str, tmp_path: Path) -> None:
    """Decoder, encoder-decoder, experts and a composite config: forward, backward and generation."""
    facts = reference_of(target, tmp_path)
    assert (facts["backward"], facts["generate"], facts["loss"]) == (True, True, True)
    assert facts["parameters"] < 3_000_000
    assert facts["noise"] < 1e-3


def test_a_classifier_runs_with_the_labels_of_its_kind(tmp_path: Path) -> None:
    """One label a text, and nothing is generated."""
    facts = reference_of("BertForSequenceClassification", tmp_path)
    assert torch.load(tmp_path / INPUTS)["labels"]["labels"].shape == (2,)
    assert facts["generate"] is False


def test_a_rank_that_loads_the_checkpoint_observes_the_same(tmp_path: Path) -> None:
    """Whoever loads what was saved computes what the reference holds."""
    from transformers import LlamaForCausalLM

    reference_of("LlamaForCausalLM", tmp_path)
    kept = torch.load(tmp_path / REFERENCE)
    model = LlamaForCausalLM.from_pretrained(tmp_path / CHECKPOINT).eval()
    seen = observe(model, torch.load(tmp_path / INPUTS))
    torch.testing.assert_close(seen.logits, kept["logits"])
    torch.testing.assert_close(dict(seen.gradients), kept["gradients"])
    assert seen.tokens.tolist() == kept["tokens"].tolist()
    assert len(kept["gradients"]) == len(list(model.parameters()))


def test_weights_are_the_same_in_every_process_and_large_enough() -> None:
    """Two builds get equal weights, and a layer passes on what it is given in size."""
    first, second = nn.Linear(256, 256), nn.Linear(256, 256)
    redraw(first)
    redraw(second)
    torch.testing.assert_close(first.weight, second.weight)
    assert first(torch.randn(64, 256)).std().item() == pytest.approx(1.0, abs=0.15)


def test_norms_differ_from_one_and_biases_from_zero() -> None:
    """Weights that begin all alike would hide which part of them a rank holds."""
    norm = nn.LayerNorm(64)
    redraw(norm)
    assert norm.weight.std() > 0.05
    assert norm.bias.std() > 0.05
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.1)


def test_code_that_comes_with_a_model_is_named_and_not_run() -> None:
    """The reason says what would have run."""
    values = {"architectures": ["OwnForCausalLM"], "auto_map": {"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}}
    with pytest.raises(ProofError, match=r"would have run modeling_own\.OwnForCausalLM"):
        twin_of(values, MESHES)


def test_a_class_that_does_not_exist_is_refused() -> None:
    """The name is in the message."""
    with pytest.raises(TargetError, match="NoSuchForCausalLM"):
        twin_of("NoSuchForCausalLM", MESHES)


def test_a_rank_makes_the_twin_for_a_caller_without_a_framework() -> None:
    """The task gives the fields of the twin, or the reason why there is none."""
    made = make_twin(Steps(), {"target": "LlamaForCausalLM", "meshes": ["tp=2"]})
    assert made["config"]["vocab_size"] % 2 == 1
    refused = make_twin(Steps(), {"target": "NoSuchForCausalLM", "meshes": ["tp=2"]})
    assert refused["kind"] == "TargetError"


def test_a_full_config_is_taken_as_it_is() -> None:
    """Nothing is shrunk when that is asked."""
    assert twin_of("GPT2LMHeadModel", MESHES, full_config=True).config["n_embd"] == 768


class Plain(nn.Module):
    """A model of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One layer."""
        return self.inner(x)


def plain_inputs() -> dict[str, torch.Tensor]:
    """What the model is called with."""
    return {"x": torch.ones(2, 8)}


def test_a_plain_module_is_observed_like_any_other(tmp_path: Path) -> None:
    """Its inputs come from a function, its loss is a projection of its result."""
    twin = twin_of(f"{__name__}:Plain", MESHES)
    facts = make_reference(Steps(), {**twin._asdict(), "folder": str(tmp_path), "inputs": f"{__name__}:plain_inputs"})
    assert (facts["backward"], facts["loss"]) == (True, False)
    assert set(torch.load(tmp_path / REFERENCE)["gradients"]) == {"inner.weight", "inner.bias"}


def test_a_plain_module_without_inputs_says_what_is_missing(tmp_path: Path) -> None:
    """There is no config to make inputs from."""
    with pytest.raises(ProofError, match="name a function"):
        make_reference(Steps(), {**twin_of(f"{__name__}:Plain", MESHES)._asdict(), "folder": str(tmp_path)})
