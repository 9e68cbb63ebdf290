"""The values of root expressions: literals, arithmetic, enum members, and what mypy keeps of other files' constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    ARG_NAMED,
    ARG_POS,
    CallExpr,
    ComparisonExpr,
    DictExpr,
    FloatExpr,
    IntExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    OpExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    Var,
)
from mypy.types import LiteralType, NoneType, UnionType, get_proper_type

from meshfit.readers.unknown import UNKNOWN, has_unknown
from meshfit_mypy.bindings import makes_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy.nodes import Expression

    from meshfit_mypy.expressions import Reader

__all__ = ["CONSTANTS", "enum_member", "evaluated", "literal_of", "literals_of", "truth"]

CONSTANTS: Final[Mapping[str, object]] = {"builtins.True": True, "builtins.False": False, "builtins.None": None}
"""Names that are literals."""


def evaluated(root: Expression, reader: Reader) -> Iterable[object]:
    """Every value of a root of `reader`'s; `UNKNOWN` for one, or an item of one, that is not known."""
    evaluate = _EVALUATE.get(type(root))
    return (UNKNOWN,) if evaluate is None else evaluate(root, reader)


def truth(root: Expression) -> bool | None:
    """Whether a root is true or false, None where that is open."""
    if isinstance(root, (IntExpr, StrExpr, FloatExpr)):
        return bool(root.value)
    if isinstance(root, NameExpr) and root.fullname in CONSTANTS:
        return bool(CONSTANTS[root.fullname])
    return None


def literal_of(expr: Expression) -> object:
    """The value of a literal whose names mypy need not have resolved; `UNKNOWN` for any other expression."""
    if isinstance(expr, (IntExpr, StrExpr, FloatExpr)):
        return expr.value
    if isinstance(expr, NameExpr):
        return CONSTANTS.get(f"builtins.{expr.name}", UNKNOWN)
    return UNKNOWN


def literals_of(node: Var) -> tuple[object, ...] | None:
    """The values of a variable whose type is made of literals, None for any other."""
    declared = get_proper_type(node.type)
    items = [get_proper_type(item) for item in declared.items] if isinstance(declared, UnionType) else [declared]
    values: list[object] = []
    for item in items:
        if isinstance(item, NoneType):
            values.append(None)
        elif isinstance(item, LiteralType) and not item.is_enum_literal():
            values.append(item.value)
        else:
            return None
    return tuple(values)


def enum_member(expr: Expression) -> tuple[Var, bool] | None:
    """The member that `Size.TP` or `Size.TP.value` names, and whether its value is asked for."""
    asked = isinstance(expr, MemberExpr) and expr.name == "value" and isinstance(expr.expr, MemberExpr)
    member: Any = expr.expr if isinstance(expr, MemberExpr) and asked else expr
    if not isinstance(member, MemberExpr) or not isinstance(member.expr, (NameExpr, MemberExpr)):
        return None
    owner = member.expr.node
    if not isinstance(owner, TypeInfo) or not owner.is_enum:
        return None
    symbol = owner.names.get(member.name)
    return (symbol.node, asked) if symbol is not None and isinstance(symbol.node, Var) else None


def _constant(expr: IntExpr | StrExpr | FloatExpr, reader: Reader) -> Iterable[object]:  # noqa: ARG001 - one signature
    return (expr.value,)


def _reference(expr: NameExpr | MemberExpr, reader: Reader) -> Iterable[object]:
    if isinstance(expr, NameExpr) and expr.fullname in CONSTANTS:
        return (CONSTANTS[expr.fullname],)
    member = enum_member(expr)
    if member is not None:
        return (_member_value(*member, reader),)
    node = reader.variable(expr)
    if node is None:
        return (UNKNOWN,)
    if node.is_final and node.final_value is not None and not (node.info and makes_fields(node.info)):
        return (node.final_value,)
    return literals_of(node) or (UNKNOWN,)


def _member_value(member: Var, asked: bool, reader: Reader) -> object:
    """The value of an enum's member; the member itself only where it is a str, which it then equals."""
    if not asked and not any(base.fullname == "builtins.str" for base in member.info.mro):
        return UNKNOWN
    bound = reader.bindings.bound(member)
    if bound and len(bound) == 1 and bound[0][0] is not None and not bound[0][1]:
        values = reader.possible(bound[0][0])
        return values[0] if len(values) == 1 else UNKNOWN
    if member.final_value is not None:
        return member.final_value
    literal = getattr(get_proper_type(member.type), "last_known_value", None)
    return literal.value if isinstance(literal, LiteralType) else UNKNOWN


def _sequence(expr: TupleExpr | ListExpr, reader: Reader) -> Iterable[object]:
    if any(isinstance(item, StarExpr) for item in expr.items):
        return (UNKNOWN,)
    make: Callable[[Any], object] = tuple if isinstance(expr, TupleExpr) else list
    return [make(items) for items in reader.combinations(expr.items)]


def _mapping(expr: DictExpr, reader: Reader) -> Iterable[object]:
    parts = [part for key, value in expr.items for part in ((value,) if key is None else (key, value))]
    return [_merged(expr, values) for values in reader.combinations(parts)]


def _merged(expr: DictExpr, values: tuple[object, ...]) -> object:
    merged: dict[Any, object] = {}
    remaining = iter(values)
    for key, _ in expr.items:
        first = next(remaining)
        if key is None:
            if not isinstance(first, dict):
                return UNKNOWN
            merged |= first
        elif has_unknown(first) or isinstance(first, (list, dict)):
            return UNKNOWN
        else:
            merged[first] = next(remaining)
    return merged


def _operation(expr: OpExpr, reader: Reader) -> Iterable[object]:
    from meshfit_mypy.folding import fold

    return [fold(expr.op, left, right) for left, right in reader.combinations((expr.left, expr.right))]


def _unary(expr: UnaryExpr, reader: Reader) -> Iterable[object]:
    from meshfit_mypy.folding import fold_unary

    return [fold_unary(expr.op, value) for value in reader.possible(expr.expr)]


def _comparison(expr: ComparisonExpr, reader: Reader) -> Iterable[object]:
    return [_chained(expr.operators, operands) for operands in reader.combinations(expr.operands)]


def _chained(operators: list[str], operands: tuple[object, ...]) -> object:
    from meshfit_mypy.folding import fold_comparison

    steps = [
        fold_comparison(op, left, right) for op, left, right in zip(operators, operands, operands[1:], strict=False)
    ]
    if False in steps:
        return False
    return UNKNOWN if UNKNOWN in steps else True


def _builtin(expr: CallExpr, reader: Reader) -> Iterable[object]:
    callee = expr.callee
    if not isinstance(callee, NameExpr) or not all(kind in (ARG_POS, ARG_NAMED) for kind in expr.arg_kinds):
        return (UNKNOWN,)
    return [_folded(callee.fullname, expr.arg_names, values) for values in reader.combinations(expr.args)]


def _folded(callee: str, names: list[str | None], values: tuple[object, ...]) -> object:
    from meshfit_mypy.folding import fold_call

    positional = [value for name, value in zip(names, values, strict=True) if name is None]
    return fold_call(callee, positional, {name: value for name, value in zip(names, values, strict=True) if name})


_EVALUATE: Final[dict[type, Callable[[Any, Reader], Iterable[object]]]] = {
    IntExpr: _constant,
    StrExpr: _constant,
    FloatExpr: _constant,
    NameExpr: _reference,
    MemberExpr: _reference,
    TupleExpr: _sequence,
    ListExpr: _sequence,
    DictExpr: _mapping,
    OpExpr: _operation,
    UnaryExpr: _unary,
    ComparisonExpr: _comparison,
    CallExpr: _builtin,
}
