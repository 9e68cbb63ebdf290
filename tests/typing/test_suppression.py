"""Codes silence what they name, by mypy's own means; comments in the source are among the cases."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from mypy import api
from tests.typing.harness import Diagnostic, interpreter, run, write_config

PROGRAM = '''\
from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def use(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))
    net.validate_for_mesh(MeshSpec(pp_size=2))
    net.validate_for_mesh(MeshSpec(tp_size=0))
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with an error of three codes."""
    folder = tmp_path_factory.mktemp("suppression")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    interpreter(folder / "python")
    return folder


def codes(found: list[Diagnostic]) -> list[str]:
    """The codes of the errors, in order."""
    return [one.code for one in found if one.kind == "error"]


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ("", ["meshfit-tp", "meshfit-pp", "meshfit-mesh"]),
        ("disable_error_code = meshfit-tp", ["meshfit-pp", "meshfit-mesh"]),
        ("disable_error_code = meshfit", []),
        ("disable_error_code = meshfit\nenable_error_code = meshfit-pp", ["meshfit-pp"]),
        ("[mypy-program]\ndisable_error_code = meshfit-tp, meshfit-mesh", ["meshfit-pp"]),
        ("[mypy-program]\nignore_errors = true", []),
    ],
    ids=["nothing", "one code", "the parent", "the parent but one", "in one module", "a module as a whole"],
)
def test_a_code_is_turned_off_in_the_configuration(more: str, left: list[str], folder: Path) -> None:
    """What is not named goes on being reported."""
    assert codes(run([folder / "program.py"], folder, more=more, root=folder)) == left


def test_notes_go_with_their_errors(folder: Path) -> None:
    """A silenced error leaves no note behind."""
    found = run([folder / "program.py"], folder, more="disable_error_code = meshfit-tp", root=folder)
    assert [(one.line, one.kind) for one in found] == [(12, "error"), (12, "note"), (13, "error")]


def test_json_output_has_the_fix_as_a_hint(folder: Path) -> None:
    """One object for each error, its note in `hint`."""
    config, python = write_config(folder), folder / "python" / "bin" / "python"
    arguments = ["--config-file", str(config), "--python-executable", str(python), "--cache-dir", os.devnull]
    out, _, status = api.run([*arguments, "--output", "json", str(folder / "program.py")])
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [(line["line"], line["code"], line["severity"]) for line in lines] == [
        (11, "meshfit-tp", "error"),
        (12, "meshfit-pp", "error"),
        (13, "meshfit-mesh", "error"),
    ]
    assert "has no TP plan" in lines[0]["message"]
    assert re.search(r"tp_plans.*\(TP001 tp-plan-missing", lines[0]["hint"])


def test_an_error_says_why_and_its_note_what_to_do(folder: Path) -> None:
    """The axis with its size, the class, the reason; then the fix, the sizes that work and the rule."""
    error, note, *_ = run([folder / "program.py"], folder, root=folder)
    assert (error.kind, error.code, note.kind) == ("error", "meshfit-tp", "note")
    assert all(part in error.text for part in ("Net", "Tensor parallelism (tp_size=8)", "has no TP plan"))
    assert all(part in note.text for part in ("use tp_size 1", "meshfit.tp_plans", "(TP001 tp-plan-missing"))
