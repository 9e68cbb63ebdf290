"""How a run is judged by the ends of its ranks and by what they had found out before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshfit.evidence import Compared, Outcome
from meshfit.mesh import MeshSpec
from meshfit.proof.deciding import Decided, decide
from meshfit.proof.runs import RankEnd, Run
from meshfit.proof.telling import Findings

MESH = MeshSpec(tp_size=2)
EQUAL = Compared("equal", 1e-7)
DIFFERENT = Compared("different", 0.4)


def decided(folder: Path, state: Any, first: RankEnd | None = None, idle: str = "", **compared: Compared) -> Decided:
    """The verdict on a run of two ranks that found the same."""
    for rank in range(2):
        found = Findings(str(folder), MESH, rank)
        found.compared.update(compared)
        found.placed.update(sharded=4 + rank, experts=rank)
        found.idle.extend([idle] if idle else [])
        found.keep()
    return decide(Run((), 1.0, 1, state, first), str(folder), MESH)


def ended(step: str, message: str = "shapes differ", **more: Any) -> RankEnd:
    """A rank that failed."""
    return RankEnd(1, more.pop("state", "raised"), step, None, "RuntimeError", message, **more)


def test_equal_results_work(tmp_path: Path) -> None:
    """Of counts the least stands, of experts the fullest rank."""
    found = decided(tmp_path, "done", logits=EQUAL, gradients=EQUAL, loss=EQUAL)
    assert found.outcome is Outcome.WORKS
    assert found.placed == {"sharded": 4, "experts": 1}


@pytest.mark.parametrize("name", ["logits", "gradients", "loss"])
def test_a_difference_is_silent(tmp_path: Path, name: str) -> None:
    """Each of the three decides."""
    found = decided(tmp_path, "done", **{"logits": EQUAL, name: DIFFERENT})
    assert (found.outcome, found.step) == (Outcome.SILENT, "compare")
    assert name in found.reason


def test_results_that_are_no_numbers_are_told_so(tmp_path: Path) -> None:
    """No ratio describes them."""
    assert decided(tmp_path, "done", logits=Compared("different", 1e9)).reason == (
        "logits differ: some are no finite numbers"
    )


def test_tokens_and_reload_decide_nothing(tmp_path: Path) -> None:
    """They are told beside."""
    assert decided(tmp_path, "done", logits=EQUAL, tokens=DIFFERENT, reload=DIFFERENT).outcome is Outcome.WORKS


def test_nothing_spread_is_vacuous(tmp_path: Path) -> None:
    """It equals one process because it is one."""
    assert decided(tmp_path, "done", idle="tp", logits=EQUAL).outcome is Outcome.VACUOUS


@pytest.mark.parametrize(
    ("step", "outcome"),
    [("load", Outcome.CLEAN), ("hooks", Outcome.CLEAN), ("forward", Outcome.LATE), ("backward", Outcome.LATE)],
)
def test_an_error_is_clean_until_the_weights_are_loaded(tmp_path: Path, step: str, outcome: Outcome) -> None:
    """And the failing rank is named with its own error."""
    found = decided(tmp_path, "failed", ended(step))
    assert (found.outcome, found.step, found.rank) == (outcome, step, 1)
    assert found.reason == "RuntimeError: shapes differ"


def test_wrong_logits_outweigh_a_backward_that_fails(tmp_path: Path) -> None:
    """Whoever only runs the forward is told nothing by the engine."""
    assert decided(tmp_path, "failed", ended("backward"), logits=DIFFERENT).outcome is Outcome.SILENT


@pytest.mark.parametrize(("step", "name"), [("generate", "tokens"), ("save", "reload"), ("reload", "reload")])
def test_a_failure_after_all_that_decides_is_told_beside(tmp_path: Path, step: str, name: str) -> None:
    """The run was right so far."""
    found = decided(tmp_path, "failed", ended(step), logits=EQUAL, gradients=EQUAL)
    assert found.outcome is Outcome.WORKS
    assert found.compared[name].state == "failed"


def test_ranks_that_wait_for_each_other_hang(tmp_path: Path) -> None:
    """The step tells where."""
    found = decided(tmp_path, "hang", ended("backward", state="stopped"))
    assert (found.outcome, found.step) == (Outcome.HANG, "backward")


@pytest.mark.parametrize("state", ["memory", "slow", "lost"])
def test_limits_decide_nothing(tmp_path: Path, state: str) -> None:
    """The reason tells which."""
    found = decided(tmp_path, state, ended("forward", state="stopped"), logits=EQUAL)
    assert found.outcome is Outcome.UNDECIDED
    assert found.reason


def test_what_this_machine_lacks_decides_nothing(tmp_path: Path) -> None:
    """A CPU is no GPU."""
    found = decided(tmp_path, "failed", ended("forward", "\"addmm_impl\" not implemented for 'Half'"))
    assert found.outcome is Outcome.UNDECIDED


def test_a_proof_that_cannot_be_carried_out_decides_nothing(tmp_path: Path) -> None:
    """The model has done nothing wrong."""
    end = RankEnd(0, "raised", "load", None, "ProofError", "nobody knows how to cut an image")
    found = decided(tmp_path, "failed", end)
    assert (found.outcome, found.reason) == (Outcome.UNDECIDED, "nobody knows how to cut an image")


def test_attention_that_the_ring_of_a_cpu_does_not_run_decides_nothing(tmp_path: Path) -> None:
    """Along cp alone: along tp the same words are an error of the plan."""
    end = ended("forward", "aten.add.Tensor got mixed torch.Tensor and DTensor, need to convert")
    run = Run((), 1.0, 1, "failed", end)
    assert decide(run, str(tmp_path), MeshSpec(cp_size=2)).outcome is Outcome.UNDECIDED
    assert decide(run, str(tmp_path), MESH).outcome is Outcome.LATE


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ended("forward", "", state="died", signal=9), "signal 9"),
        (ended("forward", "", state="left", code=0), "code 0"),
    ],
)
def test_a_rank_that_is_gone_is_a_late_error(tmp_path: Path, end: RankEnd, told: str) -> None:
    """Killed, or gone by itself."""
    found = decided(tmp_path, "failed", end)
    assert found.outcome is Outcome.LATE
    assert told in found.reason


def test_a_run_that_compared_nothing_decides_nothing(tmp_path: Path) -> None:
    """Done is not equal."""
    assert decided(tmp_path, "done").outcome is Outcome.UNDECIDED
