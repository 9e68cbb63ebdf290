"""A live module read as source: which class, which attributes, and when nothing may be concluded."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from meshfit.readers.live import LiveInstance, live_class
from meshfit.readers.source.forward import body_facts
from meshfit.readers.source.values import UNKNOWN, Param

pytestmark = pytest.mark.torch

torch: Any
transformers: Any


@pytest.fixture(autouse=True, scope="module")
def frameworks() -> None:
    """Imported when a test of this file runs, so that the file is collected without them."""
    global torch, transformers
    import torch
    import transformers


USER = """
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaModel

from meshfit import CapabilityMixin


class Mixed(CapabilityMixin, LlamaForCausalLM):
    pass


class Scaled(LlamaModel):
    def forward(self, input_ids=None, inputs_embeds=None, **kwargs):
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        return super().forward(inputs_embeds=inputs_embeds * 2.0, **kwargs)


class Overriding(LlamaForCausalLM):
    def generate(self, *args, **kwargs):
        return super().generate(*args, **kwargs)
"""


def tiny_config(**changes: Any) -> Any:
    """A Llama of two layers."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 64}
    return transformers.LlamaConfig(**{**sizes, "num_attention_heads": 4, "num_key_value_heads": 2, **changes})


def on_meta(cls: Any, config: Any | None = None) -> Any:
    """A model without weights."""
    with torch.device("meta"):
        return cls(config if config is not None else tiny_config())


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The user's own file, imported from outside any package."""
    path = tmp_path / "users_own_models.py"
    path.write_text(USER)
    spec = importlib.util.spec_from_file_location("users_own_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "users_own_models", module)
    spec.loader.exec_module(module)
    return module


def evaluate(module: Any, text: str) -> object:
    """An expression over `self`."""
    return LiveInstance(module).evaluate(ast.parse(text, mode="eval").body, {})


def test_a_class_of_transformers_is_read_from_its_file() -> None:
    """The class, its children and its config are there."""
    seen = LiveInstance(on_meta(transformers.LlamaForCausalLM))
    assert seen.cls is not None
    assert seen.cls.qualname == "transformers.models.llama.modeling_llama.LlamaForCausalLM"
    assert seen.kind == "LlamaForCausalLM"
    head = seen.attributes["lm_head"]
    assert isinstance(head, LiveInstance)
    assert head.cls is None
    assert not head.opaque
    assert head.attributes["weight"] == Param((64, 16))
    assert head.attributes["out_features"] == 64


def test_a_live_model_has_the_faults_of_its_source() -> None:
    """A sound model is sound."""
    assert body_facts(LiveInstance(on_meta(transformers.LlamaForCausalLM)))["pipeline_faults"] == ()


def test_a_class_that_only_mixes_something_in_reads_as_the_class_it_extends(user_module: ModuleType) -> None:
    """The mixin overrides no method of the model."""
    seen = LiveInstance(on_meta(user_module.Mixed))
    assert seen.cls is not None
    assert seen.cls.name == "LlamaForCausalLM"
    assert body_facts(seen)["pipeline_faults"] == ()


def test_an_override_in_a_users_file_is_followed_into_its_bases(user_module: ModuleType) -> None:
    """The user's base model doubles its embeddings in every stage."""
    model = on_meta(transformers.LlamaForCausalLM)
    model.model = on_meta(user_module.Scaled)
    faults = body_facts(LiveInstance(model))["pipeline_faults"]
    assert faults == (("rescales-embeddings", "users_own_models.py:16"),)


def test_an_unrelated_override_keeps_the_forward(user_module: ModuleType) -> None:
    """The class that overrides `generate` is the user's, its forward the base's."""
    seen = LiveInstance(on_meta(user_module.Overriding))
    assert seen.cls is not None
    assert seen.cls.name == "Overriding"
    assert body_facts(seen)["pipeline_faults"] == ()


def test_a_forward_patched_on_the_instance_has_no_source() -> None:
    """What runs is not what the file shows."""
    model = on_meta(transformers.LlamaForCausalLM)
    model.model.forward = lambda *_args, **_kwargs: None
    seen = LiveInstance(model.model)
    assert seen.cls is None
    assert seen.opaque
    assert "pipeline_faults" not in body_facts(LiveInstance(model))


def test_a_forward_patched_on_the_class_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function that runs stands in another file."""
    model = on_meta(transformers.LlamaForCausalLM)
    assert live_class(type(model.model)) is not None
    monkeypatch.setattr(type(model.model), "forward", lambda self, **kwargs: kwargs)
    assert live_class(type(model.model)) is None
    assert "pipeline_faults" not in body_facts(LiveInstance(model))


def test_a_patched_child_leaves_the_verdict_open() -> None:
    """A rotary embedding nobody can read may read what it likes; that is neither sound nor a fault."""
    model = on_meta(transformers.LlamaForCausalLM)
    model.model.rotary_emb.forward = lambda *_args, **_kwargs: None
    assert "pipeline_faults" not in body_facts(LiveInstance(model))


def test_a_class_without_a_file_has_no_source() -> None:
    """A class of a function body, or of a notebook, cannot be looked up."""

    class Local(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x

    assert live_class(Local) is None
    Local.__module__, Local.__qualname__ = "__main__", "Local"
    assert live_class(Local) is None
    assert LiveInstance(Local()).opaque


def test_torch_classes_are_known_by_what_they_mean() -> None:
    """They have no source here, and hide nothing."""
    seen = LiveInstance(torch.nn.ModuleList([torch.nn.Linear(2, 3)]))
    assert seen.cls is None
    assert not seen.opaque
    child = seen.attributes["0"]
    assert isinstance(child, LiveInstance)
    assert child.kind == "Linear"


def test_two_views_of_one_module_are_equal() -> None:
    """A base model reached through the model is the base model."""
    layer = torch.nn.Linear(2, 3)
    assert LiveInstance(layer) == LiveInstance(layer)
    assert LiveInstance(layer) != LiveInstance(torch.nn.Linear(2, 3))
    assert hash(LiveInstance(layer)) == hash(LiveInstance(layer))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("self.config.hidden_size", 16),
        ("self.config.hidden_size ** 0.5", 4.0),
        ("-self.config.num_hidden_layers + 3", 1),
        ("getattr(self.config, 'absent', 7)", 7),
        ("hasattr(self.config, 'hidden_size') and not hasattr(self.config, 'absent')", True),
        ("self.config.hidden_size if self.training is None else 2", 2),
        ("self.config.num_hidden_layers in (1, 2)", True),
        ("[1, 2][0] == 1 or self.absent", True),
        ("self.base_model_prefix", "model"),
        ("len([1, 2, 3])", 3),
        ("self.config.rope_parameters.get('absent', 5)", 5),
    ],
)
def test_reading_and_plain_arithmetic_are_computed(text: str, value: object) -> None:
    """Attributes of the module and its config, and arithmetic on them."""
    assert evaluate(on_meta(transformers.LlamaForCausalLM), text) == value


@pytest.mark.parametrize(
    "text",
    [
        "self.absent",
        "self.config.absent",
        "self.forward",
        "self.lm_head.weight + 1",
        "self.config.to_dict()",
        "unbound",
        "1 / 0",
        "[1][5]",
        "self.config.hidden_size ** 10 ** 9",
        "print('no')",
        "__import__('os')",
        "[x for x in (1, 2)]",
        "self" + ".config" * 60,
    ],
)
def test_anything_more_is_unknown(text: str) -> None:
    """Calls, weights, absent names and failing arithmetic are not decided."""
    assert evaluate(on_meta(transformers.LlamaForCausalLM), text) is UNKNOWN


def test_locals_are_read_before_anything_else() -> None:
    """A caller hands in what the body holds; a namespace counts as a config."""
    expression = ast.parse("holder.size * 2", mode="eval").body
    seen = LiveInstance(torch.nn.Linear(2, 3))
    assert seen.evaluate(expression, {"holder": SimpleNamespace(size=4)}) == 8
    assert seen.evaluate(expression, {"holder": object()}) is UNKNOWN


def test_importing_the_reader_loads_no_framework() -> None:
    """The adapter costs nothing until a live module is at hand."""
    program = "import sys, meshfit.readers.live; print(sorted({'torch', 'transformers'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
