"""The meshes of other packages, of texts and mappings, and those that other modules bind."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from tests.typing.asking import ASKED, Question, agrees, answer, answers, questions, run

QUESTIONS = questions("foreign", "optioned", "third", "uses")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs are run."""
    return tmp_path_factory.mktemp("asked")


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_mesh_has_the_sizes_that_the_source_tells(folder: Path, question: Question) -> None:
    """Known sizes, `?` for unknown ones; a refusal has the core's words."""
    assert agrees(answer(answers(folder), question), question.answer)


def test_what_other_modules_bind_outlives_the_cache(folder: Path, tmp_path: Path) -> None:
    """A module read from the cache has no statements; its meshes are the same."""
    programs = tmp_path / "programs"
    shutil.copytree(ASKED, programs)
    cold = run(folder, str(tmp_path / "cache"), programs)
    (programs / "uses.py").write_text((programs / "uses.py").read_text(encoding="utf-8") + "# touched\n")
    later = time.time() + 2  # mypy compares whole seconds
    os.utime(programs / "uses.py", (later, later))
    warm = run(folder, str(tmp_path / "cache"), programs)
    assert "uses" in warm
    assert "sizes" not in warm
    assert warm["uses"] == cold["uses"]
