"""Files to findings: each is read, its recipes judged, its comments obeyed; a broken file never stops the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshfit.lint.documents import DocumentError
from meshfit.lint.files import Found, read_text
from meshfit.lint.ignores import Ignores
from meshfit.lint.judging import Question, judge_recipe, notice_of
from meshfit.lint.reading import format_of, holds_mesh_keys, read_recipes
from meshfit.lint.recipe import BROKEN, PROBLEMS, Recipe
from meshfit.notice import Notice, Place
from meshfit.report import Severity

if TYPE_CHECKING:
    from meshfit.report import Report

__all__ = ["Choice", "FileResult", "lint_file", "lint_text"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which findings are told.

    Args:
        select, ignore: codes, beginnings of codes ("TP") or names of rules; nothing selected is everything.
        unused_ignores: tell of comments that silence nothing.
    """

    select: Collection[str] = ()
    ignore: Collection[str] = ()
    unused_ignores: bool = False

    def takes(self, notice: Notice) -> bool:
        """Whether a finding is told. That a file cannot be read always is."""
        if notice.code == BROKEN:
            return True
        return (not self.select or _among(notice, self.select)) and not _among(notice, self.ignore)


def _among(notice: Notice, names: Collection[str]) -> bool:
    return any(notice.code.startswith(name.upper()) or notice.slug == name.lower() for name in names if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What was found in one file.

    Args:
        path: as the user named it.
        notices: what is wrong, by line.
        recipes: its meshes, each with the report on it (None where the mesh itself is refused).
        lines: the text of each line that a notice points to.
        broken: it could not be read.
    """

    path: str
    notices: tuple[Notice, ...] = ()
    recipes: tuple[tuple[Recipe, Report | None], ...] = ()
    lines: Mapping[int, str]
    broken: bool = False


def lint_file(found: Found, question: Question, choice: Choice, *, shown: str | None = None) -> FileResult | None:
    """What is found in one file; None for a file that says nothing of a mesh.

    Args:
        found: the file.
        question: what the user gave.
        choice: which findings are told.
        shown: its name in notices, where it has another one (standard input).
    """
    path = shown or found.path
    try:
        text = read_text(found)
    except DocumentError as error:
        return _broken(path, error)
    if text is None:
        return None
    result = lint_text(text, path, question, choice)
    if result.broken and not found.named and not holds_mesh_keys(text.encode("utf-8", "surrogatepass")):
        return None
    return result


def lint_text(text: str, path: str, question: Question, choice: Choice) -> FileResult:
    """What is found in the text of a file.

    Args:
        text: of the file.
        path: of the file; it tells the format.
        question: what the user gave.
        choice: which findings are told.
    """
    try:
        recipes = read_recipes(text, path, format_of(path, text) or format_of("-", text) or "yaml")
    except DocumentError as error:
        return _broken(path, error)
    judged = []
    notices: list[Notice] = []
    for recipe in recipes:
        found, report = judge_recipe(recipe, path, question)
        notices += found
        judged.append((recipe, report))
    ignores = Ignores(text)
    kept = list(ignores.keep(dict.fromkeys(notices)))
    if choice.unused_ignores:
        kept += [notice_of(problem, path) for problem in ignores.unused()]
    told = [_strict(notice) if question.strict else notice for notice in kept if choice.takes(notice)]
    told.sort(key=lambda notice: (notice.place.line or 0, notice.place.column or 0, notice.code))
    return FileResult(path=path, notices=tuple(told), recipes=tuple(judged), lines=_lines(text, told))


def _strict(notice: Notice) -> Notice:
    return notice._replace(severity=Severity.ERROR)


def _lines(text: str, notices: Iterable[Notice]) -> dict[int, str]:
    if not notices:
        return {}
    lines = text.split("\n")
    return {line: lines[line - 1] for notice in notices if (line := notice.place.line) is not None}


def _broken(path: str, error: DocumentError) -> FileResult:
    kind = PROBLEMS[BROKEN]
    place = Place(path, error.line, error.column if error.line is not None else None)
    told, _, advice = str(error).partition("; ")
    notice = Notice(BROKEN, kind.slug, kind.severity, kind.consequence, told, advice, place)
    return FileResult(path=path, notices=(notice,), lines={}, broken=True)
