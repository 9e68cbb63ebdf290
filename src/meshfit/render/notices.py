"""The violations of a report as notices: each at the place in a file where the fact it rests on was read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meshfit.facts import Origin
from meshfit.notice import Notice, Place
from meshfit.render.text import headline
from meshfit.report import Report, Violation

__all__ = ["notices_of"]

NOWHERE: Final = Place("")
"""The place of a violation whose facts no file holds: an empty path."""

_LINE_END: Final = re.compile("\n")


def notices_of(report: Report, file: str = "") -> tuple[Notice, ...]:
    """One notice for each violation, in report order.

    Args:
        report: what was judged.
        file: the config that was read; a violation whose facts were not read in a file points to it as a whole. Empty
            where the target is no file.
    """
    whole = Place(file) if file else NOWHERE
    return tuple(_notice(violation, report, whole) for violation in report.violations)


def _notice(violation: Violation, report: Report, whole: Place) -> Notice:
    places = [(place, origin) for origin in dict.fromkeys(violation.origins) for place in _places(origin)]
    first = places[0][0] if places else whole
    return Notice(
        code=violation.code,
        slug=violation.slug,
        severity=violation.severity,
        consequence=violation.consequence,
        message=f"{report.target}: {headline(violation, report.engine)}",
        help=violation.help,
        place=first,
        related=tuple((place, f"{origin.pointer or 'a fact'} was read here") for place, origin in places[1:]),
    )


def _places(origin: Origin) -> Iterator[Place]:
    """The region of the value that was read; nothing for what is no file at hand, such as a default of a library."""
    if origin.line is None or _text(origin.where) is None:
        return
    end = _end(origin)
    yield Place(origin.where, origin.line, origin.column, *(end or (None, None)))


def _end(origin: Origin) -> tuple[int, int] | None:
    """Line and column behind a JSON value; None where the file holds something else."""
    text = _text(origin.where)
    if text is None or origin.line is None or origin.column is None or not origin.pointer.startswith("/"):
        return None
    begins = [0, *(found.end() for found in _LINE_END.finditer(text))]
    try:
        start = begins[origin.line - 1] + origin.column - 1
        end = json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, IndexError, RecursionError):
        return None
    return text.count("\n", 0, end) + 1, end - text.rfind("\n", 0, end)


def _text(path: str) -> str | None:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return None
