"""What an expression of the file being checked may be: the set of its roots, and the set of its values.

A name is whatever any of its bindings is, wherever they stand, so an answer may hold too much but never too little.
Other files are read by what mypy keeps of them: constants that are `Final`, literal types, members of enums.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from mypy.nodes import DictExpr, IntExpr, StrExpr

from meshfit.readers.unknown import UNKNOWN, has_unknown
from meshfit_mypy.evaluation import evaluated
from meshfit_mypy.following import DEEPEST, MOST, Following, Unreadable, is_mutable

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from mypy.nodes import Expression, MypyFile

__all__ = ["Reader", "crossed"]


class Reader(Following):
    """Reads expressions of one file: what they stand for, and their values."""

    def __init__(self, tree: MypyFile, line: int, modules: Mapping[str, MypyFile], told: Container[str] = ()) -> None:
        super().__init__(tree, line, modules, told)
        self._evaluating: set[int] = set()

    def sources(self, expr: Expression) -> tuple[Expression, ...] | None:
        """The calls, literals and names of other files that `expr` may stand for; None: not all of them are known."""
        if not self.is_followed(expr):
            return (expr,)
        with self.complete():
            try:
                roots = self.roots(expr)
            except Unreadable:
                return None
        return tuple({id(root): root for root in roots}.values()) or None

    def values(self, expr: Expression) -> tuple[object, ...] | None:
        """Every constant that `expr` may be (numbers, texts, None, containers); None: not all of them are known."""
        found = self.possible(expr)
        return None if any(has_unknown(value) for value in found) else tuple(found)

    def possible(self, expr: Expression) -> list[object]:
        """As `values`, but what is not known is `UNKNOWN`, by itself or as an item; never empty."""
        if isinstance(expr, (IntExpr, StrExpr)):
            return [expr.value]
        with self.complete():
            try:
                roots = self.roots(expr)
                named = any(root is not expr and is_mutable(root) for root in roots)
                if not roots or (named and self.is_written(inside=any(_has_mutable(root) for root in roots))):
                    return [UNKNOWN]
                return _distinct(value for root in roots for value in self._values_of(root))
            except Unreadable:
                return [UNKNOWN]

    def is_mutated(self, expr: Expression) -> bool:
        """Whether the object that `expr` names may have been written to since it was made, or may have escaped."""
        with self.complete():
            try:
                self.roots(expr)
                return self.is_written(inside=False)
            except Unreadable:
                return True

    def _values_of(self, root: Expression) -> Iterable[object]:
        if id(root) in self._evaluating or len(self._evaluating) > DEEPEST:
            return (UNKNOWN,)  # `x = x + 1` has no end
        self._evaluating.add(id(root))
        try:
            return list(evaluated(root, self))
        finally:
            self._evaluating.discard(id(root))

    def items(self, root: Expression) -> list[Expression] | None:
        """Every item of a literal, or of a call that goes over one; None when they are not all known."""
        from meshfit_mypy.sequences import items_of

        return items_of(root, self)

    def combinations(self, expressions: Iterable[Expression]) -> list[tuple[object, ...]]:
        """Every combination of what the expressions may be; all `UNKNOWN` where there are too many."""
        choices = [self.possible(expr) for expr in expressions]
        return crossed(choices) or [(UNKNOWN,) * len(choices)]


def crossed(choices: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]] | None:
    """Every combination of one of each; None where there are too many."""
    return None if prod(map(len, choices)) > MOST else list(product(*choices))


def _distinct(values: Iterable[object]) -> list[object]:
    found: dict[str, object] = {}
    for value in values:
        found.setdefault(repr(value), value)
        if len(found) > MOST:
            return [UNKNOWN]
    return list(found.values())


def _has_mutable(root: Expression) -> bool:
    items = [value for _, value in root.items] if isinstance(root, DictExpr) else getattr(root, "items", ())
    return any(is_mutable(item) or _has_mutable(item) for item in items)
