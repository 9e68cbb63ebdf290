"""Models that run on a mesh and compute the wrong thing there, each in a way of its own; and sound ones beside them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, LlamaModel

WIDTH = 32
PLAN = dict(LlamaConfig.base_model_tp_plan or {})


class ForgetfulConfig(LlamaConfig):
    """A plan without the row-parallel layer that sums up what column-parallel ones cut."""

    base_model_tp_plan: ClassVar = {name: style for name, style in PLAN.items() if not name.endswith("down_proj")}


class ForgetsARowForCausalLM(LlamaForCausalLM):
    config_class = ForgetfulConfig


class NormsEveryStageModel(LlamaModel):
    """The engine takes `.norm` away from all stages but the last; this one has another."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.last, self.norm = self.norm, nn.Identity()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        output.last_hidden_state = self.last(output.last_hidden_state)
        return output


class NormsEveryStageForCausalLM(LlamaForCausalLM):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.model = NormsEveryStageModel(config)
        self.post_init()


class CountsItsOwnPositionsForCausalLM(LlamaForCausalLM):
    """Takes no positions, so that each rank counts those of its own part."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, use_cache: Any = None) -> Any:
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)


class TakesTheLastTokenForSequenceClassification(LlamaForSequenceClassification):
    """Judges a text by its last token, of which each rank has one of its own."""


class Block(nn.Module):
    """Attention and a gated MLP whose two halves lie in one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH, bias=False) for name in "qkv"})
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate_up = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.down = nn.Linear(WIDTH, WIDTH, bias=False)
        self.heads = 4

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        batch, length, _ = hidden.shape
        query, key, value = (
            self.qkv[name](hidden).view(batch, length, self.heads, -1).transpose(1, 2) for name in "qkv"
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.out(mixed.transpose(1, 2).reshape(batch, length, -1))
        gate, up = self.gate_up(hidden).chunk(2, dim=-1)
        return hidden + self.down(nn.functional.silu(gate) * up)


class Plain(nn.Module):
    """A small language model of nobody's library."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(65, WIDTH)
        self.layers = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(WIDTH, 65, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(hidden)


def tokens() -> dict[str, torch.Tensor]:
    """What the plain models are called with."""
    return {"tokens": torch.randint(65, (2, 8), generator=torch.Generator().manual_seed(0))}


ATTENTION: dict[str, Any] = {
    **{f"qkv.{name}": ColwiseParallel() for name in "qkv"},
    "out": RowwiseParallel(),
}


def cuts_whole_heads(model: Any, mesh: Any) -> Any:
    """Attention cut along heads, as it should be."""
    for layer in model.layers:
        parallelize_module(layer, mesh, ATTENTION)
        layer.heads //= mesh.size()
    return model


def cuts_heads_in_half(model: Any, mesh: Any) -> Any:
    """The same, but every rank sees as many heads as before, each half as wide."""
    for layer in model.layers:
        parallelize_module(layer, mesh, ATTENTION)
    return model


def swaps_gate_and_up(model: Any, mesh: Any) -> Any:
    """Cuts the matrix that holds both in two, so that each rank takes a half of one for a half of the other."""
    cuts_whole_heads(model, mesh)
    for layer in model.layers:
        parallelize_module(layer, mesh, {"gate_up": ColwiseParallel(), "down": RowwiseParallel()})
    return model


def replicates(model: Any, mesh: Any) -> Any:
    """Leaves everything on every rank."""
    return model


class Summed(torch.autograd.Function):
    """A sum over ranks whose gradient passes as it is."""

    @staticmethod
    def forward(ctx: Any, part: torch.Tensor) -> torch.Tensor:
        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class Shared(torch.autograd.Function):
    """The same on all ranks, each of which sees a part of its gradient."""

    @staticmethod
    def forward(ctx: Any, whole: torch.Tensor) -> torch.Tensor:
        return whole.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class Experts(nn.Module):
    """Four experts, weighed by a router."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, 4, bias=False)
        self.weight = nn.Parameter(torch.randn(4, WIDTH, WIDTH))
        self.first = 0
        self.spread = False
        self.sums_router = True

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        own = self.weight.to_local() if isinstance(self.weight, DTensor) else self.weight
        share = self.router(hidden).softmax(-1)
        if self.spread:
            hidden = Shared.apply(hidden)
            share = Shared.apply(share) if self.sums_router else share
        parts = torch.einsum("bsh,eho->bseo", hidden, own)
        mixed = (parts * share[..., self.first : self.first + len(own), None]).sum(2)
        return Summed.apply(mixed) if self.spread else mixed


class Mixture(nn.Module):
    """A model of experts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(65, WIDTH)
        self.layers = nn.ModuleList([Experts()])
        self.head = nn.Linear(WIDTH, 65, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers[0](self.embed(tokens)))


def spreads_experts(model: Any, mesh: Any) -> Any:
    """Two experts a rank, and a router whose gradient is the sum of what each rank sees of it."""
    experts = model.layers[0]
    experts.weight = nn.Parameter(distribute_tensor(experts.weight.detach(), mesh, [Shard(0)]))
    experts.first = 2 * mesh.get_local_rank()
    experts.spread = True
    return model


def forgets_the_router(model: Any, mesh: Any) -> Any:
    """The same, but nobody sums up the router's gradient."""
    spreads_experts(model, mesh).layers[0].sums_router = False
    return model
