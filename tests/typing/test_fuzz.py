"""Whatever is written, the checker does not crash, and what it flags fails when it runs."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from tests.typing.corpus_programs import PRELUDE, Program, programs
from tests.typing.harness import Diagnostic, interpreter, run

BATCH = 80
STOPPED = "stopped: "
FLAGGED: list[int] = []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs are written."""
    folder = tmp_path_factory.mktemp("fuzz")
    interpreter(folder / "python")
    return folder


def is_python(program: Program) -> bool:
    """Whether it can be compiled: some parts do not go together."""
    try:
        compile(ast.parse(program.text(0)), "program", "exec")
    except SyntaxError:
        return False
    return True


def refusal(program: Program, number: int, flag: bool) -> str | None:
    """The text of meshfit's refusal when the program runs; None where it runs through, or stops before the call."""
    import meshfit

    text = PRELUDE + program.text(number)
    names: dict[str, Any] = {"__name__": __name__, "__file__": __file__}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "made", "exec"), names)  # noqa: S102 - text of our own making
            names[f"use{number}"](flag)
    except (meshfit.UnsupportedMeshError, meshfit.MeshError) as refused:
        return str(refused)
    except Exception as other:  # noqa: BLE001 - a program that fails by itself
        return f"{STOPPED}{other!r}"
    return None


def flagged(made: list[Program], folder: Path) -> tuple[dict[int, list[Diagnostic]], list[Diagnostic]]:
    """Meshfit's errors by the number of the program, and crashes."""
    starts, text = [], PRELUDE
    for number, program in enumerate(made):
        starts.append(text.count("\n") + 1)
        text += program.text(number)
    (folder / "made.py").write_text(text, encoding="utf-8")
    found = run([folder / "made.py"], folder, root=folder)
    errors: dict[int, list[Diagnostic]] = {}
    for one in found:
        if one.kind == "error" and one.code.startswith("meshfit"):
            number = sum(start <= one.line for start in starts) - 1
            errors.setdefault(number, []).append(one)
    return errors, [one for one in found if one.code == "crash"]


BATCHES: dict[str, Any] = {
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "print_blob": False,
}
"""No shrinking: each example costs a run of mypy, and says itself which program is at fault."""


@pytest.mark.torch
@settings(max_examples=3, **BATCHES)
@given(made=st.lists(programs().filter(is_python), min_size=BATCH, max_size=BATCH))
def test_what_is_flagged_fails_when_it_runs(made: list[Program], folder: Path) -> None:
    """No crash, and no false alarm: with either value of the flag the run is refused, in the words of the checker."""
    FLAGGED.append(judged(made, folder))


@pytest.mark.torch
@pytest.mark.slow
@settings(max_examples=25, **BATCHES)
@given(made=st.lists(programs().filter(is_python), min_size=2 * BATCH, max_size=2 * BATCH))
def test_what_is_flagged_of_many_fails_when_it_runs(made: list[Program], folder: Path) -> None:
    """The same for thousands of programs."""
    judged(made, folder)


def judged(made: list[Program], folder: Path) -> int:
    """How many programs are flagged; fails where one of them runs, or the checker crashes."""
    errors, crashes = flagged(made, folder)
    assert crashes == []
    for number, told in errors.items():
        fault = false_alarm(made[number], number, told)
        assert fault is None, fault
    return len(errors)


def false_alarm(program: Program, number: int, told: list[Diagnostic]) -> str | None:
    """Why what was flagged is wrong; None where both runs are refused for a reason that was given."""
    said = [refusal(program, number, flag) for flag in (True, False)]
    shown = "\n".join([program.text(number), *map(str, told), *map(str, said)])
    if all(one.code == "meshfit-mesh" for one in told) and BRANCH.search(program.text(number)):
        # a mesh that cannot be is an error where it is written, whether or not that is reached
        return None
    if None in said:
        return f"flagged, and runs:\n{shown}"
    runs = [text for text in said if text and not text.startswith(STOPPED)]
    if runs and not any(words(one) in text for one in told for text in runs):
        return f"flagged for another reason:\n{shown}"
    return None


BRANCH = re.compile(r"\b(if|or|and|while|for|def|lambda)\b")


def words(error: Diagnostic) -> str:
    """The part of an error that the run says too: without the axis and the name of the class."""
    return error.text.partition(": ")[2].partition(" ")[2] or error.text


@pytest.mark.torch
def test_much_is_flagged() -> None:
    """A checker that says nothing would pass the test above; the first batch is of the simplest programs."""
    assert sum(FLAGGED) > 0.03 * BATCH * len(FLAGGED)
