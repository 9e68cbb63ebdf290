"""Which of several failures came first."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from meshfit.proof.runs import RankEnd, settle

RESET = "[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:26542."
LATE = "[gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 90000ms for recv operation to complete"


def raised(rank: int, message: str, at: float, **more: Any) -> RankEnd:
    """A rank that raised."""
    return RankEnd(rank, "raised", kind="RuntimeError", message=message, at=at, **more)


def died(rank: int, number: signal.Signals, at: float, output: str = "") -> RankEnd:
    """A rank that a signal ended."""
    return RankEnd(rank, "died", signal=number, message=f"killed by {number.name}", at=at, output=output)


def test_all_ranks_done_is_done() -> None:
    """There is no first cause."""
    assert settle([RankEnd(0, "done"), RankEnd(1, "done")], "") == ("done", None)


def test_the_earliest_own_error_is_first() -> None:
    """Whatever the number of its rank."""
    ends = [raised(0, "later", 2.0), raised(1, "sooner", 1.0)]
    assert settle(ends, "") == ("failed", ends[1])


def test_a_survivor_is_never_first() -> None:
    """Even when it was seen to fail before the rank that died."""
    ends = [raised(0, RESET, 1.0), died(1, signal.SIGKILL, 1.1)]
    assert settle(ends, "") == ("failed", ends[1])


def test_a_survivor_may_abort() -> None:
    """A thread of the transport meets the broken connection, and ends the process."""
    printed = f"terminate called after throwing an instance of 'gloo::IoException'\n  what():  {RESET}"
    ends = [died(0, signal.SIGABRT, 1.0, printed), raised(1, "my own", 1.1)]
    assert settle(ends, "") == ("failed", ends[1])


def test_of_two_deaths_at_once_the_abort_is_second() -> None:
    """A rank aborts because of another more often than the other way round."""
    ends = [died(0, signal.SIGABRT, 1.0), died(1, signal.SIGSEGV, 1.0)]
    assert settle(ends, "") == ("failed", ends[1])


def test_survivors_alone_still_have_a_first() -> None:
    """Somebody must be named."""
    ends = [raised(0, RESET, 1.1), raised(1, RESET, 1.0)]
    assert settle(ends, "") == ("failed", ends[1])


def test_a_collective_that_gave_up_is_a_hang() -> None:
    """The rank it waited for is named: it stands elsewhere."""
    waiting = raised(0, LATE, 90.0, trace="in all_reduce distributed_c10d.py")
    sleeping = RankEnd(1, "stopped", trace='File "model.py", line 3 in forward')
    assert settle([waiting, sleeping], "") == ("hang", sleeping)


def test_a_watchdog_that_aborts_is_a_hang() -> None:
    """It has printed why."""
    printed = "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)"
    ends = [died(0, signal.SIGABRT, 9.0, printed), RankEnd(1, "stopped")]
    assert settle(ends, "") == ("hang", ends[1])


def test_a_failure_before_the_limit_is_no_hang() -> None:
    """The rank that waited for the one that failed is stopped by the limit; that is not why."""
    ends = [RankEnd(0, "stopped"), raised(1, "my own", 1.0)]
    assert settle(ends, "hang") == ("failed", ends[1])


@pytest.mark.parametrize(
    "message", ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"]
)
def test_memory_that_is_not_there_is_memory(message: str) -> None:
    """It says nothing of the model."""
    ends = [raised(0, message, 1.0)]
    assert settle(ends, "") == ("memory", ends[0])


def test_the_rank_that_took_the_memory_is_named() -> None:
    """The others were only stopped."""
    ends = [RankEnd(0, "stopped"), RankEnd(1, "stopped", message="7 bytes of memory, more than 6")]
    assert settle(ends, "memory") == ("memory", ends[1])
