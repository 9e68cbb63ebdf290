"""A corpus of scripts and programs: each planted mistake is found where its comment says, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import CORPORA, FOLDERS, found, half_are_sound, marked, planted

from meshfit.lint.files import Found
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.sweep import Choice, FileResult, lint_file

CORPUS = CORPORA / "corpus_commands"
FILES = sorted(path for path in CORPUS.iterdir() if path.is_file() and path.suffix != ".finds")
QUESTION = Question(models=Models(FOLDERS))


def lint(path: Path) -> FileResult | None:
    """Lint one file of a sweep."""
    return lint_file(Found(str(path), named=False), QUESTION, Choice())


@pytest.mark.torch
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_exactly_what_is_planted_is_found(path: Path) -> None:
    """Each code on its line, the whole of what it marks, and nothing in a sound file."""
    assert ("sound" in path.stem) == (not planted(path))
    result = lint(path)
    assert found(result) == planted(path)
    assert len(marked(path, result)) >= len(planted(path))


def test_the_corpus_is_large_and_half_of_it_sound() -> None:
    """Enough files of every program."""
    assert len(FILES) >= 60
    assert half_are_sound(FILES)
    tools = {recipe.tool for path in FILES if (result := lint(path)) for recipe, _ in result.recipes}
    assert tools >= {"megatron", "ms-swift", "vllm", "torchtitan", "nemo", "verl", "accelerate", "python", "axolotl"}
