"""One mesh under every engine: a column each, then what the engines say, once where several say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from meshfit.notice import Notice
from meshfit.render.notices import notices_of
from meshfit.render.text import ASKED, bullets, unknown_lines
from meshfit.report import Report, Severity

__all__ = ["engines_dict", "engines_notices", "engines_text"]

LEGEND: Final = "(CODE) is a warning; ? is open for want of a fact"


def engines_text(reports: Sequence[Report], *, show_unknown: bool = False, color: bool = False) -> str:
    """The table and what stands behind it.

    Args:
        reports: on one target and mesh, each under an engine of its own; at least one.
        show_unknown: list each fact that a rule needed and nobody knew.
        color: write ANSI colours.
    """
    first = reports[0]
    rows = [["", *(report.engine for report in reports)], ["verdict", *map(_verdict, reports)]]
    rows += [[axis, *(_cell(report, axis) for report in reports)] for axis in ("mesh", *first.mesh.used)]
    lines = [f"{first.target} on {first.mesh}", "", *_aligned(rows)]
    if any(mark in cell for row in rows[2:] for cell in row[1:] for mark in ("(", "?")):
        lines += ["", LEGEND]
    heading = ""
    for engines, told in _shared((report.engine, bullets(report, color=color)) for report in reports):
        under = f"Under {', '.join(engines)}:"
        lines += [told] if under == heading else ["", under, told]
        heading = under
    if show_unknown:
        for engines, told in _shared((r.engine, ["\n".join(unknown_lines(r))] if r.unknown else []) for r in reports):
            lines += ["", f"Under {', '.join(engines)}: {told[0].lower()}{told[1:]}"]
    return "\n".join(lines)


def engines_dict(reports: Sequence[Report]) -> dict[str, Any]:
    """The reports as JSON holds them, by engine; `ok` where every engine takes the mesh."""
    whole = reports[0].to_dict()
    return {
        "target": whole["target"],
        "mesh": whole["mesh"],
        "engine": "all",
        "ok": all(report.ok for report in reports),
        "engines": {report.engine: report.to_dict() for report in reports},
    }


def engines_notices(reports: Sequence[Report], file: str = "") -> tuple[Notice, ...]:
    """The notices of all engines, each once, with the engines that say so in its message.

    Args:
        reports: on one target and mesh.
        file: as `notices_of` takes it.
    """
    said: dict[Notice, list[str]] = {}
    for report in reports:
        for notice in notices_of(report, file):
            said.setdefault(notice, []).append(report.engine)
    return tuple(
        notice._replace(message=f"{notice.message} (under {', '.join(engines)})") for notice, engines in said.items()
    )


def _verdict(report: Report) -> str:
    return "fits" if report.ok else "refused"


def _cell(report: Report, axis: str) -> str:
    """`TP002`, `(PP004)` for a warning, `?` for what stays open, `ok`."""
    found = [violation for violation in report.violations if violation.axis == axis]
    codes = dict.fromkeys(v.code if v.severity is Severity.ERROR else f"({v.code})" for v in found)
    if codes:
        return " ".join(codes)
    return "?" if any(u.axis == axis and u.fact not in ASKED for u in report.unknown) else "ok"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _shared(told: Iterable[tuple[str, list[str]]]) -> Iterator[tuple[list[str], str]]:
    """Each thing told, once, with the engines that tell it; those that the same engines tell side by side."""
    engines: dict[str, list[str]] = {}
    for engine, texts in told:
        for text in texts:
            engines.setdefault(text, []).append(engine)
    groups: dict[tuple[str, ...], list[str]] = {}
    for text, tellers in engines.items():
        groups.setdefault(tuple(tellers), []).append(text)
    for group, texts in groups.items():
        for text in texts:
            yield list(group), text
