"""Runs the programs of `asked` with a plugin that notes what the reader makes of each argument of `ask`."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from mypy import api
from tests.typing.harness import HERE, interpreter

from meshfit.readers.spellings import SETTINGS

ASKED: Final = HERE / "asked"
_MARK: Final = re.compile(r"# -> (.*)$")
_CONFIG: Final = "[mypy]\nplugins = {plugin}\ncheck_untyped_defs = true\nignore_missing_imports = true\n"


class Question(NamedTuple):
    """A mark `# -> answer` of a program."""

    module: str
    line: int
    answer: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}"


def questions(*modules: str) -> list[Question]:
    """The marks of the programs."""
    return [
        Question(module, number, mark[1])
        for module in modules
        for number, line in enumerate((ASKED / f"{module}.py").read_text(encoding="utf-8").splitlines(), start=1)
        if (mark := _MARK.search(line))
    ]


@cache
def answers(folder: Path) -> dict[str, dict[tuple[int, int], str]]:
    """What every program is answered, in one run of mypy from nothing; nothing where mypy breaks off."""
    try:
        return run(folder, os.devnull)
    except AssertionError:
        return {}


def run(folder: Path, cache_dir: str, programs: Path = ASKED) -> dict[str, dict[tuple[int, int], str]]:
    """What the programs that mypy checks in this run are answered."""
    python = folder / "python"
    if not python.exists():
        interpreter(python)
    config = folder / "mypy.ini"
    config.write_text(_CONFIG.format(plugin=HERE / "asked_plugin.py"), encoding="utf-8")
    arguments = [
        *("--config-file", str(config), "--python-executable", str(python / "bin" / "python")),
        *("--show-traceback", "--cache-dir", cache_dir, *map(str, sorted(programs.glob("*.py")))),
    ]
    with mock.patch.dict(os.environ, {"MYPYPATH": str(programs)}):
        out, err, status = api.run(arguments)
    if status == 2:
        raise AssertionError(out + err)
    import asked_plugin  # type: ignore[import-not-found] # mypy has imported it from its path

    found = dict(asked_plugin.ANSWERS)
    asked_plugin.ANSWERS.clear()
    return found


def answer(found: dict[str, dict[tuple[int, int], str]], question: Question) -> str:
    """The answer to the innermost call on the line of a mark. Raises LookupError where none was asked."""
    calls = found.get(question.module, {})
    here = [(last - first, said) for (first, last), said in calls.items() if first <= question.line <= last]
    if not here:
        raise LookupError(f"nothing was asked at {question}")
    return min(here)[1]


def agrees(said: str, wanted: str) -> bool:
    """Whether an answer is the wanted one; of a refusal (`! text`) only a part of its text is wanted.

    `*=?` wants every setting to be unknown.
    """
    if wanted.startswith("! "):
        return said.startswith("! ") and wanted.removeprefix("! ") in said
    if "*=?" in wanted:
        parts = wanted.replace("*=?", ",".join(f"{setting}=?" for setting in SETTINGS)).split(",")
        return sorted(said.split(",")) == sorted(parts)
    return said == wanted
