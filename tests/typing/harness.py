"""Cases: files in which each expected error is written on its line, checked in one run of mypy.

A mark is a comment `# E: meshfit-tp "part of the text"`, with several codes where several errors are due. A file
without marks must be silent.
"""

from __future__ import annotations

import os
import re
import sys
import venv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from mypy import api

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
CASES: Final = HERE / "cases"
FAKES: Final = HERE / "fakes"

CONFIG: Final = """\
[mypy]
plugins = meshfit_mypy
check_untyped_defs = true
warn_unused_ignores = true
namespace_packages = true
explicit_package_bases = true
{more}

[mypy-accelerate.*]
ignore_missing_imports = true
"""

_MARK: Final = re.compile(r"# E: (.*)$")
_EXPECTED: Final = re.compile(r'([a-z][a-z-]*[a-z])(?: "([^"]*)")?')
_LINE: Final = re.compile(
    r"(?P<path>.+?):(?P<line>\d+): (?P<kind>error|note): (?P<text>.*?)(?:  \[(?P<code>[\w-]+)\])?$"
)


_RULE: Final = re.compile(r"\([A-Z]{2,3}\d{3} [a-z-]+")

OURS: Final = frozenset(f"meshfit-{axis}" for axis in ("tp", "pp", "cp", "ep", "dp", "mesh"))
"""The codes of the plugin's errors."""
WITH_NOTES: Final = OURS - {"meshfit-mesh"}
"""Those whose errors come with a note: the text that refuses a mesh says itself what to write."""


class Expected(NamedTuple):
    """An error that a line must have: its code, and words of its text."""

    line: int
    code: str
    text: str


class Diagnostic(NamedTuple):
    """An error or note that mypy printed. The path is relative to the folder of the run."""

    path: str
    line: int
    kind: str
    text: str
    code: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: {self.text}  [{self.code}]"


class Verdict(NamedTuple):
    """What a case lacks, and what it has beyond its marks."""

    missing: list[str]
    unexpected: list[str]


def case_files(group: str = "") -> list[Path]:
    """The cases of a group, or of all, packages' own files included."""
    return sorted((CASES / group).rglob("*.py"))


def expected(path: Path) -> list[Expected]:
    """The marks of a file. Raises ValueError for one that cannot be read, which would expect nothing."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        mark = _MARK.search(line)
        if mark is None:
            continue
        parts = _EXPECTED.findall(mark[1])
        if not parts or _EXPECTED.sub("", mark[1]).strip():
            raise ValueError(f"{path.name}:{number}: not a mark: {mark[1]}")
        found += [Expected(number, code, text) for code, text in parts]
    return found


def interpreter(folder: Path, packages: Path = FAKES) -> Path:
    """A Python for mypy to look packages up in: it has nothing but the fakes, or a copy of them, and meshfit.

    As installed packages, not on `mypy_path`: there a package without `py.typed` would be followed, which is what the
    fake accelerate is for.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    lines = [str(path) for path in (packages, ROOT / "src", ROOT / "mypy_plugin")]
    (site / "packages.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "bin" / "python"


def write_config(folder: Path, more: str = "") -> Path:
    """A mypy.ini with the plugin, and `more` lines of its main section, tables of its own after them."""
    config = folder / "mypy.ini"
    config.write_text(CONFIG.format(more=more), encoding="utf-8")
    return config


def run(files: Sequence[Path], folder: Path, *flags: str, more: str = "", root: Path = CASES) -> list[Diagnostic]:
    """Check files in one run within this process, without a cache unless a flag names one.

    Args:
        files: what to check; module names are relative to `root`.
        folder: an empty or earlier used one, for the configuration.
        flags: mypy's.
        more: lines of the configuration's main section.
        root: where modules are found.
    """
    python = folder / "python"
    if not python.exists():
        interpreter(python)
    config = write_config(folder, more)
    limit = sys.getrecursionlimit()
    with mock.patch.dict(os.environ, {"MESHFIT_DEBUG": "1", "MYPYPATH": str(root)}):
        out, err, status = api.run(
            [
                *("--config-file", str(config), "--python-executable", str(python / "bin" / "python")),
                *(() if any(flag.startswith("--cache-dir") for flag in flags) else ("--cache-dir", os.devnull)),
                *flags,
                *map(str, files),
            ]
        )
    # mypy raises it for good, which hypothesis minds
    sys.setrecursionlimit(limit)
    found = parse(out + err, root)
    # an INTERNAL ERROR goes past the streams that mypy hands back
    return [*found, Diagnostic("", 0, "error", "mypy ended with exit code 2", "crash")] if status == 2 else found


def parse(output: str, root: Path = CASES) -> list[Diagnostic]:
    """What mypy printed, line by line; a line of another form, such as a traceback's, is an error of its own.

    Notes about a file as a whole are left out.
    """
    return list(_parsed(output, root))


def _parsed(output: str, root: Path) -> Iterator[Diagnostic]:
    for line in output.splitlines():
        found = _LINE.match(line)
        if found is not None:
            path = os.path.relpath(found["path"], root)
            yield Diagnostic(path, int(found["line"]), found["kind"], found["text"], found["code"] or "")
        elif not re.match(r"Found \d+ errors? in|Success: no issues|Daemon (started|stopped)|\S+: note: |$", line):
            yield Diagnostic("", 0, "error", line, "crash")


def compare(path: Path, diagnostics: Sequence[Diagnostic], root: Path = CASES) -> Verdict:
    """What a case lacks and what it has too much. An error about a model must come with a note that names the rule."""
    wanted = expected(path)
    name = os.path.relpath(path, root)
    here = [found for found in diagnostics if found.path in (name, "")]
    errors = [found for found in here if found.kind == "error"]
    missing = []
    for want in wanted:
        hit = next((e for e in errors if (e.line, e.code) == (want.line, want.code) and want.text in e.text), None)
        if hit is None:
            missing.append(f"{name}:{want.line}: {want.code} {want.text}".rstrip())
        else:
            errors.remove(hit)
    due = Counter(found.line for found in here if found.kind == "error" and found.code in WITH_NOTES)
    notes = Counter(found.line for found in here if found.kind == "note" and _RULE.search(found.text))
    missing += [f"{name}:{line}: a note" for line in (due - notes).elements()]
    stray = [f"{name}:{line}: a note without an error" for line in (notes - due).elements()]
    return Verdict(missing, [*map(str, errors), *stray])
