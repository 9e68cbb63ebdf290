"""The checker says the same from nothing, from a cache, in parallel and as a daemon, after every edit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.typing.modes import MODES, STEPS, Checker, Edit, Mode, Said, Step, Workspace, differences, newest

INSTALLED = Checker.at(Path(sys.executable).parent)
PROGRAM = ("across",)
"""The cases of several modules: what an edit elsewhere can change."""
QUICK = tuple(step for step in STEPS if step.name in ("a file is touched", "several at once", "all edited back"))
BY_NAME = {mode.name: mode for mode in MODES}
AVAILABLE = [mode for mode in MODES if not mode.lacks(INSTALLED.version)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    """What mypy says from nothing of a few steps, the last of which leads back to the first."""
    return newest(INSTALLED, tmp_path_factory.mktemp("answers"), QUICK, PROGRAM)


@pytest.mark.parametrize("name", ["warm, sqlite, fixed format", "daemon"])
def test_a_run_with_a_memory_says_what_one_from_nothing_says(name: str, answers: list[Said], tmp_path: Path) -> None:
    """Edits of plans and meshes of other modules change what is said here, and so do edits back."""
    assert differences(INSTALLED, BY_NAME[name], tmp_path, answers, QUICK, PROGRAM) == {}


def test_edits_change_what_is_said(answers: list[Said]) -> None:
    """An edit that changes no answer would test nothing."""
    touched, edited, back = answers
    assert edited - touched
    assert touched - edited
    assert back == touched


def test_an_edit_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    """A step whose text is no longer in the cases does not pass for one."""
    workspace = Workspace(tmp_path, PROGRAM)
    with pytest.raises(ValueError, match="finds nothing to edit"):
        workspace.make(Step("gone", (Edit("program/across/models.py", "no such text", ""),)))


@pytest.fixture(scope="module")
def all_answers(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    """What mypy says from nothing of every step of all cases."""
    return newest(INSTALLED, tmp_path_factory.mktemp("answers"))


@pytest.mark.slow
@pytest.mark.parametrize("mode", AVAILABLE[1:], ids=[mode.name for mode in AVAILABLE[1:]])
def test_every_mode_says_the_same_of_every_step(mode: Mode, all_answers: list[Said], tmp_path: Path) -> None:
    """All cases and all edits, in each mode the installed mypy has."""
    assert differences(INSTALLED, mode, tmp_path, all_answers) == {}


@pytest.mark.slow
def test_every_edit_changes_what_is_said(all_answers: list[Said]) -> None:
    """Each step but those that edit nothing that matters has an answer of its own."""
    same = {"nothing is edited", "a file is touched", "edited back", "all edited back"}
    original = all_answers[0]
    unchanged = {step.name for step, answer in zip(STEPS, all_answers, strict=True) if answer == original}
    assert unchanged == same
