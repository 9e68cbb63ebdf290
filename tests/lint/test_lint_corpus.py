"""A corpus of recipes: each planted mistake is found where its comment says, and nothing else is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from meshfit.cli.arguments import parser
from meshfit.lint.files import Found
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.sweep import Choice, FileResult, lint_file

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path for path in CORPUS.iterdir() if path.is_file())
FINDS = re.compile(r"(?:#|//) finds: ([A-Z0-9, ]+)")
ASKED = re.compile(r"^(?:#|//) asked: (.+)$", re.MULTILINE)
FOLDERS = {f"org/{folder.name}": str(folder) for folder in (CORPUS / "models").iterdir()}
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
    """Each code on its line; nothing in a sound file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    planted = {
        (number, code.strip())
        for number, line in enumerate(lines, 1)
        for listed in FINDS.findall(line)
        for code in listed.split(",")
    }
    assert ("sound" in path.stem) == (not planted)
    result = lint(path)
    assert {(notice.place.line, notice.code) for notice in (result.notices if result else ())} == planted


def test_the_corpus_is_large_and_half_of_it_sound() -> None:
    """Enough files of every tool."""
    sound = [path for path in FILES if "sound" in path.stem]
    assert len(FILES) >= 60
    assert len(FILES) / 3 < len(sound) < len(FILES) * 2 / 3
    tools = {recipe.tool for path in FILES if (result := lint(path)) for recipe, _ in result.recipes}
    assert tools >= {"nemo", "accelerate", "axolotl", "llamafactory", "verl", "deepspeed", "transformers", "torchtitan"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_notice_marks_the_value_or_the_key(path: Path) -> None:
    """From its first character to behind its last one."""
    lines = path.read_text(encoding="utf-8").split("\n")
    result = lint(path)
    for notice in result.notices if result else ():
        place = notice.place
        assert place.line is not None
        assert place.column is not None
        assert place.end_line == place.line
        assert place.end_column is not None
        marked = lines[place.line - 1][place.column - 1 : place.end_column - 1]
        assert re.fullmatch(r"\w+|\"\w+\"", marked), marked
