"""The blocks of the documents run, and the lines they give are the lines in force."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from meshfit.cli.main import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "rules.md"),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its document, its language, its text, and the block after it."""

    document: Path
    language: str
    text: str
    after: str

    @property
    def needs_torch(self) -> bool:
        return bool(re.search(r"\b(torch|transformers|accelerate|CapabilityMixin|verify)\b", self.text))

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with the output below it."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def _blocks() -> list[Block]:
    found = []
    for document in DOCUMENTS:
        fences = FENCE.findall(document.read_text(encoding="utf-8"))
        after = [text if language == "text" else "" for language, text in fences[1:]] + [""]
        found += [Block(document, *fence, following) for fence, following in zip(fences, after, strict=True)]
    return found


def _parameters(language: str) -> list[Any]:
    # the programs of mypy.md are checked, not run: tests/typing/test_mypy_page.py
    apart = ("mypy.md",) if language == "python" else ()
    blocks = [block for block in _blocks() if block.language == language and block.document.name not in apart]
    return [
        pytest.param(
            block,
            id=f"{block.document.name}-{number}",
            marks=[pytest.mark.torch] if language == "python" and block.needs_torch else [],
        )
        for number, block in enumerate(blocks)
    ]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    """A block without a language would never run."""
    assert {block.language for block in _blocks()} <= {"console", "python", "text", "bash", "json", "yaml", "toml"}


def _checked_on_fakes(arguments: list[str], folder: Path) -> str:
    """What mypy prints where torch and transformers are small stand-ins: the real ones take it half a minute."""
    from tests.typing.harness import interpreter

    python = interpreter(folder / "python")
    flags = ["--python-executable", str(python), "--cache-dir", str(folder / "cache")]
    command = [sys.executable, "-m", "mypy", *flags, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("block", _parameters("console"))
def test_commands_print_what_the_document_shows(
    block: Block, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Run in the root of the repository, letter by letter."""
    monkeypatch.chdir(ROOT)
    for command, output in block.commands:
        name, *arguments = shlex.split(command)
        if name == "python":
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
            assert done.stdout == output
            continue
        if name == "mypy":
            assert _checked_on_fakes(arguments, tmp_path) == output
            continue
        assert name == "meshfit"
        main(arguments)
        captured = capsys.readouterr()
        assert captured.out + captured.err == output


@pytest.mark.parametrize("block", _parameters("python"))
def test_python_runs_and_prints_what_the_document_shows(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of text after the code is its output."""
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.text, str(block.document), "exec"), {"__name__": "document"})  # noqa: S102 - our own page
    assert printed.getvalue() == block.after


@pytest.mark.parametrize("block", _parameters("yaml") + _parameters("json"))
def test_data_is_well_formed(block: Block) -> None:
    """YAML and JSON blocks parse."""
    assert (yaml.safe_load if block.language == "yaml" else json.loads)(block.text)


def _readme_lines() -> list[str]:
    return [
        block.text.strip() for block in _blocks() if block.document.name == "README.md" and block.language == "bash"
    ]


def test_the_readme_has_two_commands() -> None:
    """One sets up and runs the main job, one the tests; both install what is pinned, from extras that exist."""
    listed = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = re.findall(r"^(\w+) = \[", listed, flags=re.MULTILINE)
    job, tests = _readme_lines()
    for line in (job, tests):
        make, install, _ = line.split(" && ")
        assert make == "python3 -m venv .venv"
        named = re.fullmatch(r"\.venv/bin/pip install -c constraints\.txt -e '\.\[(\w+)\]'", install)
        assert named is not None
        assert named[1] in extras
    assert tests.endswith(" && .venv/bin/pytest")


def test_the_main_job_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It refuses the mesh, with the output that the first block shows."""
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(_readme_lines()[0].split(" && ")[-1])
    assert program == ".venv/bin/meshfit"
    assert main(arguments) == 1
    shown = next(block for block in _blocks() if block.language == "console")
    assert (shown.commands[0][0].split()[1:], shown.commands[0][1]) == (arguments, capsys.readouterr().out)


def test_ci_runs_the_lines_of_the_documents() -> None:
    """`.ci/run`, the justfile, README and CONTRIBUTING call the same ones."""
    ci = (ROOT / ".ci" / "run").read_text()
    just = (ROOT / "justfile").read_text()
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    recipes = dict(re.findall(r"^(\w+):\n    (.+)$", just, flags=re.MULTILINE))
    assert list(recipes) == ["test", "check", "bench", "checker", "docs", "atlas", "proofs"]
    for line in recipes.values():
        assert f"`{line}`" in contributing
    assert f"\n{recipes['check']}\n" in ci
    assert f"\n{recipes['test']} || code=$?\n" in ci
    chained = [line for line in ci.splitlines() if re.search(r"^[^#].* && ", line)]
    assert all(f"{{\n{line}\n}} || exit 1\n" in ci for line in chained)  # or a failure before the last && is lost
    make, install, run = _readme_lines()[1].split(" && ")
    assert f"{make} && {install.replace('install', 'install --quiet')}\n" in ci
    assert run == recipes["test"]


def test_every_file_that_the_readme_names_is_there() -> None:
    """No page or example is promised that does not ship."""
    readme = (ROOT / "README.md").read_text()
    for path in re.findall(r"\b(?:examples|docs)/[\w./-]+\w", readme):
        assert (ROOT / path).exists(), path
