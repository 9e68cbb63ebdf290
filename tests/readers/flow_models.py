"""Small models as source: a package is written, its `Model` built by the evaluator."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Final

from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.index import ClassSource, find_package
from meshfit.readers.source.values import ConfigObject, Node

HEAD: Final = """
import torch
import torch.nn.functional as F
from torch import nn
from transformers.generation import GenerationMixin
from .masking_utils import create_bidirectional_mask, create_causal_mask
from .modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel


class Config:
    pass


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        variance = x.pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + 1e-6))
"""

ATTENTION: Final = """
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.is_causal = True
        self.q_proj = nn.Linear(64, 64)
        self.k_proj = nn.Linear(64, 32)
        self.v_proj = nn.Linear(64, 32)
        self.o_proj = nn.Linear(64, 64)

    def forward(self, x, attention_mask=None, **kwargs):
        shape = (*x.shape[:-1], -1, 16)
        q = self.q_proj(x).view(shape).transpose(1, 2)
        k = self.k_proj(x).view(shape).transpose(1, 2)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        attend = ALL_ATTENTION_FUNCTIONS["sdpa"]
        out, _ = attend(self, q, k, v, attention_mask, **kwargs)
        return self.o_proj(out.reshape(*x.shape[:-1], -1))
"""

DECODER: Final = """
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.{attention} = Attention()

    def forward(self, x, attention_mask=None, **kwargs):
        return x + self.{attention}(x, attention_mask=attention_mask, **kwargs)


class Model(PreTrainedModel{mixin}):
    def __init__(self, config):
        super().__init__(config)
        self.config = config
        self.embed_tokens = nn.Embedding(128, 64)
        self.layers = nn.ModuleList([Layer() for _ in range(2)])

    def forward(self, input_ids=None, attention_mask=None, position_ids=None, **kwargs):
        x = self.embed_tokens(input_ids)
        mask = {mask}
        for layer in self.layers:
            x = layer(x, attention_mask=mask)
        return x
"""


def build(folder: Path, source: str, head: str = HEAD) -> Node:
    """The `Model` of `source`, which may use what `head` imports and defines."""
    package = folder / "transformers"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "modeling_it.py").write_text(head + dedent(source), encoding="utf-8")
    found = find_package("transformers", folder)
    assert found is not None
    module = found.module("transformers.modeling_it")
    assert module is not None
    cls, config = module.lookup("Model"), module.lookup("Config")
    assert isinstance(cls, ClassSource)
    assert isinstance(config, ClassSource)
    return Evaluator().model(cls, ConfigObject(config, {"model_type": "it", "is_encoder_decoder": False}))


def decoder(
    folder: Path,
    *,
    attention: str = ATTENTION,
    name: str = "self_attn",
    mask: str = "create_causal_mask(self.config, x, None, position_ids=position_ids)",
    mixin: str = "",
) -> Node:
    """A sound decoder of two layers, with the named thing changed."""
    body = DECODER.replace("{attention}", name).replace("{mask}", mask).replace("{mixin}", mixin)
    return build(folder, attention + body)
