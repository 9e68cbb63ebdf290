"""Runs mypy without the plugin, pyright, pyrefly and ty over the same files, each with a configuration of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
FAKES: Final = ROOT / "tests" / "typing" / "fakes"
STUBS: Final = ROOT / "stubs"


class Line(NamedTuple):
    """Where a checker sees an error."""

    file: str
    number: int


class Search(NamedTuple):
    """Where a checker finds what a program imports."""

    python: str = sys.executable
    paths: tuple[Path, ...] = ()
    stubs: Path | None = None

    @property
    def all(self) -> list[str]:
        """Every path, stubs first."""
        return [str(path) for path in ([self.stubs] if self.stubs else []) + list(self.paths)]


def run(command: Sequence[str | Path], *, may_exit: tuple[int, ...] = (0, 1), **env: str) -> str:
    """What a command prints. A checker that crashed or found no files would pass for one that found no errors."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert done.returncode in may_exit, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def mypy(files: Iterable[Path], search: Search, *, cache: str | Path = os.devnull) -> str:
    """Mypy's text."""
    options = ["--config-file=", "--strict", "--no-error-summary", "--cache-dir", cache]
    command = [sys.executable, "-m", "mypy", *options, "--python-executable", search.python, *files]
    return run(command, MYPYPATH=os.pathsep.join(search.all))


def pyright(files: Iterable[Path], search: Search) -> str:
    """The JSON that pyright prints."""
    with tempfile.TemporaryDirectory() as folder:
        config = {
            "include": [os.path.relpath(file, folder) for file in files],
            "extraPaths": [str(path) for path in search.paths],
            **({"stubPath": str(search.stubs)} if search.stubs else {}),
        }
        Path(folder, "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
        return run([BIN / "pyright", "--pythonpath", search.python, "--outputjson", "-p", folder])


def pyrefly(files: Iterable[Path], search: Search) -> str:
    """What pyrefly prints."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pyrefly.toml")
        config.write_text(
            f"search-path = {json.dumps(search.all)}\npython-interpreter-path = {json.dumps(search.python)}\n",
            encoding="utf-8",
        )
        return run([BIN / "pyrefly", "check", "-c", config, "--output-format", "min-text", *files])


def ty(files: Iterable[Path], search: Search) -> str:
    """What ty prints."""
    paths = [part for path in search.all for part in ("--extra-search-path", path)]
    return run([BIN / "ty", "check", "--python", search.python, *paths, "--output-format", "concise", *files])


CHECKERS: Final[Mapping[str, Callable[[Iterable[Path], Search], str]]] = {
    "mypy": mypy,
    "pyright": pyright,
    "pyrefly": pyrefly,
    "ty": ty,
}
_ERROR: Final = {
    "mypy": re.compile(r"^(.+?):(\d+): error:", re.MULTILINE),
    "pyrefly": re.compile(r"^ERROR (.+?):(\d+):", re.MULTILINE),
    "ty": re.compile(r"^(.+?):(\d+):\d+: error\[", re.MULTILINE),
}


def errors(checker: str, output: str) -> set[Line]:
    """The lines at which a checker's output has an error."""
    if checker == "pyright":
        found = json.loads(output)["generalDiagnostics"]
        return {Line(Path(d["file"]).name, d["range"]["start"]["line"] + 1) for d in found if d["severity"] == "error"}
    return {Line(Path(file).name, int(number)) for file, number in _ERROR[checker].findall(output)}


def marked(checker: str, files: Iterable[Path]) -> set[Line]:
    """The lines that end in `# error`, or in `# error: ` and names of checkers among which this one is."""
    lines = set()
    for file in files:
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            mark = re.search(r"# error(?:: ([\w, ]+))?$", text)
            if mark and (mark[1] is None or checker in mark[1].split(", ")):
                lines.add(Line(file.name, number))
    return lines
