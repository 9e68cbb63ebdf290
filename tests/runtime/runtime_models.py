"""Models the runtime tests ask: each with the mixin and without."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from light_models import PLAN, Net, PlainNet
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from meshfit import CapabilityMixin

__all__ = ["PLAN", "Net", "PlainNet"]

CAPABILITIES = ("tp", "pp", "cp", "ep", "sequence_packing", "cp_with_sequence_packing", "generate")


class AskingNet(CapabilityMixin, nn.Module):
    """Computes one thing or another by what it supports."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) if self.supports_tp else x + 1


class MyLlama(CapabilityMixin, LlamaForCausalLM):
    """A transformers model with the mixin."""


class MyGPT2(CapabilityMixin, GPT2LMHeadModel):
    """One without a tensor-parallel plan."""


class MyMixtral(CapabilityMixin, MixtralForCausalLM):
    """One with experts."""


class MoEFSDPSyncMixin:
    """Stands for NeMo's mixin, told by its name."""


class NemoNet(CapabilityMixin, MoEFSDPSyncMixin, PlainNet):
    """A model with a backend, as NeMo makes them."""

    _supports_sdpa = True

    def __init__(self, attn: str = "te", **config: Any) -> None:
        super().__init__()
        self.backend = SimpleNamespace(attn=attn)
        self.config = SimpleNamespace(num_hidden_layers=2, **config)


def llama_config(**changes: Any) -> LlamaConfig:
    """A tiny Llama."""
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 64,
    }
    return LlamaConfig(**{**sizes, **changes})


def llama(cls: type = MyLlama, **changes: Any) -> Any:
    """A tiny Llama with weights."""
    torch.manual_seed(0)
    return cls(llama_config(**changes)).eval()


def gpt2() -> Any:
    """A tiny GPT-2 on the meta device."""
    with torch.device("meta"):
        return MyGPT2(GPT2Config(n_layer=2, n_head=4, n_embd=32, vocab_size=64))


def mixtral() -> Any:
    """A tiny mixture of experts on the meta device."""
    config = MixtralConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        vocab_size=64,
    )
    with torch.device("meta"):
        return MyMixtral(config)


def read_all(model: Any) -> dict[str, bool]:
    """Every capability of a model, by name."""
    return {name: getattr(model, f"supports_{name}") for name in CAPABILITIES}


def tokens() -> torch.Tensor:
    """Two rows of five token ids."""
    return torch.arange(10).reshape(2, 5)
