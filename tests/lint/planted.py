"""What is planted in the files of a corpus, and whether notices stand on it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from meshfit.lint.sweep import FileResult

CORPORA: Final = Path(__file__).parent
FOLDERS: Final = {f"org/{folder.name}": str(folder) for folder in (CORPORA / "corpus" / "models").iterdir()}
"""The models that files of a corpus name."""

_FINDS: Final = re.compile(r"(?:#|//) finds: ([A-Z0-9, ]+)")
_MARKED: Final = re.compile(r"\w+|\"\w+\"|--[\w.-]+|[\w./-]+\.\w+|[\w.]+\(.*\)")
"""A number or a key, a flag, the name of a file, a call."""


def planted(path: Path) -> set[tuple[int, str]]:
    """(line, code) of the mistakes: of comments, or of the file beside one whose lines have no room for any."""
    beside = path.with_name(f"{path.name}.finds")
    listed = json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
    found = {(line, code) for code, lines in listed.items() for line in lines}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        for codes in _FINDS.findall(line):
            found |= {(number, code.strip()) for code in codes.split(",")}
    return found


def found(result: FileResult | None) -> set[tuple[int | None, str]]:
    """(line, code) of what is found in a file."""
    return {(notice.place.line, notice.code) for notice in (result.notices if result else ())}


def marked(path: Path, result: FileResult | None) -> list[str]:
    """The text that each notice marks, on one line of the file.

    Raises:
        AssertionError: a notice has no region, or one of several lines, or marks what is no value, key, flag or call.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    texts = []
    for notice in result.notices if result else ():
        place = notice.place
        assert place.line is not None
        assert place.column is not None
        assert place.end_line == place.line
        assert place.end_column is not None
        text = lines[place.line - 1][place.column - 1 : place.end_column - 1]
        assert _MARKED.fullmatch(text), text
        texts.append(text)
    return texts


def half_are_sound(files: Sequence[Path]) -> bool:
    """Whether a third to two thirds of the files have nothing planted."""
    sound = [path for path in files if "sound" in path.stem]
    return len(files) / 3 < len(sound) < len(files) * 2 / 3
