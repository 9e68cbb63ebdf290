"""Expressions over the values of a config, as the index stores them: what a size is made of, what a fact holds for.

An expression is a plain scalar, or a list that begins with its operator: `["k", "text_config", "hidden_size"]` reads
a value, `["i"]` is the number of a layer, `["//", a, b]` divides. They are data: nothing of a file is executed.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

__all__ = ["UNSURE", "Expr", "Unanswered", "evaluate", "kind_of", "same"]

Expr: TypeAlias = Any
"""A scalar, or `(operator, *operands)` as a tuple while it is recorded and a list once it is stored."""

_BIG: Final = 1 << 62


class _Unsure:
    """The type of `UNSURE`."""

    def __repr__(self) -> str:
        return "UNSURE"


UNSURE: Final = _Unsure()
"""A value of a config that the index cannot tell."""


class Unanswered(Exception):  # noqa: N818 - an answer, not an error
    """The config has no such value, or one that the operator cannot take."""


def kind_of(value: object) -> str:
    """The type of a config's value as guards name it."""
    if value is None:
        return "None"
    if isinstance(value, Mapping):
        return "dict"
    return "list" if isinstance(value, list | tuple) else type(value).__name__


def same(left: object, right: object) -> bool:
    """Equality that tells 1 from True and 1.0."""
    return type(left) is type(right) and bool(left == right)


def evaluate(expr: Expr, values: Mapping[str, Any], index: int | None = None) -> Any:
    """The value of an expression.

    Args:
        expr: what to compute.
        values: the config's values, parts as mappings.
        index: the number that `["i"]` stands for.

    Raises:
        Unanswered: it has no value for this config.
    """
    if not isinstance(expr, list | tuple):
        return expr
    name = expr[0]
    if name == "k":
        return _leaf(values, expr[1:])
    if name == "i":
        if index is None:
            raise Unanswered
        return index
    if name == "has":
        return _has(values, expr[1:])
    operands = [evaluate(part, values, index) for part in expr[1:]]
    try:
        result = OPERATORS[name](*operands)
    except (TypeError, ValueError, ArithmeticError, LookupError) as fault:
        raise Unanswered from fault
    if type(result) is int and abs(result) > _BIG:
        raise Unanswered
    return result


def _leaf(values: Any, path: Any) -> Any:
    if not _has(values, path):
        raise Unanswered
    for part in path:
        values = values[part]
    return values


def _has(values: Any, path: Any) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
        if values is UNSURE:
            raise Unanswered
    return True


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > 64:
        raise ValueError(exponent)
    return base**exponent


def _item(holder: Any, key: Any) -> Any:
    if not isinstance(holder, list | tuple | str):
        raise TypeError(holder)
    return holder[key]


def _cut(holder: Any, start: Any, stop: Any, step: Any) -> Any:
    if not isinstance(holder, list | tuple):
        raise TypeError(holder)
    return list(holder[start:stop:step])


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right)


OPERATORS: Final[Mapping[str, Callable[..., Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "/": operator.truediv,
    "%": operator.mod,
    "**": _power,
    "neg": operator.neg,
    "abs": abs,
    "int": int,
    "float": float,
    "round": round,
    "ceil": math.ceil,
    "floor": math.floor,
    "sqrt": math.sqrt,
    "<": operator.lt,
    "<=": operator.le,
    "==": _equal,
    "bool": bool,
    "type": kind_of,
    "number": lambda value: type(value) in (int, float),
    "len": len,
    "keys": sorted,
    "named": lambda table, name: table[name],
    "in": lambda item, holder: item in holder,
    "at": _item,
    "index": lambda holder, item: list(holder).index(item),
    "layer": lambda value, layers, index, name: layers.get(str(index), {}).get(name, value),
    "cut": _cut,
    "list": lambda *items: list(items),
    "dict": lambda *items: dict(zip(items[::2], items[1::2], strict=True)),
    "over": lambda below, above: {**below, **above},
    "times": lambda items, count: list(items) * count,
    "text": str,
}
