"""`run_here`: the task on the ranks of a job that somebody else has started, such as torchrun's."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from meshfit.errors import ProofError
from meshfit.proof.rank import Rank, describe, function_of
from meshfit.proof.runs import Limits, RankEnd, Run, settle

__all__ = ["run_here"]

_GRACE: Final = 5.0
"""Seconds in which the other ranks may tell how they ended, once one has failed."""

_POLL: Final = 0.05

_CALLS: Final = itertools.count()  # each call talks under names of its own; all ranks make the same calls


def run_here(task: str, payload: Mapping[str, Any] | None = None, *, limits: Limits | None = None) -> Run | None:  # noqa: PLR0915 - one conversation
    """Run a task on this job's ranks, one of which this process is; every rank must call it.

    The task runs in a thread, so that rank 0 can tell of a rank that failed while it waits for that rank itself. Such a
    thread cannot be ended: after a run that is not `done`, leave by `os._exit`. The limit of memory is the job's.

    Args:
        task: `package.module:function`, called as `function(rank: Rank, payload) -> JSON`.
        payload: JSON.
        limits: of time; `Limits()` when left out.

    Returns:
        The run on rank 0, None on every other.

    Raises:
        ProofError: this process is no rank of a job.
    """
    limits = limits or Limits()
    try:
        number, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    except (KeyError, ValueError) as fault:
        raise ProofError(f"this process is no rank of a job that torchrun started: {fault}") from fault
    import torch
    import torch.distributed as dist

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    local = int(os.environ.get("LOCAL_RANK", number))
    device = f"cuda:{local}" if backend == "nccl" else "cpu"
    if not dist.is_initialized():
        dist.init_process_group(backend, timeout=timedelta(seconds=max(0.75 * limits.seconds, 1)))
    # a client of our own: the group's is locked while a collective waits for the others
    client = dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=limits.seconds))
    store = dist.PrefixStore(f"meshfit-{next(_CALLS)}", client)
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix="meshfit-rank-")
    ends: list[RankEnd] = []
    step = ["start"]

    def work() -> None:
        value = None
        try:
            if backend == "nccl":
                torch.cuda.set_device(local)
            place = Rank(number, world, device, backend, folder, lambda told: step.append(told["step"]))
            value = json.loads(json.dumps(function_of(task)(place, payload or {})))
            step.append("barrier")
            dist.barrier(device_ids=[local] if backend == "nccl" else None)
            ends.append(RankEnd(number, "done", step[-1], value, at=time.monotonic() - began))
        except BaseException as fault:  # noqa: BLE001 - whatever the task raised is told
            at = time.monotonic() - began
            told = describe(fault)
            ends.append(RankEnd(number, "raised", step[-1], value, told["kind"], told["message"], told["trace"], at=at))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while not ends and time.monotonic() - began < limits.seconds and not store.check(["meshfit/failed"]):
            worker.join(_POLL)
        if not ends:
            worker.join(_GRACE)
        end = ends[0] if ends else RankEnd(number, "stopped", step[-1], at=time.monotonic() - began)
        if end.state != "done":
            store.set("meshfit/failed", "1")
        store.set(f"meshfit/end/{number}", json.dumps(end))
        if number:
            _until(lambda: store.check(["meshfit/told"]), 2 * _GRACE)  # a rank that exits takes the job with it
            return None
        _until(lambda: store.check([f"meshfit/end/{rank}" for rank in range(world)]), 2 * _GRACE)
        told = [_end_of(store, rank) for rank in range(world)]
        store.set("meshfit/told", "1")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    state, first = settle(told, "" if any(end.state in ("raised", "left") for end in told) else "hang")
    return Run(tuple(told), time.monotonic() - began, 0, state, first)


def _end_of(store: Any, rank: int) -> RankEnd:
    if store.check([f"meshfit/end/{rank}"]):
        return RankEnd(*json.loads(store.get(f"meshfit/end/{rank}")))
    return RankEnd(rank, "left", message="ended without a word")


def _until(holds: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(_POLL)
