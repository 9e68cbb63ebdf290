"""`meshfit explain-error`: the rule behind a crash, from the text it left."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from meshfit.cli.verdict import Verdict

if TYPE_CHECKING:
    from meshfit.crashes.diagnosis import Diagnosis
    from meshfit.mesh import MeshSpec
    from meshfit.report import Report

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
Name the rule behind a crash: read a traceback or the log of many ranks, decode the numbers, say what to set instead.
With --mesh the text is read for that mesh, and with --target too the verdict of check stands beside it.

  meshfit explain-error train.log
  meshfit explain-error logs/*/stderr.log
  torchrun --nproc-per-node 8 train.py 2>&1 | meshfit explain-error
  meshfit explain-error train.log --target config.json --mesh tp=8

"""

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a log that are read."""

EXIT_CODES: Final = "exit codes: 0 a rule is named, 1 none is recognised, 2 the input is wrong, 3 a fault of meshfit\n"


def configure(explain: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    explain.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        default=["-"],
        help="a log, or the logs of several ranks; - or nothing for what is piped in",
    )
    explain.add_argument("-m", "--mesh", metavar="SIZES", help="the mesh that ran, such as tp=8,pp=2")
    explain.add_argument("-t", "--target", metavar="TARGET", help="the model that ran, as check takes it")
    explain.add_argument("--engine", metavar="NAME", help="who ran the mesh, for check")
    explain.add_argument("--world", type=int, metavar="N", help="ranks that ran, for check")
    explain.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> Verdict:
    """The rule behind the text. Raises MeshfitError for a file that cannot be read, and for a bad mesh or target.

    Of several files, one that cannot be read is a complaint, and the others are read.
    """
    from meshfit.crashes.diagnosis import diagnose
    from meshfit.errors import MeshfitError
    from meshfit.mesh import AXES, MeshSpec

    mesh = None if options.mesh is None else MeshSpec.parse(options.mesh)
    if options.target is not None and mesh is None:
        raise MeshfitError("--target needs the mesh that ran too; add --mesh, such as --mesh tp=8")
    sizes: Mapping[str, int] | None = None if mesh is None else {axis: mesh.size(axis) for axis in AXES}
    report = None if options.target is None or mesh is None else _check(options, mesh)
    found: dict[str, Diagnosis] = {}
    mistakes: dict[str, str] = {}
    for name in dict.fromkeys(options.files):
        try:
            found[name] = diagnose(_read(name), sizes)
        except MeshfitError as mistake:
            if len(options.files) == 1:
                raise
            mistakes[name] = str(mistake)
    code = 2 if mistakes else int(not any(diagnosis.causes for diagnosis in found.values()))
    text = _json(found, mistakes, report) if options.json else _text(found, report)
    return Verdict(text, code, tuple(mistakes.values()))


def _text(found: Mapping[str, Diagnosis], report: Report | None) -> str:
    """What each log tells: first those that name a rule, then those with an error, last those that only follow."""
    from meshfit.crashes.telling import tell

    if len(found) == 1:
        return tell(next(iter(found.values())), report)
    order = sorted(found, key=lambda name: (not found[name].causes, found[name].first_error is None))
    return "\n\n".join(f"{name}:\n{tell(found[name], report if found[name].causes else None)}" for name in order)


def _json(found: Mapping[str, Diagnosis], mistakes: Mapping[str, str], report: Report | None) -> str:
    from meshfit.crashes.telling import to_dict
    from meshfit.render.json_format import as_json

    told = [{"file": name, **to_dict(diagnosis, report)} for name, diagnosis in found.items()]
    if len(told) == 1 and not mistakes:
        return as_json(told[0])
    return as_json({"files": [*told, *({"file": name, "error": mistake} for name, mistake in mistakes.items())]})


def _check(options: argparse.Namespace, mesh: MeshSpec) -> Report:
    from meshfit.checking import check
    from meshfit.cli.naming import engine_name

    engine = None if options.engine is None else engine_name(options.engine)
    return check(options.target, mesh, engine=engine, world_size=options.world)


def _read(name: str) -> bytes:
    from meshfit.errors import MeshfitError

    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise MeshfitError("no log: name a file, or pipe one in, such as meshfit explain-error < train.log")
        raw = sys.stdin.buffer.read(LARGEST + 1)
    else:
        try:
            with open(name, "rb") as file:  # noqa: PTH123 - pathlib is not loaded for a command this short
                raw = file.read(LARGEST + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MeshfitError(f"cannot read {name!r}: {reason}") from error
    if len(raw) > LARGEST:
        raise MeshfitError(f"the log has more than {LARGEST >> 20} MB; pass its last part, such as tail -c 100M {name}")
    if not raw.strip():
        raise MeshfitError("the log is empty; pass a traceback, or what the ranks printed")
    return raw
