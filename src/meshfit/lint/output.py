"""Findings as text and as JSON, with the counts of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from meshfit.lint.sweep import FileResult
from meshfit.notice import Notice, Place
from meshfit.render.json_format import as_json
from meshfit.report import Severity

__all__ = ["findings_json", "findings_text", "statistics", "unknown_lines"]

_RESET: Final = "\033[0m"
_COLORS: Final = {"error": "\033[31m", "warning": "\033[33m", "path": "\033[1m"}
Paint = Callable[[str, str], str]


def findings_text(results: Sequence[FileResult], *, color: bool = False) -> Iterator[str]:
    """Two lines for each finding, with a last line of counts.

    Args:
        results: of the files that have meshes, or cannot be read.
        color: write ANSI colours.
    """
    paint = _ansi if color else _plain
    for result in results:
        for notice in result.notices:
            yield from _lines(notice, paint)
    yield _summary(results)


def _lines(notice: Notice, paint: Paint) -> Iterator[str]:
    kind = notice.severity.value
    said = f"{paint(_at(notice.place), 'path')}: {paint(kind, kind)}: {notice.message}"
    ends = f"; if ignored, {notice.consequence.sentence}" if notice.consequence else ""
    yield f"{said} ({notice.code} {notice.slug}{ends})"
    for place, read in notice.related:
        yield f"    {_at(place)}: {read}"
    if notice.help:
        yield f"    help: {notice.help}"


def _at(place: Place) -> str:
    parts = [place.path, *(str(number) for number in (place.line, place.column) if number is not None)]
    return ":".join(parts)


def _summary(results: Sequence[FileResult]) -> str:
    counts = Counter(notice.severity for result in results for notice in result.notices)
    meshes = sum(len(result.recipes) for result in results)
    files = sum(bool(result.recipes) for result in results)
    broken = sum(result.broken for result in results)
    counts[Severity.ERROR] -= broken
    told = [_count(counts[Severity.ERROR], "error"), _count(counts[Severity.WARNING], "warning")]
    if broken:
        told.append(f"{_count(broken, 'file')} that cannot be read")
    found = ", ".join(part for part in told if part[0] != "0") or "nothing wrong"
    return f"{found} in {_count(meshes, 'mesh')} of {_count(files, 'file')}"


def _count(number: int, noun: str) -> str:
    many = f"{noun}es" if noun == "mesh" else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"


def findings_json(results: Sequence[FileResult]) -> str:
    """One JSON object, ASCII only."""
    findings = [_as_json(notice) for result in results for notice in result.notices]
    meshes = [
        {
            "path": result.path,
            "line": recipe.spot.line,
            "tool": recipe.tool,
            "model": recipe.model.value if recipe.model is not None else None,
            "engine": report.engine if report is not None else recipe.engine,
            "mesh": report.to_dict()["mesh"] if report is not None else None,
        }
        for result in results
        for recipe, report in result.recipes
    ]
    return as_json({"findings": findings, "meshes": meshes})


def _as_json(notice: Notice) -> dict[str, Any]:
    return {
        "code": notice.code,
        "slug": notice.slug,
        "severity": notice.severity.value,
        "consequence": notice.consequence.value if notice.consequence else None,
        "message": notice.message,
        "help": notice.help,
        **notice.place._asdict(),
        "related": [{**place._asdict(), "read": read} for place, read in notice.related],
    }


def statistics(results: Sequence[FileResult]) -> Iterator[str]:
    """How often each rule was broken, and how many meshes of each tool were found."""
    codes = Counter((notice.code, notice.slug) for result in results for notice in result.notices)
    for (code, slug), number in sorted(codes.items(), key=lambda item: (-item[1], item[0])):
        yield f"{number:6} {code} {slug}"
    tools = Counter(recipe.tool for result in results for recipe, _ in result.recipes)
    for tool, number in sorted(tools.items(), key=lambda item: (-item[1], item[0])):
        yield f"{number:6} {'mesh' if number == 1 else 'meshes'} of {tool}"


def unknown_lines(results: Sequence[FileResult], missing: Sequence[str]) -> Iterator[str]:
    """What was not judged for want of a fact, by mesh, and the models that are not here."""
    for result in results:
        for recipe, report in result.recipes:
            for axis, fact, code in report.unknown if report is not None else ():
                if axis in recipe.own:
                    continue
                yield f"{_at(Place(result.path, recipe.spot.line))}: {fact} of {axis} is unknown, so {code} is open"
    for name in missing:
        yield f"model {name!r} is not in the hub cache; name its folder by --model-map {name}=FOLDER"


def _plain(text: str, _kind: str) -> str:
    return text


def _ansi(text: str, kind: str) -> str:
    return f"{_COLORS[kind]}{text}{_RESET}"
