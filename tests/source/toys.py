"""A tiny transformers, written to disk: enough of its shape for the source reader, nothing of its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meshfit.facts import ModelFacts
from meshfit.readers.source.facts import BuiltModel, build_model, facts_from_config
from meshfit.readers.source.index import Package

AUTO = """
from collections import OrderedDict

CONFIG_MAPPING_NAMES = OrderedDict(
    [
        ("toy", "ToyConfig"),
        ("toy_text", "ToyTextConfig"),
    ]
)
SPECIAL_MODEL_TYPE_TO_MODULE_NAME = OrderedDict(
    [
        ("toy_text", "toy"),
    ]
)
"""
MODELING_AUTO = """
MODEL_MAPPING_NAMES = OrderedDict(
    [
        ("toy", "ToyModel"),
    ]
)
class AutoModel(_BaseAutoModelClass):
    _model_mapping = MODEL_MAPPING
"""
MIXIN = """
def init_parallel_plans(self):
    self._tp_plan = {"embed_tokens": "embedding_rowwise", **self._tp_plan}
"""
CONFIGURATION = """
from ...configuration_utils import PreTrainedConfig


class ToyConfig(PreTrainedConfig):
    model_type = "toy"
    attribute_map = {"num_hidden_layers": "n_layer"}
    base_model_tp_plan = {
        "layers.*.attn.q_proj": "colwise",
        "layers.*.attn.k_proj": "colwise",
        "layers.*.attn.o_proj": "rowwise",
    }
    base_model_ep_plan = None

    vocab_size: int = 32
    hidden_size: int = 16
    n_layer: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    intermediate_size: int = 32
    first_dense: int = 1
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        super().__post_init__(**kwargs)
"""
MODELING = """
import torch
from torch import nn
from ...modeling_utils import PreTrainedModel
from ...generation import GenerationMixin
from .configuration_toy import ToyConfig


class ToyAttention(nn.Module):
    def __init__(self, config, layer_idx):
        super().__init__()
        self.q_proj = nn.Linear(config.hidden_size, config.num_attention_heads * config.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.num_key_value_heads * config.head_dim, bias=False)
        self.o_proj = nn.Linear(config.num_attention_heads * config.head_dim, config.hidden_size, bias=False)


class ToyMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)


class ToyGate(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2, config.hidden_size))


class ToyLayer(nn.Module):
    def __init__(self, config, layer_idx):
        super().__init__()
        self.attn = ToyAttention(config, layer_idx)
        if layer_idx < config.first_dense:
            self.mlp = ToyMLP(config)
        else:
            self.gate = ToyGate(config)


class ToyPreTrainedModel(PreTrainedModel):
    config: ToyConfig
    base_model_prefix = "model"
    _supports_sdpa = True


class ToyModel(ToyPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([ToyLayer(config, i) for i in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()


class ToyForCausalLM(ToyPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}

    def __init__(self, config):
        super().__init__(config)
        self.model = ToyModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, inputs_embeds=None, **kwargs):
        return self.lm_head(self.model(input_ids))
"""


def package(folder: Path, *, configuration: str = CONFIGURATION, modeling: str = MODELING) -> Package:
    """The toy package written below `folder`."""
    root = folder / "transformers"
    files = {
        "__init__.py": "",
        "distributed/mixin.py": MIXIN,
        "models/auto/auto_mappings.py": AUTO,
        "models/auto/modeling_auto.py": MODELING_AUTO,
        "models/toy/__init__.py": "",
        "models/toy/configuration_toy.py": configuration,
        "models/toy/modeling_toy.py": modeling,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Package("transformers", root)


def config(**values: Any) -> dict[str, Any]:
    """The toy's `config.json`, with changes."""
    return {"architectures": ["ToyForCausalLM"], "model_type": "toy", **values}


def build(folder: Path, values: dict[str, Any] | None = None, **sources: str) -> BuiltModel:
    """The toy model a config describes."""
    return build_model(values or config(), package=package(folder, **sources))


def facts(folder: Path, values: dict[str, Any] | None = None, **sources: str) -> ModelFacts:
    """The toy's facts."""
    return facts_from_config(values or config(), package=package(folder, **sources))
