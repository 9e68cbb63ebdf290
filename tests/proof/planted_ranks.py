"""Tasks for ranks that go well, and every way to end badly."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from meshfit.proof.rank import Rank


def tell(rank: Rank, payload: dict[str, Any]) -> dict[str, Any]:
    """Where the rank is, and what it was given."""
    return {"rank": rank.rank, "of": rank.world_size, "device": rank.device, "backend": rank.backend, **payload}


def raise_on_the_last(rank: Rank, payload: dict[str, Any]) -> None:
    """The last rank fails at once; the others have work to do."""
    rank.step("forward")
    if rank.rank == rank.world_size - 1:
        raise ValueError("7 heads over 2 ranks\nand more of it")
    time.sleep(payload.get("seconds", 0))


def total(rank: Rank, payload: dict[str, Any]) -> float:
    """A sum over all ranks; the last one does first what `payload` says."""
    import torch
    import torch.distributed as dist

    if rank.rank == rank.world_size - 1:
        end(payload.get("first", ""))
    rank.step("sum")
    tensor = torch.ones(1)
    dist.all_reduce(tensor)
    return float(tensor)


def end(how: str) -> None:
    """End, or do not end, in one of many ways."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "abort":
        os.abort()
    elif how == "raise":
        raise ValueError("my own error")
    elif how == "exit":
        os._exit(0)
    elif how == "leave":
        sys.exit(3)
    elif how == "sleep":
        time.sleep(600)
    elif how == "spin":
        while True:
            pass


def alone(rank: Rank, payload: dict[str, Any]) -> str:
    """Every rank ends as told; none of them talks to another."""
    rank.step("alone")
    end(payload["how"])
    return "survived"
