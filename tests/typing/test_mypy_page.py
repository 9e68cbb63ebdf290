"""docs/mypy.md shows what the plugin really says; its settings are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.typing.harness import OURS, ROOT, Diagnostic, compare, expected, run

from meshfit_mypy.codes import CODES
from meshfit_mypy.options import _KINDS, USAGE, read_options

PAGE = (ROOT / "docs" / "mypy.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SETTINGS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Diagnostic]]:
    """The programs of the page, and what mypy says of them in one run; the one that registers a plan stays alone."""
    folder = tmp_path_factory.mktemp("page")
    paths = []
    for number, program in enumerate(PROGRAMS):
        paths.append(folder / f"part{number}" / f"program_{number}.py")
        paths[-1].parent.mkdir()
        paths[-1].write_text(program, encoding="utf-8")
    alone = [path for path, program in zip(paths, PROGRAMS, strict=True) if "tp_plans" in program]
    together = [path for path in paths if path not in alone]
    found = [*run(together, folder, root=folder), *run(alone, folder, root=folder)]
    return paths, found


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_has_the_errors_that_the_page_marks(
    number: int, checked: tuple[list[Path], list[Diagnostic]]
) -> None:
    """Those and no others."""
    paths, found = checked
    verdict = compare(paths[number], found, paths[number].parents[1])
    assert (verdict.missing, verdict.unexpected) == ([], [])


def test_every_code_has_a_section_with_an_example(checked: tuple[list[Path], list[Diagnostic]]) -> None:
    """A code that is added must be told."""
    paths, _ = checked
    shown = {mark.code for path in paths for mark in expected(path)}
    assert re.findall(r"^### (\S+)$", PAGE, re.MULTILINE) == [code.code for code in CODES.values()]
    assert shown == OURS


def test_the_options_of_the_page_are_those_that_are_read(tmp_path: Path) -> None:
    """Every option stands in the table, in the list below it, and in what a bad one prints."""
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / "config.json").write_text("{}", encoding="utf-8")
    config = tmp_path / "pyproject.toml"
    config.write_text(SETTINGS[1], encoding="utf-8")
    options = read_options(str(config))
    assert options.severity == {"TP009": "error", "pp-inference-only": "note"}
    assert options.constructors == {"my_company.mesh.make_mesh": {"tensor": "tp", "pipe": "pp"}}
    assert set(re.findall(r"^- `(\w+)`: ", PAGE, re.MULTILINE)) == set(_KINDS)
    assert set(re.findall(r"^  (\w+) = ", USAGE, re.MULTILINE)) == set(_KINDS)
