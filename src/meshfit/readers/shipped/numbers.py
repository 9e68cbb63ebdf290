"""Numbers that keep account of themselves: arithmetic makes expressions, comparisons are remembered."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from meshfit.readers.shipped.expressions import Expr
from meshfit.readers.shipped.recorder import Account, Recorder, Scalar, bare, expression, is_scalar, settled, told
from meshfit.readers.source.values import Dim

__all__ = ["SymbolicDim", "SymbolicFloat", "SymbolicInt", "number"]


def number(value: Any, expr: Expr) -> Any:
    """The symbol of a number; anything else as it is."""
    if type(value) is int:
        return SymbolicInt(value, expr)
    return SymbolicFloat(value, expr) if type(value) is float else value


class _Number(Scalar):
    """An int or a float with its expression, and the head count it is a multiple of."""

    def indices(self) -> list[Any]:
        """`range(self)`, each number the symbol of its loop."""
        recorder = Recorder.current
        if recorder is None or not isinstance(self.bare, int):
            return list(range(self.bare))
        recorder.loops.append((self.expr, self.bare))
        loop = len(recorder.loops) - 1
        return [SymbolicInt(number, ("i", loop, number)) for number in range(self.bare)]

    def of_heads(self, name: str) -> Any:
        """The same number as a count of heads."""
        if type(self.bare) is not int:
            return self
        return SymbolicDim(self.bare, self.expr, (name, SymbolicInt(self.bare, self.expr)))

    def converted(self, kind: type) -> Any:
        """`int(self)` or `float(self)`."""
        if type(self.bare) is kind:
            return self.undimmed()
        return number(kind(self.bare), (kind.__name__, self.expr))

    def pick(self, holder: Any) -> Any:
        """`holder[self]`."""
        if isinstance(holder, Account | dict):
            return holder[self]  # type: ignore[index]
        if not isinstance(holder, list | tuple) or not all(is_scalar(item) for item in holder):
            return holder[settled(self)]
        if not -len(holder) <= self.bare < len(holder):
            return holder[settled(self)]
        from meshfit.readers.shipped.symbols import symbol

        return symbol(bare(holder[self.bare]), ("at", expression(list(holder)), self.expr))

    def root(self) -> Any:
        """`math.sqrt(self)`."""
        return SymbolicFloat(math.sqrt(self.bare), ("sqrt", self.expr))

    def undimmed(self) -> Any:
        """The number without its heads."""
        return SymbolicInt(self.bare, self.expr) if isinstance(self, Dim) else self

    def __bool__(self) -> bool:
        answer = bool(self.bare)
        told(("bool", self.expr), answer)
        return answer

    def __hash__(self) -> int:
        return hash(self.bare)  # what is found by it is compared next, and that is remembered

    def __index__(self) -> int:
        return int(settled(self))

    def __int__(self) -> int:
        return int(settled(self))

    def __float__(self) -> float:
        return float(settled(self))

    def __repr__(self) -> str:
        return repr(self.bare if self.expr[0] == "i" else settled(self))

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(settled(self), spec)


def _compute(name: str, function: Callable[..., Any], *operands: Any) -> Any:
    value = function(*map(bare, operands))
    return number(value, (name, *map(expression, operands)))


def _arithmetic(name: str, function: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Any, other: Any) -> Any:
        if isinstance(other, list | tuple) and name == "*":
            return _times(other, self)
        if not isinstance(other, int | float):
            return NotImplemented
        return _carrying(_compute(name, function, self, other), name, self, other)

    def backward(self: Any, other: Any) -> Any:
        if isinstance(other, list | tuple) and name == "*":
            return _times(other, self)
        if not isinstance(other, int | float):
            return NotImplemented
        return _carrying(_compute(name, function, other, self), name, other, self)

    return forward, backward


def _carrying(result: Any, name: str, left: Any, right: Any) -> Any:
    """A product of a head count stays one, the left factor's first, as `Dim` has it."""
    heads = next((side.heads for side in (left, right) if isinstance(side, Dim)), None)
    if name != "*" or heads is None or not isinstance(result, SymbolicInt):
        return result
    return SymbolicDim(result.bare, result.expr, heads)


def _times(items: Any, count: Any) -> Any:
    if not isinstance(count.bare, int):
        return NotImplemented
    if type(items) is tuple or not all(map(is_scalar, items)):
        return items * settled(count)
    from meshfit.readers.shipped.symbols import SymbolicList

    return SymbolicList([bare(item) for item in items] * count.bare, ("times", expression(list(items)), count.expr))


def _ordering(name: str, function: Callable[[Any, Any], bool], *, swapped: bool, negated: bool) -> Callable[..., Any]:
    def compare(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented if name != "==" else negated
        answer = function(self.bare, bare(other))
        left, right = expression(self), expression(other)
        if left != right:
            told((name, right, left) if swapped else (name, left, right), answer != negated)
        return answer

    return compare


for _name, _function, _method in (
    ("+", operator.add, "add"),
    ("-", operator.sub, "sub"),
    ("*", operator.mul, "mul"),
    ("//", operator.floordiv, "floordiv"),
    ("/", operator.truediv, "truediv"),
    ("%", operator.mod, "mod"),
    ("**", operator.pow, "pow"),
):
    _forward, _backward = _arithmetic(_name, _function)
    setattr(_Number, f"__{_method}__", _forward)
    setattr(_Number, f"__r{_method}__", _backward)
for _name, _function, _method, _swapped, _negated in (
    ("<", operator.lt, "lt", False, False),
    ("<", operator.gt, "gt", True, False),
    ("<=", operator.le, "le", False, False),
    ("<=", operator.ge, "ge", True, False),
    ("==", operator.eq, "eq", False, False),
    ("==", operator.ne, "ne", False, True),
):
    setattr(_Number, f"__{_method}__", _ordering(_name, _function, swapped=_swapped, negated=_negated))
_ALONE: Final[tuple[tuple[str, Callable[[Any], Any], str], ...]] = (
    ("neg", operator.neg, "__neg__"),
    ("abs", abs, "__abs__"),
    ("int", math.trunc, "__trunc__"),
    ("ceil", math.ceil, "__ceil__"),
    ("floor", math.floor, "__floor__"),
)
for _name, _single, _method in _ALONE:
    setattr(_Number, _method, lambda self, name=_name, function=_single: _compute(name, function, self))


def _rounded(self: Any, digits: Any = None) -> Any:
    return _compute("round", round, self) if digits is None else round(settled(self), settled(digits))


def _divided(self: Any, other: Any) -> Any:
    return self // other, self % other


def _divides(self: Any, other: Any) -> Any:
    return other // self, other % self


def _settling(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(settled(self), settled(other))


for _method, _special in (("round", _rounded), ("divmod", _divided), ("rdivmod", _divides)):
    setattr(_Number, f"__{_method}__", _special)
for _method, _function in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor)):
    setattr(_Number, f"__{_method}__", _settling(_function))
    setattr(_Number, f"__r{_method}__", _settling(_function))
for _method, _function in (("lshift", operator.lshift), ("rshift", operator.rshift)):
    setattr(_Number, f"__{_method}__", _settling(_function))


class SymbolicInt(_Number, int):
    """An int that knows its expression."""

    def __new__(cls, value: int, expr: Expr) -> Any:
        """The number `value`, which is `expr`."""
        made = int.__new__(cls, value)
        made.bare, made.expr = value, expr
        return made


class SymbolicDim(_Number, Dim):
    """A size computed from a head count."""

    def __new__(cls, value: int, expr: Expr, heads: tuple[str, Any]) -> Any:
        """The number `value`, which is `expr`, a multiple of `heads`."""
        made = int.__new__(cls, value)
        made.bare, made.expr, made.heads = value, expr, heads
        return made


class SymbolicFloat(_Number, float):
    """A float that knows its expression."""

    def __new__(cls, value: float, expr: Expr) -> Any:
        """The number `value`, which is `expr`."""
        made = float.__new__(cls, value)
        made.bare, made.expr = value, expr
        return made
