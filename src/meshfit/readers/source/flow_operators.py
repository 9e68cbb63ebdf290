"""Operators on numbers and constants in a forward body."""

from __future__ import annotations

import ast
from typing import Any

from meshfit.readers.source.flow_values import SHAPE, TENSOR, Value
from meshfit.readers.source.python_operators import ARITHMETIC, COMPARISONS
from meshfit.readers.source.values import UNKNOWN

__all__ = ["arithmetic", "compared"]


def arithmetic(op: ast.operator, left: float, right: float) -> object:
    """`left op right` of plain numbers, UNKNOWN where it fails."""
    function = ARITHMETIC.get(type(op))
    if function is None and isinstance(op, ast.Pow) and abs(right) <= 8:
        return left**right if left else UNKNOWN
    try:
        return UNKNOWN if function is None else function(left, right)
    except (ArithmeticError, ValueError):
        return UNKNOWN


def compared(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """The answer of a comparison, None when unknown."""
    if isinstance(op, ast.Is | ast.IsNot):
        if right.const is None and right.items is None and right.fields is None:
            answer = left.is_none
        elif isinstance(right.const, bool) and isinstance(left.const, bool):
            answer = left.const is right.const
        else:
            answer = None
        return answer if answer is None or isinstance(op, ast.Is) else not answer
    unknown = (UNKNOWN, TENSOR, SHAPE)
    if left.const in unknown or right.const in unknown:
        return None
    if isinstance(op, ast.In | ast.NotIn):
        if isinstance(right.const, tuple | list | dict | set | frozenset | str):
            try:
                return (left.const in right.const) is isinstance(op, ast.In)
            except TypeError:
                return None
        return None
    compare = COMPARISONS.get(type(op))
    plain = (bool, int, float, str, type(None))
    if compare is None or not isinstance(left.const, plain) or not isinstance(right.const, plain):
        return None
    compared_values: tuple[Any, Any] = (left.const, right.const)
    try:
        return bool(compare(*compared_values))
    except TypeError:
        return None
