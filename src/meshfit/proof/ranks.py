"""`Pool`: runs tasks on real ranks, each a process of its own, and leaves nothing behind.

A pool is a fresh interpreter that has imported torch and transformers once and forks a rank in milliseconds. It watches
its ranks itself, so nothing the caller does, not even its death, leaves one running.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

from typing_extensions import Self

from meshfit.errors import ProofError
from meshfit.proof.messages import Gone, receive, send
from meshfit.proof.runs import Limits, RankEnd, Run
from meshfit.proof.zygote import BOOT

__all__ = ["PRELOAD", "Limits", "Pool", "RankEnd", "Run"]

PRELOAD: Final = (
    *("torch", "torch.distributed.tensor", "torch.distributed.tensor.parallel", "torch.distributed.fsdp"),
    *("torch.distributed.tensor.experimental", "torch.distributed.pipelining"),
    *("transformers", "transformers.modeling_utils", "transformers.generation", "transformers.masking_utils"),
    *("transformers.distributed.tensor_parallel", "transformers.distributed.expert_parallel"),
    *("transformers.distributed.fsdp", "transformers.distributed.pipeline_parallel"),
    *("transformers.distributed.checkpoint", "transformers.models.auto.modeling_auto", "accelerate"),
)
"""What ranks import sooner or later; a name that an older version lacks does no harm."""

_START_SECONDS: Final = 300.0
_LATE: Final = 15.0
"""Seconds a run may take longer than its limit before its pool is given up, and a killed process until it is gone."""

_OBEY: Final = 10.0
"""Seconds for the zygote to kill its ranks, clear up and exit."""

_FEWEST: Final = 8
_PER_CORE: Final = 4
"""Ranks that a machine may be asked to run: eight, or four to a core."""

_OTHER_RANKS: Final = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"),
    *("ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RUN_ID"),
)


class Pool:
    """Where ranks come from. Use it as a context manager, and for many runs: its start takes seconds, a run does not.

    Args:
        preload: modules that every rank will have imported; none of them may compute or start a thread.
        start: `fork`, `spawn` (a new interpreter a rank), or `auto`: spawn where CUDA is.
        group: whether more than one rank make a process group (nccl with a device for each rank, else gloo).
    """

    def __init__(
        self,
        preload: Sequence[str] = PRELOAD,
        *,
        start: Literal["auto", "fork", "spawn"] = "auto",
        group: bool = True,
    ) -> None:
        if not hasattr(os, "fork"):
            raise ProofError("ranks are started by fork, which this system does not have")
        self._preload = tuple(preload)
        self._start = start
        self._group = group
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the pool and remove its files."""
        self._closed = True
        self._give_up()

    def _give_up(self) -> None:
        if self._zygote is not None:
            self._zygote.end()
            self._zygote = None

    @contextmanager
    def folder(self) -> Iterator[str]:
        """A folder that outlives a run; removed at the end."""
        with tempfile.TemporaryDirectory(prefix="meshfit-proof-", ignore_cleanup_errors=True) as path:
            yield path

    def refuses(self, world_size: int) -> str:
        """Why so many ranks cannot run; empty where they can."""
        most = max(_FEWEST, _PER_CORE * (os.cpu_count() or 1))
        return "" if world_size <= most else f"this machine runs {most} at most"

    def warm(self) -> None:
        """Start now what the first run would start.

        Raises:
            ProofError: the pool is closed, or cannot start.
        """
        with self._lock:
            self._started()

    def _started(self) -> _Zygote:
        if self._closed:
            raise ProofError("this pool of ranks is closed")
        if self._zygote is None:
            self._zygote = _Zygote(self._preload, self._start)
        try:
            self._zygote.wait_until_ready()
        except BaseException:
            self._give_up()
            raise
        return self._zygote

    def run(
        self, task: str, payload: Mapping[str, Any] | None = None, *, world_size: int, limits: Limits | None = None
    ) -> Run:
        """Run a task on ranks, and wait for all of them.

        Args:
            task: `package.module:function`, called as `function(rank: Rank, payload) -> JSON`.
            payload: JSON.
            world_size: how many ranks.
            limits: what they may use; `Limits()` when left out.

        Raises:
            ProofError: the pool is closed, or cannot start.
            TypeError: the payload is no JSON.
        """
        limits = limits or Limits()
        group = self._group and world_size > 1
        with self._lock:
            zygote = self._started()
            try:
                answer = zygote.ask(task, payload or {}, world_size, limits, group=group)
            except TypeError:
                raise
            except (Gone, TimeoutError):
                self._give_up()
                return Run((), 0.0, 0, "lost")
            except BaseException:  # Ctrl-C above all
                self._give_up()
                raise
        seconds, memory, state, first, ranks = answer
        return Run(tuple(RankEnd(*end) for end in ranks), seconds, memory, state, first and RankEnd(*first))


class _Zygote:
    """The process that forks, as its caller sees it."""

    def __init__(self, preload: Sequence[str], start: str) -> None:
        self._ready = False
        self._runs = 0
        with _no_interruption():
            self._folder = tempfile.mkdtemp(prefix="meshfit-ranks-")
            self._link, theirs = socket.socketpair()
            given = {
                "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100 - an empty entry is where we are
                "link": theirs.fileno(),
                "folder": self._folder,
                "preload": preload,
                "start": start,
            }
            with theirs, self._log().open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
                    [sys.executable, "-c", BOOT, json.dumps(given)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C at a terminal is ours to handle
                )
            self.end: weakref.finalize[..., _Zygote] = weakref.finalize(
                self, _end, process, self._link, self._folder, os.getpid()
            )

    def _log(self) -> Path:
        return Path(self._folder, "log")

    def wait_until_ready(self) -> None:
        """Wait for the imports.

        Raises:
            ProofError: they failed.
        """
        if self._ready:
            return
        try:
            receive(self._link, _START_SECONDS)
        except (Gone, TimeoutError) as fault:
            lines = self._log().read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise ProofError(
                f"the process that starts ranks did not start: {lines[-1] if lines else fault!r}"
            ) from fault
        self._ready = True

    def ask(self, task: str, payload: Mapping[str, Any], world_size: int, limits: Limits, *, group: bool) -> Any:
        """Order a run and wait for its end.

        Raises:
            Gone: the process was killed.
            TimeoutError: the run is long over its limit.
        """
        self._runs += 1
        folder = Path(self._folder, f"run-{self._runs}")
        folder.mkdir()
        order = {
            "task": task,
            "payload": payload,
            "world_size": world_size,
            "backend": "",
            "folder": str(folder),
            "seconds": limits.seconds,
            "began": 0.0,
        }
        try:
            send(self._link, {"order": order, "limits": limits, "group": group})
            return receive(self._link, limits.seconds + _LATE)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Ours, without another job of ranks; offline, one thread, and the loopback interface."""
    given = {name: value for name, value in os.environ.items() if name not in _OTHER_RANKS}
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), "lo")
    return {
        **given,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "GLOO_SOCKET_IFNAME": loopback,
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }


def _end(process: subprocess.Popen[bytes], link: socket.socket, folder: str, owner: int) -> None:
    """End the zygote: it kills its ranks when the link closes. Whoever does not obey is killed."""
    if os.getpid() != owner:  # a fork of the owner ends
        return
    with _no_interruption():
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)  # for forks of ours that hold it too
        link.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_OBEY)
        if process.returncode != 0:  # then nobody has cleared up after its ranks
            _kill_group(process.pid)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _kill_group(leader: int) -> None:
    """Kill what is left of a process group, and see it go."""
    until = time.monotonic() + _LATE
    with suppress(OSError):  # none is left
        while time.monotonic() < until:
            os.killpg(leader, signal.SIGKILL)
            time.sleep(0.01)


@contextmanager
def _no_interruption() -> Iterator[None]:
    """A Ctrl-C, or the second one, is obeyed when this is done."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if asked:
            signal.raise_signal(signal.SIGINT)
