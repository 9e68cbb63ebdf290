"""One rank of a run: it joins the others, runs the task, tells how that went, and is gone."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

__all__ = ["Order", "Rank", "describe", "function_of", "rank_main", "stack_file", "turn_into_rank"]

MOST_REPORTED: Final = 64 << 20
"""Bytes of JSON that a task may return."""

_LINES: Final = 20
_WIDTH: Final = 2000
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


class Rank:
    """What a task knows of its place in a run.

    Args:
        rank: number, from 0.
        world_size: how many there are.
        device: what torch calls the device of this rank.
        backend: of the process group; empty when there is none.
        folder: a temporary folder of all ranks of the run, removed at its end.
        tell: where steps are reported.
    """

    def __init__(
        self, rank: int, world_size: int, device: str, backend: str, folder: str, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self.rank = rank
        self.world_size = world_size
        self.device = device
        self.backend = backend
        self.folder: Path = Path(folder)
        self._tell = tell

    def step(self, name: str) -> None:
        """Say what comes next, so that an error, a death or a deadlock is told to be in it."""
        self._tell({"step": name})


class Order(NamedTuple):
    """What one run is asked to do, the same for all ranks.

    Args:
        task: `package.module:function`, called with the `Rank` and the payload.
        payload: JSON.
        world_size: how many ranks.
        backend: `gloo`, `nccl`, or empty for no process group.
        folder: of the run.
        seconds: after which a collective gives up.
        began: `time.monotonic` at the start of the run.
    """

    task: str
    payload: Any
    world_size: int
    backend: str
    folder: str
    seconds: float
    began: float


def stack_file(folder: str, rank: int) -> Path:
    """Where a rank writes its stack when it is asked by SIGUSR1, even while C code waits for another rank."""
    return Path(folder, f"stack-{rank}")


def turn_into_rank(rank: int, parent: int, output: int, order: Order) -> None:
    """Make a process that was just forked, or just started, a rank: what it prints goes to `output`.

    Args:
        rank: its number.
        parent: the process that it must not outlive.
        output: file descriptor.
        order: of the run.
    """
    _die_with(parent)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # the kernel shall take a rank, not its caller, when memory runs out
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    for stream in (1, 2):
        os.dup2(output, stream)
    for printed in (sys.stdout, sys.stderr):
        printed.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a death shall not take the last lines
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(order.world_size), LOCAL_WORLD_SIZE=str(order.world_size)
    )
    os.environ["TMPDIR"] = order.folder
    import tempfile

    tempfile.tempdir = None
    faulthandler.enable(file=2, all_threads=False)
    # the file stays open as long as the process
    stack = os.open(stack_file(order.folder, rank), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    faulthandler.register(signal.SIGUSR1, file=stack, all_threads=False)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask to be told
        os._exit(1)


def rank_main(rank: int, order: Order, report: int) -> NoReturn:
    """Run the task and exit; `report` is the file descriptor that is told how it goes."""

    def tell(message: dict[str, Any]) -> None:
        _write_all(report, json.dumps(message).encode() + b"\n")

    step = ""

    def told(message: dict[str, Any]) -> None:
        nonlocal step
        step = message["step"]
        tell(message)

    try:
        place = Rank(rank, order.world_size, _device(order.backend, rank), order.backend, order.folder, told)
        place.step("start")
        function = function_of(order.task)
        _join(order, rank)
        place.step("task")
        value = json.dumps({"value": function(place, order.payload)})
        if len(value) > MOST_REPORTED:
            raise ValueError(f"the task returned {len(value)} bytes of JSON, more than {MOST_REPORTED}")  # noqa: TRY301
        _write_all(report, value.encode() + b"\n")
        if order.backend:
            step = "barrier"
            tell({"step": step})
            _meet(order.backend, rank)
    except SystemExit as left:
        _flush()
        os._exit(left.code if isinstance(left.code, int) else int(left.code is not None))
    except BaseException as fault:  # noqa: BLE001 - whatever the task raised is told
        tell({"raised": {**describe(fault), "step": step, "at": time.monotonic() - order.began}})
        _flush()
        os._exit(1)
    tell({"done": time.monotonic() - order.began})
    _flush()
    os._exit(0)  # no destructor of a process group may fail or wait now


def describe(fault: BaseException) -> dict[str, str]:
    """Type, first line and last 20 lines of the traceback."""
    try:
        lines = str(fault).strip().splitlines()
    except Exception:  # noqa: BLE001 - an error may fail to tell itself
        lines = []
    try:
        trace = "".join(traceback.format_exception(fault)).splitlines()
    except Exception:  # noqa: BLE001 - the chain of errors may hold one that fails to tell itself
        trace = "".join(traceback.format_tb(fault.__traceback__)).splitlines()
    return {
        "kind": type(fault).__name__,
        "message": lines[0][:_WIDTH] if lines else "",
        "trace": "\n".join(line[:_WIDTH] for line in trace[-_LINES:]),
    }


def function_of(task: str) -> Callable[[Rank, Any], Any]:
    """The function that `package.module:function` names.

    Raises:
        ValueError: no such form.
        ImportError, AttributeError: no such function.
    """
    module, colon, name = task.partition(":")
    if not (module and colon and name):
        raise ValueError(f"a task is named package.module:function, got {task!r}")
    function: Callable[[Rank, Mapping[str, Any]], Any] = getattr(importlib.import_module(module), name)
    return function


def _device(backend: str, rank: int) -> str:
    return f"cuda:{rank}" if backend == "nccl" else "cpu"


def _join(order: Order, rank: int) -> None:
    if not order.backend:
        return
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    if order.backend == "nccl":
        torch.cuda.set_device(rank)
    store = dist.FileStore(str(Path(order.folder, "rendezvous")), order.world_size)
    dist.init_process_group(
        order.backend,
        store=store,
        rank=rank,
        world_size=order.world_size,
        timeout=timedelta(seconds=order.seconds),
        device_id=torch.device("cuda", rank) if order.backend == "nccl" else None,
    )


def _meet(backend: str, rank: int) -> None:
    """A task that is done on one rank is only done when it is on all."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier(device_ids=[rank] if backend == "nccl" else None)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
