"""`Job`: the ranks that torchrun started, as `prove` uses a pool. Every rank makes the same calls."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

from typing_extensions import Self

from meshfit.errors import ProofError
from meshfit.proof.joined import run_here
from meshfit.proof.ranks import Pool
from meshfit.proof.runs import Limits, RankEnd, Run

__all__ = ["Job", "is_job"]

_NAMES: Final = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_START: Final = 300.0
"""Seconds for a pool to start on another rank."""


def is_job() -> bool:
    """Whether this process is a rank of a job that torchrun, or whoever speaks its language, started."""
    return all(name in os.environ for name in _NAMES)


class Job:
    """The ranks of this job. What takes one process runs once on each node, from a pool of its own.

    After a run that is not `done` the ranks may be stuck in each other: nothing runs afterwards, and they leave by
    `os._exit`.
    """

    def __init__(self) -> None:
        self.rank: int = int(os.environ["RANK"])
        self.world: int = int(os.environ["WORLD_SIZE"])
        self.broken: bool = False
        self._local = int(os.environ.get("LOCAL_RANK", self.rank))
        self._node = os.environ.get("GROUP_RANK", "0")
        self._calls = 0
        self._pool: Pool | None = None
        self._kept: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.close()

    @property
    def _store(self) -> Any:
        """Where ranks leave each other words."""
        if self._kept is None:
            import torch.distributed as dist

            host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            client = dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=_START))
            self._kept = dist.PrefixStore("meshfit-job", client)
        return self._kept

    @contextmanager
    def folder(self) -> Iterator[str]:
        """A folder that the ranks of a node share; removed at the end."""
        self._calls += 1
        key = f"folder/{self._node}/{self._calls}"
        if self._local == 0:
            self._store.set(key, tempfile.mkdtemp(prefix="meshfit-proof-"))
        path = self._store.get(key).decode()
        try:
            yield path
        finally:
            if self._local == 0:
                shutil.rmtree(path, ignore_errors=True)

    def refuses(self, world_size: int) -> str:
        """Why so many ranks cannot run; empty where they can."""
        return "" if world_size == self.world else f"this job has {self.world}"

    def run(
        self, task: str, payload: Mapping[str, Any] | None = None, *, world_size: int, limits: Limits | None = None
    ) -> Run:
        """As `Pool.run`; `world_size` is 1 or the job's."""
        limits = limits or Limits()
        self._calls += 1
        if self.broken:
            return Run((), 0.0, 0, "lost")
        if world_size == 1:
            key = f"run/{self._node}/{self._calls}"
            if self._local == 0:
                self._store.set(key, json.dumps(self._alone(task, payload, limits)))
        else:
            key = f"run/{self._calls}"
            run = run_here(task, payload, limits=limits)
            if run is not None:
                self._store.set(key, json.dumps(run))
        ended = _run_of(json.loads(self._store.get(key)))
        self.broken = world_size > 1 and ended.state != "done"
        return ended

    def _alone(self, task: str, payload: Mapping[str, Any] | None, limits: Limits) -> Run:
        """A run of one process; where none can be started, the others must not wait for it."""
        try:
            self._pool = self._pool or Pool()
            return self._pool.run(task, payload, world_size=1, limits=limits)
        except ProofError as fault:
            end = RankEnd(0, "raised", "start", kind=ProofError.__name__, message=str(fault))
            return Run((end,), 0.0, 0, "failed", end)


def _run_of(values: list[Any]) -> Run:
    ranks, seconds, memory, state, first = values
    return Run(tuple(RankEnd(*end) for end in ranks), seconds, memory, state, first and RankEnd(*first))
