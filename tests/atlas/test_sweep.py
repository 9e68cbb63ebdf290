"""A sweep goes on whatever happens to a proof, leaves nothing behind, and can be taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.atlas import provers
from tests.atlas.made import evidence

from meshfit.atlas import sweep as sweeping
from meshfit.atlas.journal import Journal
from meshfit.atlas.sweep import SweepError, Task, left_to_do, sweep
from meshfit.evidence import EvidenceError
from meshfit.mesh import MeshSpec
from meshfit.readers.atlas_file import read_atlas

ROOT = Path(__file__).parents[2]
TWO = (MeshSpec(tp_size=2), MeshSpec(pp_size=2))
VERSIONS = {"torch": "2.13.0"}


def tasks(*names: str) -> tuple[Task, ...]:
    """Each class on two meshes."""
    return tuple(Task(name, TWO) for name in names)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A new one."""
    return Journal(tmp_path / "journal", VERSIONS)


def again(journal: Journal, versions: dict[str, str] | None = None) -> Journal:
    """The same file, read by a later run."""
    later = Journal(journal.path, versions or VERSIONS)
    later.read()
    return later


def questions(journal: Journal) -> list[str]:
    """What the journal has evidence of."""
    return sorted(f"{each.target} {each.mesh}" for each in journal.evidence)


def test_every_class_is_proved_on_every_mesh(journal: Journal) -> None:
    """By two processes, and the progress is told."""
    told: list[int] = []
    sweep(tasks("A", "B", "C"), provers.steady, journal, jobs=2, tell=told.append)
    assert questions(journal) == [f"{name} {mesh}" for name in "ABC" for mesh in ("pp=2", "tp=2")]
    assert (told == sorted(told), told[-1]) == (True, 3)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Killed", "the prover ended with exit code -9"),
        ("Left", "the prover ended with exit code 3"),
        ("Raises", "FileNotFoundError: no such thing"),
    ],
)
def test_a_crash_costs_one_class(journal: Journal, name: str, reason: str) -> None:
    """What it had proved before is kept, the reason is told, and a later run asks it again."""
    sweep(tasks("A", name, "B"), provers.steady, journal)
    assert questions(journal) == ["A pp=2", "A tp=2", "B pp=2", "B tp=2", f"{name} tp=2"]
    assert journal.failures == {name: reason}
    assert left_to_do(("A", name, "B"), TWO, again(journal)) == (Task(name, TWO[1:]),)


def test_a_class_that_cannot_be_proved_is_not_asked_again(journal: Journal) -> None:
    """Its reason is kept."""
    sweep(tasks("Refuses", "A"), provers.steady, journal)
    later = again(journal)
    assert later.failures == {"Refuses": "cannot be built"}
    assert left_to_do(("Refuses", "A"), TWO, later) == ()


def test_a_silent_prover_is_ended(journal: Journal) -> None:
    """After the time it is given, and the sweep goes on."""
    begun = time.monotonic()
    sweep(tasks("Sleeps", "A"), provers.steady, journal, silence=5.0)
    assert journal.failures == {"Sleeps": "no answer within 5 s"}
    assert ("A tp=2" in questions(journal), time.monotonic() - begun < 30) == (True, True)


def test_a_prover_that_does_not_start_stops_the_sweep(journal: Journal) -> None:
    """It would fail for all, and the reason is its own."""
    with pytest.raises(SweepError, match="no prover starts: torch is not installed; try meshfit verify"):
        sweep(tasks("A", "B"), provers.closed, journal)
    assert journal.failures == {}


def test_a_prover_is_replaced_after_some_classes(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what it loaded does not add up."""
    monkeypatch.setattr(sweeping, "_RENEWED", 2)
    (tmp_path / "marks").mkdir()
    sweep(tasks(*"ABCDE"), partial(provers.counting, tmp_path / "marks"), journal)
    assert len(list((tmp_path / "marks").iterdir())) == 3
    assert len(journal.evidence) == 10


def test_a_prover_cleans_up_at_the_end(journal: Journal, tmp_path: Path) -> None:
    """It leaves its context, as `with` promises."""
    (tmp_path / "marks").mkdir()
    sweep(tasks("A"), partial(provers.marking, tmp_path / "marks"), journal)
    assert list((tmp_path / "marks").iterdir()) == []


# --- the journal


def test_other_versions_begin_anew(journal: Journal) -> None:
    """In the same file, whose older lines count again when their versions do."""
    sweep(tasks("A"), provers.steady, journal)
    other = again(journal, {"torch": "2.14.0"})
    assert left_to_do(("A",), TWO, other) == tasks("A")
    other.add(evidence("B"))
    other.close()
    assert questions(again(journal)) == ["A pp=2", "A tp=2"]


def test_a_torn_line_costs_what_it_held(journal: Journal) -> None:
    """The next run begins a line of its own."""
    sweep(tasks("A"), provers.steady, journal)
    journal.path.write_bytes(journal.path.read_bytes()[:-90])
    later = again(journal)
    later.add(evidence("B"))
    later.close()
    assert questions(again(journal)) == ["A tp=2", "B tp=2"]


@pytest.mark.parametrize("content", ["{}\n", "meshfit\n", '{"format": "else"}\n'])
def test_another_file_in_its_place_is_no_journal(journal: Journal, content: str) -> None:
    """It is told before anything is written over."""
    journal.path.write_text(content, encoding="utf-8")
    with pytest.raises(EvidenceError, match="is no journal of a sweep; delete it"):
        journal.read()


# --- the command


def build(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """`meshfit atlas build` with made-up provers, as a process at the head of a group."""
    (folder / "marks").mkdir(exist_ok=True)
    program = [sys.executable, "-m", "tests.atlas.provers", str(folder / "marks"), "atlas", "build"]
    words = (*words, "--output", str(folder / "a.atlas"), "--axes", "tp,pp")
    return subprocess.Popen(
        [*program, *words], cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def running(group: int) -> list[str]:
    """The processes of a group, but for those that ended and wait for somebody to ask how."""
    listed = subprocess.run(["ps", "-e", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if int(line.split()[0]) == group and line.split()[1][0] != "Z"]


def until(condition: Callable[[], bool]) -> None:
    """Wait for it, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.torch
@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "kill"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_a_journal_and_nothing_else(tmp_path: Path, number: int, to_group: bool) -> None:
    """No process and no mark of one; and the next run goes on where it ended."""
    journal = tmp_path / "a.atlas.journal"
    with build(tmp_path, "--classes", "A,Sleeps,B") as program:
        until(lambda: journal.exists() and journal.read_text().count("Sleeps") >= 1)
        (os.killpg if to_group else os.kill)(program.pid, number)
        _, err = program.communicate(timeout=30)
    assert program.returncode == 130
    assert "interrupted, 1 of 3 classes done; go on with --resume" in err.decode()
    assert list((tmp_path / "marks").iterdir()) == []
    until(lambda: running(program.pid) == [])
    with build(tmp_path, "--classes", "A,B", "--resume") as program:
        out, err = program.communicate(timeout=60)
    assert (program.returncode, err, journal.exists()) == (0, b"", False)
    assert read_atlas(tmp_path / "a.atlas").targets == ("A", "B", "Sleeps")
    assert b"3 classes, 5 proofs" in out


@pytest.mark.torch
def test_a_build_that_is_killed_takes_its_provers_with_it(tmp_path: Path) -> None:
    """They notice that nobody listens when they have something to say."""
    with build(tmp_path, "--classes", "Slow,A") as program:
        until(lambda: any((tmp_path / "marks").iterdir()))
        program.kill()
        program.wait()
        until(lambda: not any((tmp_path / "marks").iterdir()))
    assert program.returncode == -signal.SIGKILL


def test_a_line_of_a_journal_is_evidence_that_other_programs_read(journal: Journal) -> None:
    """The JSON form of `Evidence`, under a key of its own."""
    journal.add(evidence())
    journal.close()
    line = json.loads(journal.path.read_text(encoding="utf-8").splitlines()[1])
    assert line == {"evidence": evidence().to_dict()}
