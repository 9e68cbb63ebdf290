"""Guards: what a config must answer for recorded facts to hold of it.

A guard is `[answers, loops]`. `answers` are pairs (expression, value). A loop is `[count, questions, kinds, halves]`:
asked of every number below `count`, the questions give each number a kind, and the kinds must first appear in that
order, for the pipeline's sake in each half. So one recording holds for any number of layers, as long as the same kinds
of layers follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meshfit.readers.shipped.expressions import Expr, Unanswered, evaluate, same

__all__ = ["Guard", "first_of", "holds", "kinds_of", "leaves", "loops_in", "order", "pinned", "sequence"]

Guard = Any
"""`(answers, loops)`, lists once stored."""

_LONGEST: Final = 4096
_NO_ANSWER: Final = "?"


def holds(guard: Guard, values: Mapping[str, Any]) -> bool:
    """Whether a config gives every answer that was recorded."""
    answers, loops = guard
    try:
        for expr, answer in answers:
            if not same(evaluate(expr, values), answer):
                return False
        return all(_passes(loop, values) for loop in loops)
    except Unanswered:
        return False


def _passes(loop: Any, values: Mapping[str, Any]) -> bool:
    count, questions, kinds, halves = loop
    number = evaluate(count, values)
    if type(number) is not int or number > _LONGEST:
        return False
    found = kinds_of(questions, number, values)
    if sequence(found, halves=halves) == kinds:
        return True
    return bool(halves and order(found) == order([*kinds[0], *kinds[1]]))


def kinds_of(questions: Any, count: int, values: Mapping[str, Any]) -> list[list[Any]]:
    """The answers of every number below `count`."""
    return [list(_answers(questions, values, index)) for index in range(count)]


def sequence(kinds: list[list[Any]], *, halves: bool) -> list[list[list[Any]]]:
    """The kinds as they first appear; with `halves` those of either half, between which a pipeline is cut."""
    half = len(kinds) // 2 if halves else 0
    return [order(kinds[:half]), order(kinds[half:])]


def order(kinds: list[list[Any]]) -> list[list[Any]]:
    """The distinct kinds as they first appear."""
    found: dict[str, list[Any]] = {}
    for kind in kinds:
        found.setdefault(repr(kind), kind)
    return list(found.values())


def _answers(questions: Any, values: Mapping[str, Any], index: int) -> Iterator[Any]:
    for question in questions:
        try:
            yield evaluate(question, values, index)
        except Unanswered:
            yield _NO_ANSWER


def first_of(decided: list[Any], kinds: list[list[Any]]) -> list[Any]:
    """For each kind the value that was recorded for it. Raises Unanswered for one that never was."""
    table = {repr(kind): value for kind, value in decided}
    try:
        return [table[repr(kind)] for kind in kinds]
    except KeyError:
        raise Unanswered from None


def leaves(expr: Expr) -> Iterator[tuple[Any, ...]]:
    """Every value of the config that an expression reads, as a path."""
    if isinstance(expr, list | tuple) and expr:
        if expr[0] in ("k", "has"):
            yield tuple(expr[1:])
        else:
            for part in expr[1:]:
                yield from leaves(part)


def loops_in(expr: Expr) -> Iterator[int]:
    """The loops whose numbers an expression, or a value that holds some, names."""
    for loop, _ in _numbers_in(expr):
        yield loop


def pinned(expr: Expr, loops: Sequence[tuple[Expr, int]]) -> set[int]:
    """The loops that a value hangs on, number for number; the first of several is the first however many follow."""
    return {loop for loop, number in _numbers_in(expr) if number > 0 or loops[loop][1] < 2}


def _numbers_in(expr: Expr) -> Iterator[tuple[int, int]]:
    if isinstance(expr, tuple):
        if len(expr) == 3 and expr[0] == "i":
            yield expr[1], expr[2]
        else:
            for part in expr:
                yield from _numbers_in(part)
    elif isinstance(expr, dict):
        for part in expr.values():
            yield from _numbers_in(part)
