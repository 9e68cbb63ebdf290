"""The items of a literal, or of a call that goes over one, as expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy.nodes import (
    ARG_POS,
    CallExpr,
    DictExpr,
    IntExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    SetExpr,
    StarExpr,
    TupleExpr,
)

from meshfit_mypy.following import MOST

if TYPE_CHECKING:
    from mypy.nodes import Expression

    from meshfit_mypy.expressions import Reader

__all__ = ["items_of"]

_SAME: Final = frozenset({"builtins.list", "builtins.tuple", "builtins.sorted", "builtins.reversed", "builtins.iter"})


def items_of(root: Expression, reader: Reader) -> list[Expression] | None:
    """Every item of what `root` is, in order where it has one; None when they are not all known."""
    if isinstance(root, (TupleExpr, ListExpr, SetExpr)):
        return None if any(isinstance(item, StarExpr) for item in root.items) else list(root.items)
    if isinstance(root, DictExpr):
        keys = [key for key, _ in root.items if key is not None]
        return keys if len(keys) == len(root.items) else None
    if isinstance(root, CallExpr) and all(kind == ARG_POS for kind in root.arg_kinds):
        return _items_of_call(root, reader)
    return None


def _items_of_call(call: CallExpr, reader: Reader) -> list[Expression] | None:
    callee = call.callee
    if isinstance(callee, MemberExpr) and not call.args:
        return _items_of_view(callee, reader)
    if not isinstance(callee, NameExpr):
        return None
    if callee.fullname == "builtins.range":
        return _range(call, reader)
    if callee.fullname in _SAME and len(call.args) == 1:
        return _gathered(call.args[0], reader)
    if callee.fullname == "builtins.enumerate" and len(call.args) == 1:
        items = _gathered(call.args[0], reader)
        return None if items is None else [TupleExpr([IntExpr(index), item]) for index, item in enumerate(items)]
    return None


def _items_of_view(method: MemberExpr, reader: Reader) -> list[Expression] | None:
    """`d.items()`, `d.values()`, `d.keys()`."""
    literals = reader.sources(method.expr)
    if literals is None or method.name not in ("items", "keys", "values") or reader.is_mutated(method.expr):
        return None
    found: list[Expression] = []
    for literal in literals:
        if not isinstance(literal, DictExpr):
            return None
        for key, value in literal.items:
            if key is None:
                return None
            found.append({"items": TupleExpr([key, value]), "keys": key, "values": value}[method.name])
    return found


def _gathered(expr: Expression, reader: Reader) -> list[Expression] | None:
    roots = reader.sources(expr)
    if roots is None or len(roots) != 1 or reader.is_mutated(expr):
        return None
    return items_of(roots[0], reader)


def _range(call: CallExpr, reader: Reader) -> list[Expression] | None:
    found: dict[int, Expression] = {}
    for bounds in reader.combinations(call.args):
        if not bounds or not all(isinstance(bound, int) for bound in bounds):
            return None
        numbers = range(*bounds) if 0 not in bounds[2:] else range(0)  # type: ignore[call-overload]
        if len(numbers) > MOST:
            return None
        found.update({number: IntExpr(number) for number in numbers})
    return list(found.values())
