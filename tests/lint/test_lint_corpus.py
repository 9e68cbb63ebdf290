"""A corpus of recipes: each planted mistake is found where its comment says, and nothing else is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from planted import CORPORA, FOLDERS, found, half_are_sound, marked, planted

from meshfit.cli.arguments import parser
from meshfit.lint.files import Found
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.sweep import Choice, FileResult, lint_file

ROOT = Path(__file__).parents[2]
CORPUS = CORPORA / "corpus"
FILES = sorted(path for path in CORPUS.iterdir() if path.is_file())
ASKED = re.compile(r"^(?:#|//) asked: (.+)$", re.MULTILINE)
MODELS = Models(FOLDERS)


def lint(path: Path) -> FileResult | None:
    """Lint one file as the options in its first comment ask."""
    asked = ASKED.search(path.read_text(encoding="utf-8"))
    options = parser(["lint"]).parse_args(["lint", str(path), *shlex.split(asked[1] if asked else "")])
    model = str(ROOT / options.model) if options.model else None
    question = Question(models=MODELS, model=model, world_size=options.world)
    return lint_file(Found(str(path), named=False), question, Choice())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_exactly_what_is_planted_is_found(path: Path) -> None:
    """Each code on its line, the whole of what it marks, and nothing in a sound file."""
    assert ("sound" in path.stem) == (not planted(path))
    result = lint(path)
    assert found(result) == planted(path)
    assert len(marked(path, result)) >= len(planted(path))


def test_the_corpus_is_large_and_half_of_it_sound() -> None:
    """Enough files of every tool."""
    assert len(FILES) >= 60
    assert half_are_sound(FILES)
    tools = {recipe.tool for path in FILES if (result := lint(path)) for recipe, _ in result.recipes}
    assert tools >= {"nemo", "accelerate", "axolotl", "llamafactory", "verl", "deepspeed", "transformers", "torchtitan"}
