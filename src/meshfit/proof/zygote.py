"""The process that has everything imported and forks the ranks.

It computes nothing and starts no thread, because a fork takes only the thread that forks. It ends when its caller does.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from meshfit.proof.messages import Gone, receive, send
from meshfit.proof.rank import Order, rank_main, turn_into_rank
from meshfit.proof.runs import Limits
from meshfit.proof.supervising import Start, supervise

__all__ = ["BOOT", "main"]

BOOT: Final = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path']; "
    "from meshfit.proof import zygote; zygote.main(given)"
)
"""The whole program of the zygote, and of a rank that is started anew: it imports from where its caller does."""

_ADOPT: Final = 36  # PR_SET_CHILD_SUBREAPER


def main(given: dict[str, Any]) -> NoReturn:
    """Answer orders until the caller is gone, or be the one rank that was ordered."""
    if "rank" in given:
        _started_anew(given)
    link = socket.socket(fileno=given["link"])
    link.set_inheritable(False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if sys.platform == "linux":  # what a rank started and left behind comes to us
        ctypes.CDLL(None, use_errno=True).prctl(_ADOPT, 1)
    try:
        _serve(link, given)
    except (Gone, SystemExit):
        shutil.rmtree(given["folder"], ignore_errors=True)
        os._exit(0)


def _serve(link: socket.socket, given: dict[str, Any]) -> NoReturn:
    began = time.monotonic()
    with _leaving_when_closed(link):
        _preload(given["preload"])
    anew = given["start"] == "spawn" or (given["start"] == "auto" and _devices() > 0)
    send(link, {"ready": time.monotonic() - began, "devices": _devices(), "threads": _threads()})
    while True:
        request = receive(link)
        send(link, _answer(request, link, given, anew=anew))


@contextlib.contextmanager
def _leaving_when_closed(link: socket.socket) -> Iterator[None]:
    """Leave at once when the caller goes during the imports, which take seconds and listen to nobody."""
    flags = fcntl.fcntl(link, fcntl.F_GETFL)
    before = signal.signal(signal.SIGIO, _leave)  # nothing is sent to us before we are ready, so this is the end
    fcntl.fcntl(link, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(link, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        yield
    finally:
        fcntl.fcntl(link, fcntl.F_SETFL, flags)
        signal.signal(signal.SIGIO, before)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _preload(modules: Sequence[str]) -> None:
    """Import what ranks will need; what cannot be imported is left for the rank that needs it to tell."""
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # or the collector of each rank copies every page


def _devices() -> int:
    """How many CUDA devices there are; asked in a way that forks survive."""
    torch = sys.modules.get("torch")
    return torch.cuda.device_count() if torch is not None else 0


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names suffice
    except OSError:
        return 1


def _answer(request: dict[str, Any], link: socket.socket, given: dict[str, Any], *, anew: bool) -> Any:
    order = Order(**request["order"])
    if not order.backend and request["group"]:
        order = order._replace(backend="nccl" if _devices() >= order.world_size else "gloo")
    limits = Limits(*request["limits"])
    # gloo waits quietly, so we see a deadlock ourselves, with the stack of every rank; nccl has to tell it
    patience = limits.seconds * (0.75 if order.backend == "nccl" else 2)
    order = order._replace(began=time.monotonic(), seconds=patience)
    start = _afresh(order, given) if anew else _forked(order, link)
    run = supervise(order, limits, start, link)
    return [run.seconds, run.memory, run.state, run.first, run.ranks]


def _forked(order: Order, link: socket.socket) -> Start:
    parent = os.getpid()

    def start(rank: int, report: int, output: int) -> NoReturn:
        _forget(link)
        turn_into_rank(rank, parent, output, order)
        rank_main(rank, order, report)

    return start


def _forget(link: socket.socket) -> None:
    """Be no zygote any more: its signals, its link."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    link.close()


def _afresh(order: Order, given: dict[str, Any]) -> Start:
    """Start each rank as a new interpreter: CUDA does not survive a fork."""
    parent = os.getpid()
    file = Path(order.folder, "order.json")
    file.write_text(json.dumps(order), encoding="utf-8")

    def start(rank: int, report: int, output: int) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for pipe in (report, output):
            os.set_inheritable(pipe, True)
        told = {"path": given["path"], "rank": rank, "parent": parent, "order": str(file)}
        argument = json.dumps({**told, "report": report, "output": output})
        os.execv(sys.executable, [sys.executable, "-c", BOOT, argument])  # noqa: S606 - our own interpreter

    return start


def _started_anew(given: dict[str, Any]) -> NoReturn:
    order = Order(*json.loads(Path(given["order"]).read_text(encoding="utf-8")))
    for pipe in (given["report"], given["output"]):
        os.set_inheritable(pipe, False)
    turn_into_rank(given["rank"], given["parent"], given["output"], order)
    rank_main(given["rank"], order, given["report"])
