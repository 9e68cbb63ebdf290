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


def total(pool: Pool, first: str, limits: Limits | None = None) -> Run:
    """Two ranks sum up; the last does first what `first` says."""
    return pool.run(f"{TASKS}:total", {"first": first}, world_size=2, limits=limits or Limits(seconds=20, idle=1))


def test_ranks_find_each_other(pool: Pool) -> None:
    """A collective over two ranks has both."""
    run = total(pool, "")
    assert run.state == "done"
    assert [end.value for end in run.ranks] == [2.0, 2.0]


def test_the_rank_that_raised_is_the_first_cause(pool: Pool) -> None:
    """The survivor's broken connection is not."""
    run = total(pool, "raise")
    assert run.state == "failed"
    assert run.first == run.ranks[1]
    assert run.first.kind == "ValueError"
    assert run.first.message == "my own error"
    assert "planted_ranks.py" in run.first.trace
    assert run.ranks[0].state == "raised"
