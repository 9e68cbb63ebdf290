"""What the kernel tells of a running process: its memory, whether it gets on, who came out of it.

Linux tells all of it in `/proc`. Elsewhere psutil tells the memory, where it is installed, and the rest is unknown.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

__all__ = [
    "MemoryWatch",
    "ProgressWatch",
    "children_of",
    "kills_for_memory",
    "mapped_segments",
    "segments",
    "unlink_segments",
]

_PROC: Final = sys.platform.startswith("linux")
_ANON: Final = re.compile(rb"RssAnon:\s+(\d+)")
_SHMEM: Final = re.compile(rb"RssShmem:\s+(\d+)")
_PSS: Final = tuple(re.compile(rb"\nPss_%s:\s+(\d+)" % kind) for kind in (b"Anon", b"Shmem"))
_OOM: Final = re.compile(rb"^oom_kill (\d+)", re.MULTILINE)
_SHARED: Final = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory
_SEGMENT: Final = re.compile(rf"{_SHARED}/([^\s/]+)")


def _read(path: str) -> bytes:
    """The file of `/proc`; empty where the process has ended, or there is no such file."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - read many times a second
            return file.read()
    except OSError:
        return b""


def _kilobytes(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.search(text)
    return int(found.group(1)) << 10 if found else 0


class _Usage(NamedTuple):
    private: int
    shared: int


class MemoryWatch:
    """The resident bytes of several processes together, shared pages counted once; files that are mapped do not count.

    The exact figure costs milliseconds, so it is asked for only when an upper bound has grown enough since to matter.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exact = 0
        self._bound = 0
        self.sharing: set[int] = set()
        """Processes that mapped shared memory when they were last looked at."""

    def over(self, pids: Iterable[int]) -> tuple[int, int] | None:
        """The bytes of all and the largest process, when they are more than the limit; else None."""
        if not _PROC:
            return self._by_psutil(pids)
        usages = {pid: _usage(pid) for pid in pids}
        self.sharing = {pid for pid, usage in usages.items() if usage.shared}
        bound = sum(usage.private + usage.shared for usage in usages.values())
        if bound <= self._limit or (self._exact and self._exact + bound - self._bound <= self._limit):
            return None
        exact = {pid: _proportional(pid) for pid in usages}
        self._exact, self._bound = sum(exact.values()), bound
        return self._verdict(exact)

    def _verdict(self, exact: dict[int, int]) -> tuple[int, int] | None:
        total = sum(exact.values())
        return (total, max(exact, key=lambda pid: exact[pid])) if total > self._limit else None

    def _by_psutil(self, pids: Iterable[int]) -> tuple[int, int] | None:
        try:
            psutil = importlib.import_module("psutil")
        except ImportError:
            return None
        exact = {}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                exact[pid] = int(psutil.Process(pid).memory_info().rss)
        return self._verdict(exact)


def _usage(pid: int) -> _Usage:
    status = _read(f"/proc/{pid}/status")
    return _Usage(_kilobytes(_ANON, status), _kilobytes(_SHMEM, status))


def _proportional(pid: int) -> int:
    rollup = _read(f"/proc/{pid}/smaps_rollup")
    return sum(_kilobytes(pattern, rollup) for pattern in _PSS)


class ProgressWatch:
    """Since when no process of several got on: computed, waited for a disk, or had a child at work.

    Waiting for a core does not count: a transport that polls waits for one all day on a loaded machine, and a rank that
    has work gets its share in ten seconds.
    """

    _SHARE: Final = 0.02  # of the time; a poll of a file costs less, the slowest work more

    def __init__(self, now: float) -> None:
        self._since = now
        self._spent = 0

    def idle(self, pids: Iterable[int], now: float) -> float:
        """Seconds without progress up to now; 0 where the kernel does not tell."""
        spent, busy = 0, not _PROC
        for pid in pids:
            ran, working = _ran(pid)
            spent += ran
            busy |= working
        if busy or spent < self._spent or spent - self._spent > self._SHARE * 1e9 * max(now - self._since, 0.5):
            self._since, self._spent = now, spent
        return now - self._since


def _ran(pid: int) -> tuple[int, bool]:
    """Nanoseconds all threads ran; whether one waits for a disk or has children."""
    spent = 0
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names suffice
    except OSError:
        return 0, False
    for thread in threads:
        folder = f"/proc/{pid}/task/{thread}"
        times = _read(f"{folder}/schedstat").split()
        if not times:
            return 0, True
        spent += int(times[0])
        if _read(f"{folder}/children").strip() or b") D " in _read(f"{folder}/stat"):
            return spent, True
    return spent, False


def children_of(pid: int) -> list[int]:
    """The living children of a process; empty where the kernel does not tell."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names suffice
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def kills_for_memory() -> int:
    """How many processes the kernel has killed since it started, because memory ran out."""
    found = _OOM.search(_read("/proc/vmstat"))
    return int(found.group(1)) if found else 0


def segments() -> frozenset[str]:
    """Names of all shared memory."""
    try:
        return frozenset(os.listdir(_SHARED))  # noqa: PTH208 - names suffice
    except OSError:
        return frozenset()


def mapped_segments(pid: int) -> set[str]:
    """Names of the shared memory that a process maps."""
    return set(_SEGMENT.findall(_read(f"/proc/{pid}/maps").decode(errors="replace")))


def unlink_segments(mapped: Iterable[str], pids: Iterable[int]) -> None:
    """Remove shared memory that ended processes have left behind: what they mapped, and what torch named after them."""
    named = [path for pid in pids for path in _SHARED.glob(f"torch_{pid}_*")]
    for path in [*(_SHARED / name for name in mapped), *named]:
        with contextlib.suppress(OSError):
            path.unlink()
