"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "mypy_plugin", "stubs", "tests", "benchmarks", "examples", "docs", ".ci")
SUFFIXES = {"", ".py", ".pyi", ".md", ".toml", ".txt", ".json", ".yaml"}
FILES = sorted(
    path
    for path in [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
)
SOURCES = [path for path in FILES if path.suffix == ".py" and path.parts[len(ROOT.parts)] in ("src", "mypy_plugin")]


def names(paths: list[Path]) -> list[str]:
    """Paths relative to the root, as test ids."""
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_are_files_to_hold_to_the_rules() -> None:
    """A wrong path would make every rule below hold."""
    assert len(SOURCES) > 10
    assert ROOT / "README.md" in FILES


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    """At most 400 lines, and a name that says what it holds."""
    lines = path.read_bytes().count(b"\n")
    assert lines <= 400
    assert path.stem not in ("utils", "helpers", "common", "manager", "misc")


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_a_module_parses_on_the_oldest_python(path: Path) -> None:
    """Python 3.10 syntax only."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
    assert isinstance(tree, ast.Module)


# written in two parts, so that this file does not break its own rules
MACHINE = re.compile("/" + r"(?:root|work|home|Users)/|" + "https?://" + r"[\w.-]*(?:artifact|nexus|pypi\.)")
UNFINISHED = re.compile(r"\b(?:" + "TO" + "DO|FIX" + "ME|XX" + r"X)\b")


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_a_file_names_no_machine_and_leaves_nothing_open(path: Path) -> None:
    """No path of a developer's machine, no registry host, no note to oneself."""
    text = path.read_text(encoding="utf-8")
    assert not MACHINE.findall(text)
    assert not UNFINISHED.findall(text)


def test_the_rules_above_can_be_broken() -> None:
    """The patterns find what they are for."""
    assert MACHINE.search("/" + "root/x")
    assert UNFINISHED.search("TO" + "DO")


TESTS = [path for path in FILES if path.name.startswith("test_")]


@pytest.mark.parametrize("path", TESTS, ids=names(TESTS))
def test_no_test_is_skipped(path: Path) -> None:
    """A test runs or is deselected by a mark; it does not pass by not running."""
    assert not re.findall(r"pytest\.(?:mark\.)?(?:skip|importorskip|xfail)" + r"\b", path.read_text(encoding="utf-8"))
