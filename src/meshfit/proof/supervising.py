"""One run of ranks from their first moment to their last: started, listened to, held to their limits, cleared away."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NoReturn

from meshfit.proof.child import Child
from meshfit.proof.messages import Gone
from meshfit.proof.rank import Order, stack_file
from meshfit.proof.runs import Limits, Run, settle
from meshfit.proof.watching import (
    MemoryWatch,
    ProgressWatch,
    children_of,
    kills_for_memory,
    mapped_segments,
    segments,
    unlink_segments,
)

__all__ = ["Start", "supervise"]

Start = Callable[[int, int, int], NoReturn]
"""Becomes a rank in a process just forked: its number, where it reports, where it prints."""

_TICK: Final = 0.05
"""Seconds between two looks at the memory; a process can take about 100 MB in them."""

_PULSE: Final = 0.25
"""Seconds between two looks at whether ranks get on."""

_GRACE: Final = 1.0
"""Seconds in which the other ranks may tell their own error, once one has failed."""

_LAST_WORDS: Final = 0.25
"""Seconds for a stopped rank to write its stack, and for processes a rank had started to clear up after it."""

_UNKILLABLE: Final = 5.0
"""Seconds after which a process that does not die is left to the kernel, in whose hands it is."""


def supervise(order: Order, limits: Limits, start: Start, link: socket.socket) -> Run:
    """Run an order.

    Args:
        order: what every rank does.
        limits: what they may use.
        start: becomes a rank.
        link: to the caller; the ranks end when it closes.

    Raises:
        Gone: the caller is no more; nothing is left of the ranks.
    """
    run = _Supervisor(order, limits, link)
    try:
        run.begin(start)
        while run.goes_on():
            run.listen(_TICK)
            run.hold_to_limits()
    finally:
        run.clear()
    return run.result()


class _Supervisor:
    """The ranks of one run."""

    def __init__(self, order: Order, limits: Limits, link: socket.socket) -> None:
        self._order = order
        self._limits = limits
        self._link = link
        self._children: list[Child] = []
        self._memory = MemoryWatch(limits.memory)
        self._progress = ProgressWatch(time.monotonic())
        self._next_look = 0.0
        self._next_pulse = 0.0
        self._stop_at = order.began + limits.seconds
        self._failed = False
        self._stopped_for: Literal["", "hang", "slow", "memory"] = ""
        self._kills = kills_for_memory()
        self._segments = segments()
        self._mapped: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(link, selectors.EVENT_READ)
        self._bell, rung = socket.socketpair()
        self._rung = rung
        for end in (self._bell, rung):
            end.setblocking(False)
        self._selector.register(rung, selectors.EVENT_READ)

    def begin(self, start: Start) -> None:
        """Fork the ranks."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        for rank in range(self._order.world_size):
            child = Child.fork(rank, start)
            self._children.append(child)
            for pipe in child.pipes():
                self._selector.register(pipe, selectors.EVENT_READ, child)

    def goes_on(self) -> bool:
        """Whether a rank still lives."""
        return any(child.lives for child in self._children)

    def listen(self, seconds: float) -> None:
        """Take what the ranks tell and print, for at most about these seconds, and see who has ended.

        Raises:
            Gone: the caller is no more.
        """
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._link:
                raise Gone
            if key.fileobj is self._rung:
                with contextlib.suppress(BlockingIOError):
                    self._rung.recv(4096)
            elif not key.data.read(key.fd):
                self._selector.unregister(key.fd)
        now = time.monotonic()
        for child in self._children:
            if child.reap(now - self._order.began) and not child.done and not self._failed:
                self._failed = True
                self._stop_at = min(self._stop_at, now + _GRACE)

    def hold_to_limits(self) -> None:
        """Stop the ranks that have used more than they may."""
        now = time.monotonic()
        if now < min(self._next_look, self._stop_at):
            return
        self._next_look = now + _TICK
        living = [child for child in self._children if child.lives]
        pids = [child.pid for child in living]
        over = self._memory.over(pids)
        for pid in self._memory.sharing:
            self._mapped |= mapped_segments(pid)
        if over:
            total, largest = over
            for child in living:
                if child.pid == largest:
                    child.message = f"{total} bytes of memory, more than {self._limits.memory}"
            self._stop("memory", living)
        elif now >= self._stop_at and self._failed:
            self._stop("", living)
        elif now >= self._next_pulse or now >= self._stop_at:
            self._next_pulse = now + _PULSE
            idle = self._progress.idle(pids, now)
            if self._limits.idle and idle > self._limits.idle:
                self._stop("hang", living)
            elif now >= self._stop_at:
                self._stop("hang" if idle > min(1.0, self._limits.seconds / 4) else "slow", living)

    def _stop(self, why: Literal["", "hang", "slow", "memory"], living: Sequence[Child]) -> None:
        self._stopped_for = why
        if why != "memory":  # there is no time to lose
            self._look_at_stacks(living)
        for child in living:
            child.stop()
        until = time.monotonic() + _GRACE
        while self.goes_on() and time.monotonic() < until:
            self.listen(_TICK)

    def _look_at_stacks(self, living: Sequence[Child]) -> None:
        asked = []
        for child in living:
            file = stack_file(self._order.folder, child.rank)
            if file.exists():  # then the rank does not die of the signal
                asked.append((child, file))
                child.signal(signal.SIGUSR1)
        until = time.monotonic() + _LAST_WORDS
        while any(child.lives and not _whole(file) for child, file in asked) and time.monotonic() < until:
            self.listen(0.01)
        for child, file in asked:
            child.trace = "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[:20])

    def clear(self) -> None:
        """Leave no process, no shared memory and no open file."""
        for child in self._children:
            child.stop()
        ranks = {child.pid for child in self._children}
        began = time.monotonic()
        while left := {*children_of(os.getpid()), *(child.pid for child in self._children if child.lives)}:
            now = time.monotonic()
            if now - began > _UNKILLABLE:
                break
            for pid in left:
                with contextlib.suppress(OSError):
                    # a process that a rank had started may be there to clear up after it; not for long
                    if now - began > _LAST_WORDS:
                        os.kill(pid, signal.SIGKILL)
                    if pid not in ranks:
                        os.waitpid(pid, os.WNOHANG)
            for child in self._children:
                child.reap(now - self._order.began)
            time.sleep(0.002)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for child in self._children:
            child.close()
        self._selector.close()
        self._bell.close()
        self._rung.close()
        unlink_segments(self._mapped - self._segments, [child.pid for child in self._children])

    def result(self) -> Run:
        """How it went."""
        killed = kills_for_memory() > self._kills
        ends = tuple(child.end(killed_for_memory=killed) for child in self._children)
        state, first = settle(ends, self._stopped_for)
        seconds = time.monotonic() - self._order.began
        return Run(ends, seconds, max((child.memory for child in self._children), default=0), state, first)


def _whole(file: Path) -> bool:
    """Whether a stack has been written: the outermost frame of a rank is that of the boot code."""
    with contextlib.suppress(OSError):
        return b"<string>" in file.read_bytes()
    return False
