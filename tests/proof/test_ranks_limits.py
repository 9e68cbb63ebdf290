"""Whatever a rank does, its run ends within its limits and leaves nothing behind. None of this needs torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshfit.errors import ProofError
from meshfit.proof.ranks import Limits, Pool, Run

TASKS = "tests.proof.planted_ranks"
ROOT = Path(__file__).parents[2]
MARK = "MESHFIT_TEST_MARK"


@pytest.fixture(autouse=True)
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Every process and temporary file of a test is known by a mark, and there is none of them at its end."""
    given = uuid.uuid4().hex
    monkeypatch.setenv(MARK, given)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield given
    assert not marked(given)
    assert not list(tmp_path.glob("meshfit-ranks-*"))


def marked(given: str) -> list[int]:
    """Processes that have the mark in their environment, but ours."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            state = (folder / "stat").read_text(encoding="utf-8").rsplit(") ", 1)[1][0]
        except OSError:
            continue
        if f"{MARK}={given}".encode() in environment and state != "Z" and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def run(task: str, payload: dict[str, Any] | None = None, world_size: int = 2, **limits: Any) -> Run:
    """Run in a pool of its own, without a process group."""
    with Pool([], group=False) as pool:
        return pool.run(f"{TASKS}:{task}", payload, world_size=world_size, limits=Limits(**{"seconds": 20, **limits}))


def test_memory_without_bound_is_stopped_at_its_limit() -> None:
    """The greedy rank is named."""
    ended = run("swallow", memory=400 << 20)
    assert ended.state == "memory"
    assert ended.first == ended.ranks[0]
    assert ended.first.message.endswith(f"bytes of memory, more than {400 << 20}")
    assert ended.memory < 1 << 30


def test_memory_that_nobody_has_is_no_fault_of_the_model() -> None:
    """An allocation that is refused at once is told as memory too."""
    ended = run("ask_for_too_much", world_size=1)
    assert ended.state == "memory"
    assert ended.first
    assert ended.first.kind == "MemoryError"


def test_gigabytes_on_stdout_do_no_harm() -> None:
    """They are drained, and only the tail is kept."""
    ended = run("print_gigabytes", world_size=1)
    assert ended.state == "done"
    assert ended.ranks[0].output.endswith("the last line\n")
    assert len(ended.ranks[0].output) <= 8 << 10


def test_ranks_that_all_sleep_are_a_hang() -> None:
    """Nobody computes, so nobody will come."""
    ended = run("alone", {"how": "sleep"}, idle=0.5)
    assert ended.state == "hang"
    assert [end.state for end in ended.ranks] == ["stopped", "stopped"]
    assert ended.seconds < 40


def test_without_patience_for_idleness_the_limit_of_time_holds() -> None:
    """`idle=0` waits to the limit, and still calls it a hang."""
    ended = run("alone", {"how": "sleep"}, idle=0, seconds=1.5)
    assert ended.state == "hang"
    assert 1.5 < ended.seconds < 40


@pytest.mark.parametrize("how", ["", "kill", "exit", "raise", "sleep"])
def test_nothing_that_a_rank_leaves_behind_outlives_its_run(mark: str, how: str) -> None:
    """Its own processes, in a session of their own; its shared memory; its files."""
    with Pool([], group=False) as pool:
        payload = {"how": how, "name": f"meshfit-{mark}"}
        pool.run(f"{TASKS}:leave_everything", payload, world_size=2, limits=Limits(seconds=1.5))
        assert len(marked(mark)) == 1  # the zygote
        assert not list(Path("/dev/shm").glob(f"meshfit-{mark}*"))  # noqa: S108
        assert not list(Path(tempfile.gettempdir()).glob("meshfit-ranks-*/run-*"))


def test_a_value_that_is_no_json_is_an_error_of_the_task() -> None:
    """It is told like any other."""
    ended = run("return_what_is_no_json", world_size=1)
    assert ended.first
    assert ended.first.kind == "TypeError"


def test_a_payload_that_is_no_json_is_refused_and_harms_nothing() -> None:
    """The pool goes on."""
    with Pool([], group=False) as pool:
        with pytest.raises(TypeError):
            pool.run(f"{TASKS}:echo", {"a": {1}}, world_size=1)
        assert pool.run(f"{TASKS}:echo", {"a": 1}, world_size=1).ranks[0].value == {"a": 1}


def test_much_is_given_and_returned() -> None:
    """Far more than a pipe holds."""
    payload = {"text": "x" * (8 << 20)}
    assert run("echo", payload).ranks[1].value == payload


def test_a_rank_may_not_return_without_bound() -> None:
    """More than 64 MB of JSON is an error of the task."""
    ended = run("echo", {"text": "x" * (65 << 20)}, world_size=1)
    assert ended.first
    assert "more than" in ended.first.message


def test_an_error_that_cannot_tell_itself_is_told() -> None:
    """By its type."""
    ended = run("raise_what_cannot_tell_itself", world_size=1)
    assert ended.first
    assert ended.first.kind == "Mute"


def test_a_task_that_does_not_exist_is_told() -> None:
    """As the rank's own error."""
    ended = run("nowhere", world_size=1)
    assert ended.first
    assert ended.first.kind == "AttributeError"


def test_a_closed_pool_says_so() -> None:
    """Instead of starting anew."""
    pool = Pool([], group=False)
    pool.close()
    with pytest.raises(ProofError, match="closed"):
        pool.run(f"{TASKS}:tell", {}, world_size=1)


def test_a_pool_outlives_its_zygote(mark: str) -> None:
    """A kill ends the run that was under way, with its ranks; the next one starts anew."""
    with Pool([], group=False) as pool:
        pool.warm()
        (zygote,) = marked(mark)
        threading.Timer(1, os.kill, (zygote, signal.SIGKILL)).start()
        assert pool.run(f"{TASKS}:alone", {"how": "sleep"}, world_size=2).state == "lost"
        assert not marked(mark)
        assert pool.run(f"{TASKS}:tell", {}, world_size=2).state == "done"


def test_two_pools_at_once_do_not_clash() -> None:
    """Each has its own ranks and its own end."""
    states: list[str] = []
    tasks = [{"how": ""}, {"how": "kill"}]
    threads = [threading.Thread(target=lambda how=how: states.append(run("alone", how).state)) for how in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["done", "failed"]


PROGRAM = """
import sys
from meshfit.proof.ranks import Limits, Pool
with Pool([], group=False) as pool:
    pool.run("tests.proof.planted_ranks:say_ready", {"ready": sys.argv[1]}, world_size=2, limits=Limits(seconds=60))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("whole_group", [False, True])
def test_a_caller_that_is_stopped_leaves_nothing_behind(
    mark: str, tmp_path: Path, number: signal.Signals, whole_group: bool
) -> None:
    """By Ctrl-C at a terminal, or by a signal to it alone; even by one it never hears of."""
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(ready)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: all(Path(f"{ready}-{rank}").exists() for rank in (0, 1)))
    assert len(marked(mark)) == 4
    (os.killpg if whole_group else os.kill)(process.pid, number)
    assert process.wait(10) == -number
    wait_until(lambda: not marked(mark) and not list(tmp_path.glob("meshfit-ranks-*")))


def test_a_caller_that_is_stopped_while_the_pool_starts_leaves_nothing_behind(mark: str, tmp_path: Path) -> None:
    """The imports listen to nobody, so a signal tells them."""
    module = tmp_path / "slow_to_import.py"
    module.write_text(
        f"open({str(tmp_path / 'begun')!r}, 'w').close()\nimport time\ntime.sleep(60)\n", encoding="utf-8"
    )
    program = f"from meshfit.proof.ranks import Pool; Pool(['{module.stem}']).warm()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(tmp_path)},
        start_new_session=True,
    )
    wait_until((tmp_path / "begun").exists)
    process.kill()
    process.wait()
    wait_until(lambda: not marked(mark) and not list(tmp_path.glob("meshfit-ranks-*")))


def wait_until(holds: Any, seconds: float = 15) -> None:
    """Wait for something to become true."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
