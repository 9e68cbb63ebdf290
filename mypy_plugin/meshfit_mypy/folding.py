"""Operations on constants, as Python would carry them out; what is not known, or would be large, stays unknown."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from meshfit.readers.unknown import UNKNOWN, has_unknown

__all__ = ["fold", "fold_call", "fold_comparison", "fold_unary"]

_BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "/": operator.truediv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_UNARY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "not": operator.not_,
}
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}
_CALLS: Final[Mapping[str, Callable[..., Any]]] = {
    f"builtins.{function.__name__}": function for function in (abs, bool, dict, int, len, list, max, min, sum, tuple)
}
_LARGEST: Final = 2**31
_LONGEST: Final = 64
_FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def fold(op: str, left: object, right: object) -> object:
    """`left op right`."""
    function = _BINARY.get(op)
    if function is None or left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if not (_is_small(left) and _is_small(right)) or (op in ("**", "<<", ">>") and not _is_power(left, right)):
        return UNKNOWN
    return _tried(function, (left, right))


def fold_unary(op: str, value: object) -> object:
    """`op value`."""
    function = _UNARY.get(op)
    return UNKNOWN if function is None or value is UNKNOWN else _tried(function, (value,))


def fold_comparison(op: str, left: object, right: object) -> object:
    """`left op right`, for one operator of a chain."""
    if has_unknown(left) or has_unknown(right):
        return UNKNOWN
    if op in ("is", "is not"):
        if None not in (left, right) and not (isinstance(left, bool) and isinstance(right, bool)):
            return UNKNOWN  # whether two equal constants are one object is the interpreter's affair
        return (left is right) is (op == "is")
    function = _COMPARISONS.get(op)
    return UNKNOWN if function is None else _tried(function, (left, right))


def fold_call(callee: str, positional: Sequence[object], keywords: Mapping[str, object]) -> object:
    """`callee(*positional, **keywords)`, for the builtins that make numbers and containers."""
    function = _CALLS.get(callee)
    if function is None or any(has_unknown(value) for value in positional):
        return UNKNOWN
    if keywords and function is not dict:
        return UNKNOWN
    return _tried(function, positional, keywords)


def _tried(
    function: Callable[..., object], positional: Sequence[object], keywords: Mapping[str, object] | None = None
) -> object:
    try:
        value = function(*positional, **(keywords or {}))
    except _FAULTS:
        return UNKNOWN
    return value if _is_small(value) else UNKNOWN


def _is_small(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    if isinstance(value, (str, list, tuple, dict)):
        return len(value) <= _LONGEST
    return value is None or isinstance(value, float)


def _is_power(left: object, right: object) -> bool:
    """Whether a power or a shift stays within what can be computed at once."""
    return isinstance(left, int) and isinstance(right, int) and 0 <= right <= 31 and abs(left) <= 2**16
