"""A model of nobody's library, how it is spread over ranks, and what it is called with: for `meshfit verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


class MLP(nn.Module):
    """Two projections, the first of which is cut by columns and the second by rows."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(32, 64)
        self.down = nn.Linear(64, 32)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The hidden states, (batch, length, 32), with what the layer adds."""
        return hidden + self.down(nn.functional.gelu(self.up(hidden)))


class MyLM(nn.Module):
    """An embedding, two layers and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(65, 32)
        self.layers = nn.ModuleList(MLP() for _ in range(2))
        self.head = nn.Linear(32, 65)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits, (batch, length, 65), of token ids, (batch, length)."""
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(hidden)


def shard(model: MyLM, mesh: DeviceMesh) -> MyLM:
    """Cut each layer over the mesh."""
    for layer in model.layers:
        parallelize_module(layer, mesh, {"up": ColwiseParallel(), "down": RowwiseParallel()})
    return model


def batch() -> dict[str, torch.Tensor]:
    """Two texts of eight tokens, the same on every rank."""
    return {"tokens": torch.arange(16).reshape(2, 8)}
