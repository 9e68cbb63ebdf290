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


def swallow(rank: Rank, payload: dict[str, Any]) -> None:
    """Take memory without end, on one rank."""
    rank.step("swallow")
    taken = []
    while rank.rank == 0:
        taken.append(bytearray(b"x" * (16 << 20)))
    time.sleep(600)


def ask_for_too_much(rank: Rank, payload: dict[str, Any]) -> None:
    """Ask for more memory than any machine has."""
    bytearray(1 << 55)


def print_gigabytes(rank: Rank, payload: dict[str, Any]) -> str:
    """Print more than a gigabyte, through Python and past it."""
    line = b"weights " * (1 << 17)
    for _ in range(1 << 10):
        os.write(1, line)
    print("the last line")
    return "printed"


def leave_everything(rank: Rank, payload: dict[str, Any]) -> int:
    """Leave a process in a session of its own, shared memory and a file behind, and die of SIGKILL if told."""
    import subprocess
    import tempfile
    from multiprocessing.shared_memory import SharedMemory

    tempfile.mkstemp()
    memory = SharedMemory(name=f"{payload['name']}-{rank.rank}", create=True, size=1 << 20)
    memory.buf[:4] = b"left"
    subprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=False)
    end(payload["how"])
    return rank.rank


def say_ready(rank: Rank, payload: dict[str, Any]) -> None:
    """Write a file, and sleep."""
    rank.folder.joinpath("left").write_text("left", encoding="utf-8")
    with open(f"{payload['ready']}-{rank.rank}", "w", encoding="utf-8"):  # noqa: PTH123 - a string says where
        pass
    time.sleep(600)


def return_what_is_no_json(rank: Rank, payload: dict[str, Any]) -> object:
    """A set is no JSON."""
    return {1, 2}


def echo(rank: Rank, payload: dict[str, Any]) -> dict[str, Any]:
    """What was given."""
    return payload


def raise_what_cannot_tell_itself(rank: Rank, payload: dict[str, Any]) -> None:
    """An error that fails to say what it is."""

    class Mute(Exception):  # noqa: N818 - what happened
        def __str__(self) -> str:
            raise RuntimeError("no words")

    raise Mute
