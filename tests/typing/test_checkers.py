"""What mypy without the plugin, pyright, pyrefly and ty see of meshfit."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from tests.typing.four_checkers import CHECKERS, FAKES, ROOT, Search, errors, marked

pytestmark = pytest.mark.checkers

CASES = sorted((ROOT / "tests" / "typing" / "checker_cases").glob("*.py"))
SEARCH = Search(paths=(FAKES, ROOT / "src"))


@functools.cache
def _output(checker: str) -> str:
    return CHECKERS[checker](CASES, SEARCH)


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_sees_the_errors_that_are_marked_and_no_others(checker: str, case: Path) -> None:
    """Line by line."""
    seen = {line for line in errors(checker, _output(checker)) if line.file == case.name}
    wanted = marked(checker, [case])
    assert wanted
    assert sorted(seen) == sorted(wanted)


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_resolves_what_the_cases_import(checker: str) -> None:
    """An import that is not found would make everything after it fine."""
    lost = ("import-not-found", "import-untyped", "reportMissingImports", "missing-import", "unresolved-import")
    assert not [name for name in lost if name in _output(checker)]
