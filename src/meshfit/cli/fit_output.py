"""The answers of `meshfit fit` as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from meshfit.cli.terminal import wants_color
from meshfit.fitting.answer import Choice, Fit
from meshfit.render.json_format import SCHEMA
from meshfit.render.text import advice, headline

if TYPE_CHECKING:
    from meshfit.fitting.limits import Limit
    from meshfit.fitting.worlds import Worlds
    from meshfit.report import Report

__all__ = ["meshes_json", "meshes_text", "worlds_json", "worlds_text"]

LISTED: Final = 8
"""Sizes that are listed one by one."""

GIB: Final = 2**30


def meshes_text(found: Fit) -> str:
    """The table of meshes, then a line on each axis."""
    fixed = ",".join(f"{axis}={size}" for axis, size in found.fixed.items())
    ranks = _count(found.world, "rank", "ranks")
    asked = f"{_bold(found.target)} on {ranks}{f' with {fixed}' if fixed else ''} (engine {found.engine})"
    if found.refusal is not None:
        return "\n".join([f"{asked}: no mesh fits, the nearest is {found.refusal.mesh}", *_refusals(found.refusal)])
    shown = len(found.choices)
    best = f", the best {shown}" if shown < found.total else ""
    lines = [f"{asked}: {_count(found.total, 'mesh', 'meshes')} fit{'' if found.total > 1 else 's'}{best}", ""]
    head, *rows = _table([_header(), *map(_row, found.choices)])
    lines += [f"  {_bold(head.lstrip())}", *rows]
    if shown < found.total:
        lines.append(f"  {found.total - shown} more with --all")
    told = [_limit(limit) for limit in found.limits if limit.refused is not None or limit.legal != (1,)]
    return "\n".join([*lines, *(["", *told] if told else [])])


def meshes_json(found: Fit) -> str:
    """One object: `meshes` best first, `axes` with how far each goes."""
    return _json(
        {
            "target": found.target,
            "engine": found.engine,
            "world": found.world,
            "fixed": dict(found.fixed),
            "total": found.total,
            "meshes": [_choice_dict(choice) for choice in found.choices],
            "axes": {limit.axis: _limit_dict(limit) for limit in found.limits},
            "refused": None if found.refusal is None else found.refusal.to_dict(),
        }
    )


def worlds_text(worlds: Worlds, report: Report) -> str:
    """Which numbers of ranks the mesh fits, and why it fits none."""
    asked = f"{_bold(report.target)} on {report.mesh} (engine {report.engine})"
    if not worlds.fitting:
        return "\n".join([f"{asked}: fits no world of up to {worlds.largest} ranks", *_refusals(report)])
    if worlds.step is not None:
        return f"{asked}: fits every multiple of {worlds.step} ranks, up to the {worlds.largest} that were tried"
    fitting = f"{asked}: fits {_sizes(worlds.fitting)} ranks"
    if worlds.largest == worlds.ranks:
        return fitting
    return f"{fitting}, and no other multiple of {worlds.ranks} up to {worlds.largest}"


def worlds_json(worlds: Worlds, report: Report) -> str:
    """One object: `worlds` that fit, `every` number of which all multiples do."""
    return _json(
        {
            "target": report.target,
            "engine": report.engine,
            "mesh": {axis: report.mesh.size(axis) for axis in report.mesh.used},
            "worlds": list(worlds.fitting),
            "every": worlds.step,
            "tried_up_to": worlds.largest,
            "refused": None if worlds.fitting else report.to_dict(),
        }
    )


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps({"schema": SCHEMA, **values}, indent=2)


def _header() -> tuple[str, ...]:
    return "mesh", "weights a rank", "multiples of", "warnings", "unknown"


def _row(choice: Choice) -> tuple[str, ...]:
    report = choice.report
    padded = (f"{name} {multiple}" for name, multiple in choice.multiples._asdict().items() if multiple is not None)
    return (
        str(report.mesh) if report.mesh.used else "one device",
        "" if choice.weight_bytes is None else f"{choice.weight_bytes / GIB:.2f} GiB",
        ", ".join(padded),
        ", ".join(dict.fromkeys(violation.code for violation in report.warnings)),
        ", ".join(dict.fromkeys(unknown.fact for unknown in report.unknown)),
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns; a column that holds nothing below its head is left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _limit(limit: Limit) -> str:
    name = f"{limit.axis}_size"
    largest = limit.legal[-1]
    if largest == 1:
        told = f"no {name} above 1 works"
    else:
        told = f"largest {name} that works: {largest}" + (
            f" (of {_sizes(limit.legal)})" if len(limit.legal) > 1 else ""
        )
    if limit.reason is not None:
        of_axis = "" if limit.reason.axis == limit.axis else f"{limit.reason.axis}: "
        told += f", because at {limit.refused}: {of_axis}{limit.reason.message}"
    if limit.elsewhere:
        told += f"; in other worlds also {_sizes(limit.elsewhere)}"
    return told


def _choice_dict(choice: Choice) -> dict[str, Any]:
    report = choice.report
    return {
        "mesh": {axis: report.mesh.size(axis) for axis in report.mesh.used},
        "warnings": [violation.to_dict() for violation in report.warnings],
        "unknown": [{"axis": u.axis, "fact": u.fact, "rule": u.code} for u in report.unknown],
        "weight_bytes": choice.weight_bytes,
        "multiples": choice.multiples._asdict(),
    }


def _limit_dict(limit: Limit) -> dict[str, Any]:
    return {
        "largest": limit.legal[-1],
        "legal": list(limit.legal),
        "refused": limit.refused,
        "because": None if limit.reason is None else limit.reason.to_dict(),
        "elsewhere": list(limit.elsewhere),
    }


def _refusals(report: Report) -> Iterator[str]:
    for error in report.errors:
        yield f"- {headline(error, report.engine)}"
        yield f"    {advice(error)}"


def _sizes(sizes: Sequence[int]) -> str:
    if len(sizes) > LISTED:
        return f"{', '.join(map(str, sizes[: LISTED - 1]))}, ... {sizes[-1]}"
    return ", ".join(map(str, sizes))


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if wants_color() else text
