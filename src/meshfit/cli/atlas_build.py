"""`meshfit atlas build`: the sweep, from the list of classes to the file."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError, TargetError

if TYPE_CHECKING:
    from meshfit.atlas.journal import Journal
    from meshfit.atlas.sweep import OpenProver, Prove, Task

__all__ = ["build", "configure_build"]

_NAMED: Final = 20
"""Classes without a proof that are named with the reason; more are counted."""


def configure_build(parser: argparse.ArgumentParser) -> None:
    """Give the action its options."""
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("transformers.atlas"),
        help="where to write it (default: %(default)s)",
    )
    parser.add_argument("--classes", metavar="A,B", help="these classes alone (default: all that write text)")
    parser.add_argument("--every", metavar="N", type=int, default=1, help="only each Nth class")
    parser.add_argument("--offset", metavar="K", type=int, default=0, help="with --every: begin at the Kth (from 0)")
    parser.add_argument(
        "--axes", metavar="A,B", help="these axes, such as tp,ep+tp (default: tp,pp,ep+tp,ep+fsdp,fsdp,cp)"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="groups of ranks at once (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on from the journal of an earlier run")
    parser.add_argument("--onto", metavar="FILE", type=Path, help="keep what this atlas has of other questions")


def build(options: argparse.Namespace) -> Verdict:
    """Prove, and write the atlas.

    Raises:
        MeshfitError: an option is wrong, a library is missing, a file cannot be read or written.
        KeyboardInterrupt: the journal is whole, and the user was told how to go on.
    """
    from meshfit.atlas.journal import Journal
    from meshfit.atlas.telling import overview
    from meshfit.proof.proving import versions
    from meshfit.readers.atlas_file import atlas_bytes, evidence_in, merged

    begun = time.monotonic()
    for name, least in (("every", 1), ("offset", 0), ("jobs", 1)):
        if getattr(options, name) < least:
            raise MeshfitError(f"--{name} must be at least {least}, got {getattr(options, name)}")
    kept = evidence_in(options.onto) if options.onto else ()
    journal = Journal(options.output.with_name(f"{options.output.name}.journal"), versions())
    if options.resume:
        journal.read()
    elif journal.path.exists():
        raise MeshfitError(f"{journal.path} is of a run that did not end: go on with --resume, or delete it")
    _prove(options, journal, open_prover)
    made = merged(kept, journal.evidence)
    if not made:
        raise MeshfitError(f"nothing was proved; {_failures(journal) or 'no class was asked for'}")
    written = atlas_bytes(made)
    try:
        partial = options.output.with_name(f"{options.output.name}.part")
        partial.write_bytes(written)
        partial.replace(options.output)
    except OSError as fault:
        raise MeshfitError(f"{options.output} cannot be written: {fault.strerror}; go on with --resume") from None
    journal.remove()
    spent = f"{(time.monotonic() - begun) / 60:.1f} min"
    told = [f"{options.output}: {len(written) / 1024:.0f} KiB, {spent}", "", overview(made)]
    if journal.failures:
        told += ["", _failures(journal)]
    return Verdict("\n".join(told), 0)


@contextmanager
def open_prover() -> Iterator[Prove]:
    """What proves in a process of the sweep."""
    from functools import partial

    from meshfit.proof.proving import prove
    from meshfit.proof.ranks import Pool

    with Pool() as pool:
        yield partial(prove, pool)


def _prove(options: argparse.Namespace, journal: Journal, prover: OpenProver) -> None:
    from meshfit.atlas.sweep import sweep
    from meshfit.cli.progress import progress

    tasks = _tasks(options, journal)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it leaves nothing behind
    done = 0

    def count(finished: int) -> None:
        nonlocal done
        done = finished
        tell(finished / len(tasks))

    try:
        with progress("proving") as tell:
            sweep(tasks, prover, journal, jobs=options.jobs, tell=count)
    except KeyboardInterrupt:
        left = f"{done} of {len(tasks)} classes done; go on with --resume, which reads {journal.path}"
        print(f"meshfit: interrupted, {left}", file=sys.stderr)  # noqa: T201 - this is a command
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


_NEEDED: Final = "a proof needs torch and transformers; pip install 'meshfit[hf,torch]'"


def _tasks(options: argparse.Namespace, journal: Journal) -> tuple[Task, ...]:
    from meshfit.atlas.questions import MESHES, all_classes, mesh_of, picked
    from meshfit.atlas.sweep import left_to_do
    from meshfit.readers.source.index import find_package

    package = find_package("transformers")
    meshes = [mesh_of(axes) for axes in (options.axes.split(",") if options.axes else MESHES)]
    if package is None:
        raise TargetError(_NEEDED)
    named = [name.strip() for name in (options.classes or "").split(",") if name.strip()]
    classes = picked(package, named) if named else all_classes(package)
    if find_package("torch") is None:
        raise TargetError(_NEEDED)
    return left_to_do(classes[options.offset :: options.every], meshes, journal)


def _failures(journal: Journal) -> str:
    if not journal.failures:
        return ""
    count = len(journal.failures)
    told = [f"{count} {'class' if count == 1 else 'classes'} without a proof:"]
    told += [f"  {name}: {why}" for name, why in list(journal.failures.items())[:_NAMED]]
    return "\n".join([*told, *([f"  and {count - _NAMED} more"] if count > _NAMED else [])])
