"""docs/typing.md shows what the checkers really say, and its settings work."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from tests.typing.four_checkers import BIN, CHECKERS, FAKES, ROOT, STUBS, Search, run

pytestmark = pytest.mark.checkers

PAGE = (ROOT / "docs" / "typing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^(\w+)[^\n]*:\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(PROGRAM, ACCELERATE) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(SETTINGS,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _lines(checker: str, output: str, folder: Path) -> list[str]:
    """What the checker says, with the paths and the closing count left out."""
    if checker == "pyright":
        return [
            f"{Path(found['file']).name}:{found['range']['start']['line'] + 1}"
            f":{found['range']['start']['character'] + 1} - error: {found['message'].splitlines()[0]}"
            for found in json.loads(output)["generalDiagnostics"]
            if found["severity"] == "error"
        ]
    return [line for line in output.replace(f"{folder}/", "").splitlines() if "program.py:" in line]


def test_the_page_shows_each_checker() -> None:
    """A block that is not found would not be compared."""
    assert {name for name, _ in BLOCKS} == set(CHECKERS)


@pytest.mark.parametrize(("checker", "shown"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_a_checker_says_what_the_page_shows(checker: str, shown: str, tmp_path: Path) -> None:
    """Letter by letter."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    output = CHECKERS[checker]([file], Search(paths=(FAKES, ROOT / "src")))
    assert _lines(checker, output, tmp_path) == shown.splitlines()


def _refused(command: list[str]) -> set[int]:
    """The lines of the program that have an error."""
    told = run([BIN / command[0], *command[1:]])
    return {int(line) for line in re.findall(r"^(?!.*: note:).*program\.py:(\d+):", told, re.MULTILINE)}


@pytest.mark.torch
@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--no-incremental", "--python-executable", sys.executable, "program.py"],
        ["pyright", "--pythonpath", sys.executable],
        ["pyrefly", "check", "--python-interpreter-path", sys.executable, "--output-format", "min-text"],
        ["ty", "check", "--python", sys.executable, "--output-format", "concise"],
    ],
    ids=lambda command: command[0],
)
def test_the_settings_of_the_page_turn_the_stubs_on(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is an int; without the stubs mypy knows nothing of it, and for the others it may be None."""
    monkeypatch.chdir(tmp_path)
    if command[0] == "mypy":
        Path("torch").symlink_to(FAKES / "torch")  # the real one takes it a quarter of a minute
    program = f"{ACCELERATE}\nsize: int = config.tp_size\nParallelismConfig(tp=2)\n"
    Path("program.py").write_text(program, encoding="utf-8")
    Path("pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    stubs = Path("stubs")
    stubs.mkdir()
    without = _refused(command)
    stubs.rmdir()
    stubs.symlink_to(STUBS)
    assert _refused(command) == {len(program.splitlines())} != without
