"""Whether the checker says the same in every mode of every mypy, before and after edits.

    python benchmarks/checker_modes.py [--folder DIR] [--mypy VERSION ...] [--mode WORDS ...]

Installs each mypy into a virtual environment of its own under DIR (kept, so that a second run is quick), takes the
cases of `tests/typing` through every mode, and prints a matrix of mode and version. A cell says in how many steps the
mode differs from the newest mypy run from nothing; a cell that a version does not have says why.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.typing.modes import MODES, STEPS, Checker, Mode, Said, differences, newest  # noqa: E402 - found by the line above

VERSIONS: Final = ("1.19.1", "1.20.2", "2.0.0", "2.4.1")
"""The oldest that is supported, the last of its line, the first of the next, and the newest, which answers."""


def installed(version: str, folder: Path) -> Checker:
    """A mypy of that version beside this meshfit, installed where it is not yet."""
    home = folder / f"mypy-{version}"
    if not (home / "bin" / "mypy").exists():
        venv.EnvBuilder(with_pip=True, clear=True).create(home)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, f"mypy=={version}", "-e", str(ROOT)], check=True)
        # its source is read, nothing of it runs
        subprocess.run([*pip, "--no-deps", "transformers", "-c", str(ROOT / "constraints.txt")], check=True)
    return Checker.at(home / "bin")


def cell(checker: Checker, mode: Mode, answers: Sequence[Said], listed: dict[str, Mapping[str, list[str]]]) -> str:
    """What the matrix says of one mode of one version; differences are added to `listed`."""
    lack = mode.lacks(checker.version)
    if lack:
        return f"- {lack}"
    with tempfile.TemporaryDirectory() as folder:
        told = differences(checker, mode, Path(folder), answers)
    if not told:
        return "same"
    listed[f"{checker.name}, {mode.name}"] = told
    return f"differs in {len(told)} steps"


def main() -> int:
    """Print the matrix, then every difference; 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "meshfit-mypy-versions")
    parser.add_argument("--mypy", nargs="+", default=VERSIONS, metavar="VERSION")
    parser.add_argument("--mode", nargs="+", default=[""], metavar="WORDS", help="modes whose name has such words")
    given = parser.parse_args()
    modes = [mode for mode in MODES if any(words in mode.name for words in given.mode)]
    with tempfile.TemporaryDirectory() as folder:
        answers = newest(installed(VERSIONS[-1], given.folder), Path(folder))
    states = len(set(answers))
    print(f"{len(STEPS)} steps, {states} different answers, {len(answers[0])} diagnostics of the program as it is\n")
    listed: dict[str, Mapping[str, list[str]]] = {}
    checkers = [installed(version, given.folder) for version in given.mypy]
    print(f"{'':28}" + "".join(f"{checker.name:28}" for checker in checkers))
    for mode in modes:
        print(f"{mode.name:28}", end="", flush=True)
        for checker in checkers:
            print(f"{cell(checker, mode, answers, listed):28}", end="", flush=True)
        print()
    for where, told in listed.items():
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for step, lines in told.items():
            alike[tuple(lines)].append(step)
        for differing, steps in alike.items():
            print(f"\n{where}, {', '.join(steps)}:", *differing, sep="\n  ")
    return 1 if listed else 0


if __name__ == "__main__":
    sys.exit(main())
