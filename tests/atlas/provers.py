"""Provers for the tests of a sweep: what they do depends on the name of the class they are asked about."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.atlas.made import evidence

from meshfit.atlas import questions
from meshfit.atlas.sweep import Prove
from meshfit.cli import atlas_build
from meshfit.cli.main import main
from meshfit.errors import TargetError
from meshfit.evidence import Evidence, Outcome
from meshfit.mesh import MeshSpec


@contextmanager
def steady() -> Iterator[Prove]:
    """One that answers, and misbehaves where a class is called so."""
    yield prove


@contextmanager
def marking(folder: Path) -> Iterator[Prove]:
    """One that leaves a file as long as it lives."""
    mark = folder / str(os.getpid())
    mark.touch()
    try:
        yield prove
    finally:
        mark.unlink()


@contextmanager
def counting(folder: Path) -> Iterator[Prove]:
    """One that leaves a file for ever."""
    (folder / str(os.getpid())).touch()
    yield prove


@contextmanager
def closed() -> Iterator[Prove]:
    """One that cannot be opened."""
    raise TargetError("torch is not installed")
    yield prove


def prove(target: str, meshes: Sequence[MeshSpec]) -> Iterator[Evidence]:
    """Evidence of each mesh."""
    for number, mesh in enumerate(meshes):
        if number == 1:
            _misbehave(target)
        yield evidence(target, str(mesh), Outcome.WORKS)


def _misbehave(target: str) -> None:
    if target == "Killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if target == "Left":
        os._exit(3)
    if target == "Raises":
        raise FileNotFoundError("no such thing\nmore of it")
    if target == "Refuses":
        raise TargetError("cannot be built")
    if target in ("Slow", "Sleeps"):
        time.sleep(2 if target == "Slow" else 600)


def program(folder: str, *words: str) -> int:
    """The command with `marking` in place of the prover, and any name for a class: for a process to interrupt."""
    atlas_build.open_prover = partial(marking, Path(folder))
    questions.picked = lambda _, names: tuple(names)
    return main(words)


if __name__ == "__main__":
    sys.exit(program(*sys.argv[1:]))
