"""Ranks run a task together, and the one that failed first is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshfit.proof.ranks import Limits, Pool, Run

TASKS = "tests.proof.planted_ranks"
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool with torch alone: nothing here needs transformers."""
    with Pool(["torch", "torch.distributed"]) as started:
        yield started


def total(pool: Pool, first: str, **limits: float) -> Run:
    """Two ranks sum up; the last does first what `first` says."""
    given = Limits(**{"seconds": 20, "idle": 1, **limits})
    return pool.run(f"{TASKS}:total", {"first": first}, world_size=2, limits=given)


def test_ranks_find_each_other(pool: Pool) -> None:
    """A collective over two ranks has both."""
    run = total(pool, "")
    assert run.state == "done"
    assert [end.value for end in run.ranks] == [2.0, 2.0]


def test_four_ranks_are_four_processes(pool: Pool) -> None:
    """Each knows its place."""
    run = pool.run(f"{TASKS}:tell", {"axis": "tp"}, world_size=4)
    assert [end.value["rank"] for end in run.ranks] == [0, 1, 2, 3]
    assert run.ranks[3].value == {"rank": 3, "of": 4, "device": "cpu", "backend": "gloo", "axis": "tp"}


def test_the_rank_that_raised_is_the_first_cause(pool: Pool) -> None:
    """The survivor's broken connection is not."""
    run = total(pool, "raise")
    assert run.state == "failed"
    assert run.first == run.ranks[1]
    assert (run.first.kind, run.first.message) == ("ValueError", "my own error")
    assert "planted_ranks.py" in run.first.trace
    assert run.ranks[0].state == "raised"


@pytest.mark.parametrize(
    ("how", "state", "said"),
    [
        ("kill", "died", "killed by SIGKILL"),
        ("abort", "died", "killed by SIGABRT"),
        ("exit", "left", "exited with code 0 in the midst of it"),
        ("leave", "left", "exited with code 3 in the midst of it"),
    ],
)
def test_the_rank_that_died_is_the_first_cause(pool: Pool, how: str, state: str, said: str) -> None:
    """A rank that goes without a word is told by how it went."""
    run = total(pool, how)
    assert run.state == "failed"
    assert run.first == run.ranks[1]
    assert (run.first.state, run.first.message, run.first.step) == (state, said, "task")


def test_an_abort_tells_where_it_happened(pool: Pool) -> None:
    """Python's stack at the signal is in what the rank printed."""
    run = total(pool, "abort")
    assert run.first
    assert "planted_ranks.py" in run.first.trace


def test_a_rank_that_waits_for_ever_is_a_hang(pool: Pool) -> None:
    """One rank waits in a collective, the other sleeps: the sleeper is named, with where it stands."""
    run = total(pool, "sleep")
    assert run.state == "hang"
    assert run.seconds < 40
    assert run.first == run.ranks[1]
    assert " in end" in run.first.trace
    assert "all_reduce" in run.ranks[0].trace


def test_a_rank_that_computes_to_the_limit_is_no_deadlock(pool: Pool) -> None:
    """Nobody can tell whether it would have come to an end."""
    run = total(pool, "spin", seconds=2)
    assert run.state == "slow"
    assert 2 < run.seconds < 40


def test_a_task_is_done_only_when_all_ranks_are(pool: Pool) -> None:
    """A rank that finished while another failed did not succeed, but its value is kept."""
    run = pool.run(f"{TASKS}:raise_on_the_last", {}, world_size=2)
    assert run.first == run.ranks[1]
    assert run.first.message == "7 heads over 2 ranks"
    assert run.first.step == "forward"
    assert (run.ranks[0].state, run.ranks[0].step) == ("raised", "barrier")


def test_a_rank_that_does_not_follow_is_stopped(pool: Pool) -> None:
    """Once one has failed, the others have a second."""
    run = pool.run(f"{TASKS}:raise_on_the_last", {"seconds": 600}, world_size=2)
    assert run.state == "failed"
    assert run.first == run.ranks[1]
    assert run.ranks[0].state == "stopped"
    assert run.seconds < 60


def test_an_empty_run_costs_little(pool: Pool) -> None:
    """Two ranks come, meet and go in no time; the best of five, on a machine that others share."""
    assert min(pool.run(f"{TASKS}:tell", {}, world_size=2).seconds for _ in range(5)) < 2


def test_ranks_started_anew_find_each_other() -> None:
    """As under CUDA, which no fork survives."""
    with Pool(["torch"], start="spawn") as pool:
        run = total(pool, "", idle=10, seconds=60)
    assert run.state == "done"
    assert [end.value for end in run.ranks] == [2.0, 2.0]
