"""What a run of ranks may use, how each rank ended, and which of their errors came first."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from meshfit.errors import MeshfitError

__all__ = ["Limits", "RankEnd", "RankState", "Run", "RunState", "limits_of", "settle"]

RankState = Literal["done", "raised", "died", "left", "stopped"]
"""`done`: returned, and so did every other. `raised`: an exception left the task. `died`: by a signal that nobody here
sent. `left`: exited in the midst of the task. `stopped`: by the limits, or because another rank had ended badly."""

RunState = Literal["done", "failed", "hang", "slow", "memory", "lost"]
"""`done`: every rank was. `failed`: `Run.first` tells why. `hang`: ranks waited for each other, and nobody computed.
`slow`: the time was over while a rank still computed. `memory`: more than the limit, or than the machine has. `lost`:
the process that watches the ranks was killed."""


class Limits(NamedTuple):
    """What all ranks of a run may use together.

    Args:
        seconds: of wall time, from the start of the ranks.
        memory: bytes resident, pages that ranks share counted once.
        idle: seconds in which no rank computes or reads a disk, after which they are taken to wait for each
            other; 0 leaves that to `seconds`.
    """

    seconds: float = 120.0
    memory: int = 6 << 30
    idle: float = 10.0


class RankEnd(NamedTuple):
    """How one rank ended.

    Args:
        rank: its number.
        state: see `RankState`.
        step: what it last said it was about to do.
        value: what the task returned, as JSON holds it.
        kind: the type of the exception.
        message: its first line, or what is known instead.
        trace: the last 20 lines of the traceback, of an exception or of where the rank stood when it was stopped.
        signal: that ended it.
        code: that it exited with.
        output: the tail of what it printed.
        at: seconds after the start of the run.
    """

    rank: int
    state: RankState
    step: str = ""
    value: Any = None
    kind: str = ""
    message: str = ""
    trace: str = ""
    signal: int | None = None
    code: int | None = None
    output: str = ""
    at: float = 0.0


def limits_of(seconds: float, memory: float) -> Limits:
    """Limits that a user asked for.

    Raises:
        MeshfitError: one is not positive.
    """
    for name, value in (("timeout", seconds), ("memory", memory)):
        if not 0 < value < float("inf"):
            raise MeshfitError(f"{name} must be positive, got {value:g}")
    return Limits(seconds=seconds, memory=int(memory))


class Run(NamedTuple):
    """How a task ended on all ranks.

    Args:
        ranks: one end a rank, in order.
        seconds: wall time.
        memory: peak resident bytes of the largest rank, shared pages included.
        state: see `RunState`.
        first: the rank whose own failure came first; None when all are done, or nobody knows.
    """

    ranks: tuple[RankEnd, ...]
    seconds: float
    memory: int
    state: RunState
    first: RankEnd | None = None


_SURVIVOR: Final = re.compile(
    r"connection (?:was )?(?:reset|closed|refused|aborted)|closed by peer|broken pipe|socket (?:closed|timeout)"
    r"|peer closed|pair closure|remote process (?:exited|terminated)|ncclRemoteError|end of file",
    re.IGNORECASE,
)
"""What a rank says that waited for one that is no more (gloo's and nccl's transports)."""

_WAITED: Final = re.compile(
    r"timed out waiting|wait timeout after|watchdog caught collective operation timeout|application timeout"
    r"|timed out after \d+ ?(?:ms|seconds)",
    re.IGNORECASE,
)
"""What a rank says that waited for one that never came."""

_NO_MEMORY: Final = re.compile(r"can't allocate memory|out of memory|cannot allocate memory", re.IGNORECASE)


def settle(
    ends: Sequence[RankEnd], stopped_for: Literal["", "hang", "slow", "memory"]
) -> tuple[RunState, RankEnd | None]:
    """How the run ended, and the rank whose own failure came first.

    Args:
        ends: of all ranks.
        stopped_for: the limit that ended it; empty when it ended by itself.
    """
    if all(end.state == "done" for end in ends):
        return "done", None
    causes = sorted((end for end in ends if end.state not in ("done", "stopped")), key=_precedence)
    own = [end for end in causes if not _survived(end)]
    if own and not _ran_out_of_time(own[0]):
        return ("memory" if _ran_out_of_memory(own[0]) else "failed"), own[0]
    if stopped_for == "memory":
        return "memory", _largest(ends)
    if stopped_for:
        return stopped_for, _straggler(ends)
    if own:
        return "hang", _straggler(ends) or own[0]
    return "failed", causes[0] if causes else None


def _precedence(end: RankEnd) -> tuple[float, bool]:
    # two ranks may be seen to end at once; of these one that gave up on the other aborts
    return end.at, end.signal == signal.SIGABRT


def _said(end: RankEnd) -> str:
    """Its last words: a thread of the transport that meets an error aborts, and has only printed it."""
    return end.message if end.state == "raised" else end.output if end.signal == signal.SIGABRT else ""


def _survived(end: RankEnd) -> bool:
    return bool(_SURVIVOR.search(_said(end))) and not _ran_out_of_time(end)


def _ran_out_of_time(end: RankEnd) -> bool:
    return bool(_WAITED.search(_said(end)))


def _ran_out_of_memory(end: RankEnd) -> bool:
    return end.kind in ("MemoryError", "OutOfMemoryError") or (
        end.state == "raised" and bool(_NO_MEMORY.search(end.message))
    )


def _largest(ends: Sequence[RankEnd]) -> RankEnd | None:
    """The rank that was told to be the largest: the only one with a message."""
    return next((end for end in ends if end.state == "stopped" and end.message), None)


def _straggler(ends: Sequence[RankEnd]) -> RankEnd | None:
    """The rank the others waited for: one that stands elsewhere than in a collective, else the lowest."""
    stopped = [end for end in ends if end.state == "stopped"]
    elsewhere = [end for end in stopped if end.trace and "distributed_c10d" not in end.trace]
    return next(iter(elsewhere or stopped), None)
