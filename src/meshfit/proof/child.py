"""A rank as the process sees it that started it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from meshfit.proof.runs import RankEnd

__all__ = ["Child"]

_CHUNK: Final = 1 << 20
_TAIL: Final = 8 << 10
_MOST: Final = 80 << 20
"""Bytes that are kept of what a rank reports; it reports less by itself."""


class Child:
    """One rank: a process, what it reports and what it prints.

    Args:
        rank: its number.
        pid: its process.
        report: file descriptor of what it tells.
        output: file descriptor of what it prints.
    """

    def __init__(self, rank: int, pid: int, report: int, output: int) -> None:
        self.rank = rank
        self.pid = pid
        self.lives: bool = True
        self.done: bool = False
        self.message: str = ""
        self.trace: str = ""
        self.memory: int = 0
        self._report = report
        self._output = output
        self._open = {report, output}
        self._told = bytearray()
        self._printed = bytearray()
        self._step = ""
        self._value: Any = None
        self._raised: dict[str, Any] | None = None
        self._at = 0.0
        self._stopped = False
        self._status = 0

    @classmethod
    def fork(cls, rank: int, start: Callable[[int, int, int], NoReturn]) -> Child:
        """Start a rank: `start` is called in it with its number, where it reports and where it prints."""
        report, tell = os.pipe()
        output, printed = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            try:
                start(rank, tell, printed)
            finally:
                os._exit(70)  # whatever happens, a rank never becomes a second zygote
        os.close(tell)
        os.close(printed)
        for pipe in (report, output):
            os.set_blocking(pipe, False)
        return cls(rank, pid, report, output)

    def pipes(self) -> tuple[int, int]:
        """The file descriptors to listen to."""
        return self._report, self._output

    def read(self, pipe: int) -> bool:
        """Take what is there, of what the rank reports or prints; False when there will be no more."""
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self._open.discard(pipe)
            return False
        if pipe == self._output:
            self._printed += data[-_TAIL:]
            del self._printed[:-_TAIL]
        elif len(self._told) + len(data) <= _MOST:
            self._told += data
            if b"\n" in data:
                self._listen()
        return True

    def _listen(self) -> None:
        *lines, rest = self._told.split(b"\n")
        self._told = bytearray(rest)
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "step" in message:
            self._step = message["step"]
        if "value" in message:
            self._value = message["value"]
        if "raised" in message:
            self._raised = message["raised"]
            self._at = message["raised"]["at"]
        if "done" in message:
            self.done = True
            self._at = message["done"]

    def reap(self, at: float) -> bool:
        """Whether the rank has just ended, after `at` seconds."""
        if not self.lives:
            return False
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status, usage = self.pid, 0, None
        if not pid:
            return False
        self.lives = False
        self._status = status
        if usage is not None:
            self.memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        for pipe in tuple(self._open):
            # a process that the rank has started may print for ever, so not until the end
            for _ in range(16):
                if not self.read(pipe):
                    break
        self._at = self._at or at
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the rank lives."""
        if self.lives:
            os.kill(self.pid, number)

    def stop(self) -> None:
        """Kill the rank, if it lives."""
        if self.lives:
            self._stopped = True
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Listen no more."""
        for pipe in self.pipes():
            with contextlib.suppress(OSError):
                os.close(pipe)

    def end(self, *, killed_for_memory: bool) -> RankEnd:
        """How the rank ended; the kernel may have killed processes for want of memory during the run."""
        output = self._printed.decode(errors="replace")
        number = os.WTERMSIG(self._status) if os.WIFSIGNALED(self._status) else None
        code = os.WEXITSTATUS(self._status) if os.WIFEXITED(self._status) else None
        base = RankEnd(self.rank, "done", self._step, self._value, output=output, signal=number, code=code, at=self._at)
        if self._raised is not None:
            raised = self._raised
            return base._replace(
                state="raised",
                step=raised["step"],
                kind=raised["kind"],
                message=raised["message"],
                trace=raised["trace"],
            )
        if self.done:
            return base
        if self._stopped and number == signal.SIGKILL:
            return base._replace(state="stopped", message=self.message, trace=self.trace)
        trace = "\n".join(output.splitlines()[-20:])
        if number is None:
            return base._replace(state="left", message=f"exited with code {code} in the midst of it", trace=trace)
        if killed_for_memory and number == signal.SIGKILL:
            message = "killed by the kernel for want of memory"
            return base._replace(state="died", kind="MemoryError", message=message, trace=trace)
        return base._replace(state="died", message=f"killed by {signal.Signals(number).name}", trace=trace)
