"""Every case says what it expects, and the plugin says that and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.typing.harness import CASES, FAKES, OURS, Diagnostic, case_files, compare, expected, run

APART = ("registered",)
"""Groups checked by themselves: what one of their modules does would show in all others."""
GROUPS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir() and folder.name not in APART)
FILES = case_files()


def name(path: Path) -> str:
    """A case's test id."""
    return str(path.relative_to(CASES))


@pytest.fixture(scope="module")
def diagnostics(tmp_path_factory: pytest.TempPathFactory) -> list[Diagnostic]:
    """What mypy says of all cases: one run for most, one for each group apart."""
    folder = tmp_path_factory.mktemp("cases")
    together = [path for group in GROUPS for path in case_files(group)]
    return [*run(together, folder), *(found for group in APART for found in run(case_files(group), folder))]


@pytest.mark.parametrize("path", FILES, ids=map(name, FILES))
def test_every_marked_line_is_reported(path: Path, diagnostics: list[Diagnostic]) -> None:
    """Each mark has its error, and each error of meshfit's its note."""
    assert compare(path, diagnostics).missing == []


@pytest.mark.parametrize("path", FILES, ids=map(name, FILES))
def test_no_other_line_is_reported(path: Path, diagnostics: list[Diagnostic]) -> None:
    """No false alarm, no crash, no error of mypy's own that a mark does not name."""
    assert compare(path, diagnostics).unexpected == []


CANNOT_RUN = ("silences/untyped_base.py", "suppression")
"""The first imports what does not exist; comments that silence the checker silence nothing at run time."""
RUNNING = [path for path in FILES if not name(path).startswith(CANNOT_RUN)]
RAN: list[int] = []


@pytest.mark.torch
@pytest.mark.parametrize("path", RUNNING, ids=map(name, RUNNING))
def test_what_is_reported_fails_when_it_runs(path: Path, diagnostics: list[Diagnostic]) -> None:
    """Each time the line runs the model refuses the mesh, in the words and for the axes that were reported."""
    from tests.typing.corpus_runs import outcomes, refusals

    told = outcomes(path)
    reported = [one for one in diagnostics if one.path == name(path) and one.kind == "error" and one.code in OURS]
    for one in reported:
        said = [refusals(outcome) for outcome in told.get(one.line, ())]
        RAN.append(bool(said))
        assert all(one.code in {code for code, _ in refused} for refused in said), str(one)
        assert not said or any(
            (one.code, True) in ((code, text in one.text) for code, text in refused) for refused in said
        )


@pytest.mark.torch
def test_most_lines_run() -> None:
    """A line that does not run proves nothing."""
    assert sum(RAN) > 0.9 * len(RAN) > 150


def test_there_are_many_cases() -> None:
    """A mistake in the search for files or marks would make every case hold."""
    marks = [mark for path in FILES for mark in expected(path)]
    silent = [path for path in FILES if not expected(path)]
    assert len(marks) > 150
    assert len(silent) > 5
    assert {mark.code for mark in marks} >= OURS - {"meshfit-dp"}


def test_the_fakes_are_sound(tmp_path: Path) -> None:
    """An error in them would be hidden in the cases, where they stand for installed packages."""
    assert run(sorted(FAKES.rglob("*.py")), tmp_path, root=FAKES) == []


def test_the_comparison_finds_what_is_wrong(tmp_path: Path) -> None:
    """A mark without an error, an error without a mark, one without its note, and a crash are each told."""
    case = tmp_path / "case.py"
    case.write_text('f()  # E: meshfit-tp "plan"\ng()\n', encoding="utf-8")
    told = [
        Diagnostic("case.py", 2, "error", "has no stages", "meshfit-pp"),
        Diagnostic("", 0, "error", "Traceback", "crash"),
    ]
    verdict = compare(case, told, tmp_path)
    assert verdict.missing == ["case.py:1: meshfit-tp plan", "case.py:2: a note"]
    assert [line.partition("  [")[2] for line in verdict.unexpected] == ["meshfit-pp]", "crash]"]
