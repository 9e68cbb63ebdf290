"""What was decided from values that keep account of themselves, and what all such values have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import Self

from meshfit.readers.shipped.expressions import Expr, same
from meshfit.readers.source.values import Symbolic

__all__ = ["Account", "Recorder", "bare", "expression", "is_scalar", "settled", "told"]


class Recorder:
    """What was decided from symbolic values: `answers` in order, and the loops that ran over symbolic counts."""

    current: Recorder | None = None

    def __init__(self) -> None:
        self.answers: dict[Expr, Any] = {}
        self.loops: list[tuple[Expr, int]] = []
        self._spread: list[tuple[Mapping[str, Any], list[Expr]]] = []

    def spread(self, plain: Mapping[str, Any], asked: list[Expr]) -> None:
        """Remember that a mapping was handed on as a whole, and what its doing so told."""
        self._spread.append((plain, asked))

    def forget_spread(self, given: Mapping[str, Any]) -> None:
        """A part was made of `given`: that a whole mapping went into it decides nothing here."""
        for plain, asked in self._spread:
            if all(name in given and same(given[name], value) for name, value in plain.items()):
                for expr in asked:
                    self.answers.pop(expr, None)
        self._spread.clear()

    def __enter__(self) -> Self:
        Recorder.current = self
        return self

    def __exit__(self, *_: object) -> None:
        Recorder.current = None


def told(expr: Expr, answer: Any) -> None:
    """Remember an answer."""
    if Recorder.current is not None:
        Recorder.current.answers[expr] = answer


class Account(Symbolic):
    """A symbolic value with the expression it is."""

    expr: Expr

    def as_expression(self) -> Expr:
        """The expression this value is by now."""
        return self.expr

    def of_heads(self, name: str) -> Any:  # noqa: ARG002 - only numbers count heads
        """Itself: this is no count."""
        return self

    def undimmed(self) -> Any:
        """Itself: this has no heads."""
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self


class Scalar(Account):
    """A number or a text: one plain value."""

    bare: Any


def bare(value: Any) -> Any:
    """The plain value; nothing is remembered."""
    return value.bare if isinstance(value, Scalar) else value


def is_scalar(value: Any) -> bool:
    """Whether a value is one that JSON holds by itself."""
    return value is None or isinstance(value, bool | int | float | str)


def settled(value: Any) -> Any:
    """The plain value, its being so remembered."""
    if isinstance(value, Scalar):
        told(("==", value.expr, value.bare), True)
        return value.bare
    return value


def expression(value: Any) -> Expr:
    """The expression of a value; a constant is its own."""
    found = getattr(value, "as_expression", None)
    if found is not None:
        return found()
    if isinstance(value, dict):
        return ("dict", *(expression(part) for item in value.items() for part in item))
    if isinstance(value, list | tuple):
        return ("list", *map(expression, value))
    return value
