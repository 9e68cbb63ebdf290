"""A corpus of scripts and programs: each planted mistake is found where its comment says, and nothing else is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from meshfit.lint.files import Found
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.sweep import Choice, FileResult, lint_file

CORPUS = Path(__file__).parent / "corpus_commands"
FILES = sorted(path for path in CORPUS.iterdir() if path.suffix != ".finds")
FINDS = re.compile(r"# finds: ([A-Z0-9, ]+)$")
FOLDERS = {f"org/{folder.name}": str(folder) for folder in (CORPUS.parent / "corpus" / "models").iterdir()}
QUESTION = Question(models=Models(FOLDERS))


def lint(path: Path) -> FileResult | None:
    """Lint one file of a sweep."""
    return lint_file(Found(str(path), named=False), QUESTION, Choice())


def planted(path: Path) -> set[tuple[int, str]]:
    """(line, code) of the mistakes: of comments, or of the file beside one whose lines have no room for any."""
    beside = path.with_name(f"{path.name}.finds")
    listed = json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
    found = {(line, code) for code, lines in listed.items() for line in lines}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        mark = FINDS.search(line)
        found |= {(number, code.strip()) for code in (mark[1].split(",") if mark else ())}
    return found


@pytest.mark.torch
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_exactly_what_is_planted_is_found(path: Path) -> None:
    """Each code on its line; nothing in a sound file."""
    assert ("sound" in path.stem) == (not planted(path))
    result = lint(path)
    assert {(notice.place.line, notice.code) for notice in (result.notices if result else ())} == planted(path)


def test_the_corpus_is_large_and_half_of_it_sound() -> None:
    """Enough files of every program."""
    sound = [path for path in FILES if "sound" in path.stem]
    assert len(FILES) >= 30
    assert len(FILES) / 3 < len(sound) < len(FILES) * 2 / 3
    tools = {recipe.tool for path in FILES if (result := lint(path)) for recipe, _ in result.recipes}
    assert tools >= {"megatron", "ms-swift", "vllm", "torchtitan", "nemo", "verl", "accelerate", "python"}


@pytest.mark.torch
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_notice_marks_the_number_the_flag_or_the_call(path: Path) -> None:
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
        assert re.fullmatch(r"\d+|--[\w.-]+|[\w.]+\(.*\)", marked), marked
