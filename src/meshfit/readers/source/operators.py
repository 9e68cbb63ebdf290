"""Operators on evaluated values: UNKNOWN in, UNKNOWN out; numbers under observation stay observed."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import torch_modules
from meshfit.readers.source.index import External
from meshfit.readers.source.python_operators import ARITHMETIC, COMPARISONS, IDENTITY
from meshfit.readers.source.values import UNKNOWN, Node, Param, Symbolic, Tensor, Traced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BIG", "FAULTS", "binary", "compared", "plain", "plainly_equal"]

FAULTS: Final = (TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError)
"""What carrying out an operation on values of the wrong kind may raise."""
BIG: Final = 1 << 20
"""The longest sequence that is worth holding."""


def plainly_equal(left: Any, right: Any) -> bool:
    """`==` for values of the same type, False where comparing fails."""
    try:
        return bool(left == right)
    except FAULTS:
        return False


def plain(value: Any) -> Any:
    """The bare value of a number under observation."""
    return value.plain() if isinstance(value, Traced) else value


def binary(op: ast.operator, left: Any, right: Any) -> Any:
    """`left op right`."""
    function = _BINARY.get(type(op))
    if function is None or left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(left, Tensor | Param) or isinstance(right, Tensor | Param):
        return _elementwise(left, right)
    if isinstance(op, ast.Pow) and (isinstance(right, int) and abs(right) > 64):
        return UNKNOWN
    try:
        result = _observed(function, left, right)
    except FAULTS:
        return UNKNOWN
    if isinstance(result, Symbolic) or not isinstance(result, list | str | tuple):
        return result
    return result if len(result) < BIG else UNKNOWN


def _observed(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """`function(left, right)`, still observed where one of them is."""
    if isinstance(left, Traced) and isinstance(right, Traced):
        return function(left.plain(), right.plain())
    if isinstance(left, Traced):
        return left.then(lambda value: function(value, right))
    if isinstance(right, Traced):
        return right.then(lambda value: function(left, value))
    return function(left, right)


def _elementwise(left: Any, right: Any) -> Tensor:
    """The shape of a tensor combined with a number or a scalar tensor; others may broadcast, so theirs is not told."""
    if isinstance(left, int | float):
        return Tensor(right.shape)
    if isinstance(right, int | float):
        return Tensor(left.shape)
    scalars = [side for side in (left, right) if isinstance(side, Tensor | Param) and side.shape == ()]
    return Tensor((right if scalars[0] is left else left).shape) if scalars else Tensor()


def compared(op: ast.cmpop, left: Any, right: Any) -> Any:
    """`left op right`: True, False or UNKNOWN."""
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(op, ast.Is | ast.IsNot) and isinstance(left, Traced):
        return isinstance(op, ast.IsNot)
    function = _COMPARE[type(op)]
    try:
        if isinstance(left, Traced) and isinstance(right, Traced):
            return function(left.plain(), right.plain())
        if isinstance(left, Traced):
            return left.decide(lambda value: function(value, right))
        if isinstance(right, Traced):
            return right.decide(lambda value: function(left, value))
        if isinstance(left, External) and isinstance(right, External):
            return function(left.dotted, right.dotted)
        return bool(function(left, right))
    except FAULTS:
        return UNKNOWN


def _contains(left: Any, right: Any) -> bool:
    if isinstance(right, Node):
        return any(name == left for name, _ in right.children())
    if isinstance(right, torch_modules.Activations):
        return left in right.table
    return operator.contains(right, left)


_BINARY: Final[Mapping[type[ast.AST], Callable[[Any, Any], Any]]] = {
    **ARITHMETIC,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
_COMPARE: Final[Mapping[type[ast.AST], Callable[[Any, Any], Any]]] = {
    **COMPARISONS,
    **IDENTITY,
    ast.In: _contains,
    ast.NotIn: lambda left, right: not _contains(left, right),
}
