"""Models that need torch alone, so that a spawned process is up soon."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from meshfit import CapabilityMixin, UnsupportedMeshError

PLAN = {"layers.*.up": "colwise", "layers.*.down": "rowwise"}


class PlainNet(nn.Module):
    """Two layers and no plan."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Net(CapabilityMixin, PlainNet):
    """The same with the mixin."""


def answer(net: Any, pipe: Any) -> None:
    """Tell the parent which class arrived and what it supports."""
    pipe.send((type(net).__name__, net.supports_tp))


def judge_on_rank(rank: int, ranks: int, store: str, pipe: Any) -> None:
    """Validate a mesh of the first three ranks; the last is outside it. Any collective would hang or raise.

    Rank 2 never validates: whoever waited for it would not answer.
    """
    import os

    import torch.distributed as dist
    from torch.distributed.device_mesh import DeviceMesh

    # What differs from rank to rank must not reach the text.
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), CUDA_VISIBLE_DEVICES=str(rank))
    dist.init_process_group("gloo", store=dist.FileStore(store, ranks), rank=rank, world_size=ranks)
    mesh = DeviceMesh("cpu", [[0], [1], [2]], mesh_dim_names=("tp", "pp"))
    net = Net()
    net.rank = rank
    text = None
    if rank != 2:
        try:
            net.validate_for_mesh(mesh)
        except UnsupportedMeshError as refused:
            text = str(refused)
    pipe.send((rank, text))
    # The others may still be connecting: leave only when told.
    pipe.recv()
