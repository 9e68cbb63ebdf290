"""Expressions of a forward body, as a pipeline walk computes them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import pipeline_attributes, pipeline_calls, pipeline_iteration
from meshfit.readers.source.index import Assignment, ClassSource, External, FunctionSource, ModuleSource
from meshfit.readers.source.pipeline_values import (
    NEUTRAL,
    Builtin,
    Callable_,
    Carried,
    ClassRef,
    ExternalRef,
    Frame,
    Known,
    Opaque,
    Seq,
    Table,
    Value,
    is_none,
    join,
    join_scopes,
    labels,
    truth,
)
from meshfit.readers.source.python_operators import ARITHMETIC, COMPARISONS

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["evaluate"]

BUILTINS: Final = frozenset(
    {
        "len",
        "range",
        "enumerate",
        "zip",
        "isinstance",
        "issubclass",
        "getattr",
        "hasattr",
        "setattr",
        "callable",
        "type",
    }
    | {"list", "tuple", "dict", "set", "frozenset", "int", "float", "bool", "str", "slice", "object", "print", "id"}
    | {"min", "max", "sum", "abs", "round", "any", "all", "reversed", "sorted", "iter", "next", "map", "filter", "repr"}
)
"""Built-in names a body uses; only those the walk understands are computed."""

_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., Any]]] = {
    **ARITHMETIC,
    **COMPARISONS,
    ast.BitXor: operator.xor,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}

OPERATIONS: Final[dict[type[ast.AST], str]] = {
    ast.Mult: "rescales",
    ast.Div: "rescales",
    ast.Add: "adds-to",
    ast.Sub: "adds-to",
    ast.MatMult: "projects",
}
"""What an arithmetic operation does to a hidden state, as the first word of a cause."""


def evaluate(walk: Walk, frame: Frame, node: ast.expr) -> Value:
    """The value of any expression; one that is not understood is opaque."""
    match node:
        case ast.Constant():
            return Known(node.value)
        case ast.Name():
            return _name(frame, node.id)
        case ast.Attribute():
            return pipeline_attributes.attribute(walk, frame, node, walk.evaluate(frame, node.value), node.attr)
        case ast.Subscript():
            return pipeline_attributes.item(
                walk, frame, node, walk.evaluate(frame, node.value), walk.evaluate(frame, node.slice)
            )
        case ast.Call():
            return pipeline_calls.call_node(walk, frame, node)
        case ast.BinOp():
            return _binary(walk, frame, node)
        case ast.UnaryOp():
            return _unary(walk, frame, node)
        case ast.BoolOp():
            return _boolean(walk, frame, node)
        case ast.Compare():
            return _compare(walk, frame, node)
        case ast.IfExp():
            return _conditional(walk, frame, node)
        case ast.NamedExpr():
            value = walk.evaluate(frame, node.value)
            walk.bind(frame, node.target, value)
            return value
        case ast.Tuple() | ast.List() | ast.Set():
            return _sequence(walk, frame, node)
        case ast.Dict():
            return _table(walk, frame, node)
        case ast.Slice():
            return _slice(walk, frame, node)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            return _comprehension(walk, frame, node)
        case ast.Lambda():
            return Callable_(None, frame.receiver, node, frame)
        case ast.Starred() | ast.Await():
            return walk.evaluate(frame, node.value)
        case _:
            return NEUTRAL


def _name(frame: Frame, name: str) -> Value:
    if name in frame.env:
        return frame.env[name]
    found = frame.module.lookup(name)
    match found:
        case FunctionSource():
            return Callable_(found)
        case ClassSource():
            return ClassRef(found)
        case External():
            return ExternalRef(found.dotted)
        case Assignment():
            return Known(found.value.value) if isinstance(found.value, ast.Constant) else Opaque(none=None)
        case ModuleSource():
            return ExternalRef(found.name)
    return Builtin(name) if name in BUILTINS else Opaque(none=None)


def _slice(walk: Walk, frame: Frame, node: ast.Slice) -> Value:
    parts = [Known(None) if p is None else walk.evaluate(frame, p) for p in (node.lower, node.upper, node.step)]
    if all(isinstance(p, Known) for p in parts):
        return Known(slice(*(p.value for p in parts if isinstance(p, Known))))
    return Opaque(frozenset().union(*(labels(p) for p in parts)))


def _number(value: Value, *numbers: float) -> bool:
    return isinstance(value, Known) and isinstance(value.value, int | float) and value.value in numbers


def _binary(walk: Walk, frame: Frame, node: ast.BinOp) -> Value:
    left, right = walk.evaluate(frame, node.left), walk.evaluate(frame, node.right)
    if isinstance(left, Known) and isinstance(right, Known):
        return _computed(type(node.op), left.value, right.value)
    if isinstance(left, Seq) and isinstance(right, Seq) and isinstance(node.op, ast.Add):
        return Seq([*left.items, *right.items], left.kind)
    if isinstance(node.op, ast.Mult) and _number(right, 1) and isinstance(left, Carried):
        return left
    if isinstance(node.op, ast.Mult) and _number(left, 1) and isinstance(right, Carried):
        return right
    if isinstance(node.op, ast.Div) and _number(right, 1) and isinstance(left, Carried):
        return left
    if isinstance(node.op, ast.Add | ast.Sub) and _number(right, 0) and isinstance(left, Carried):
        return left
    return walk.spoil(frame, node, OPERATIONS.get(type(node.op), "transforms"), left, right)


def _computed(op: type[ast.AST], *values: object) -> Value:
    function = _OPERATORS.get(op)
    if op is ast.Pow and all(isinstance(v, int | float) and abs(v) < 1e6 for v in values):
        function = operator.pow
    if function is None:
        return Opaque()
    try:
        return Known(function(*values))
    except Exception:  # noqa: BLE001 (an operator of any two config values)
        return Opaque()


def _unary(walk: Walk, frame: Frame, node: ast.UnaryOp) -> Value:
    value = walk.evaluate(frame, node.operand)
    if isinstance(node.op, ast.Not):
        decided = truth(value)
        return Opaque(labels(value)) if decided is None else Known(not decided)
    if isinstance(value, Known):
        return _computed(type(node.op), value.value)
    return walk.spoil(frame, node, "rescales", value)


def _boolean(walk: Walk, frame: Frame, node: ast.BoolOp) -> Value:
    stops = isinstance(node.op, ast.Or)
    found: Value | None = None
    for operand in node.values:
        value = walk.evaluate(frame, operand)
        decided = truth(value)
        if decided is stops:
            return value if found is None else join(found, value)
        if decided is None:
            found = value if found is None else join(found, value)
    return value if found is None else found


def _compare(walk: Walk, frame: Frame, node: ast.Compare) -> Value:
    left = walk.evaluate(frame, node.left)
    results: list[bool | None] = []
    seen = labels(left)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = walk.evaluate(frame, right_node)
        seen |= labels(right) if not isinstance(op, ast.Is | ast.IsNot) else frozenset()
        results.append(_compared(walk, op, left, right))
        left = right
    if False in results:
        return Known(False)
    if None in results:
        return Opaque(seen if not isinstance(node.ops[0], ast.Is | ast.IsNot) else frozenset())
    return Known(True)


def _compared(walk: Walk, op: ast.cmpop, left: Value, right: Value) -> bool | None:
    if isinstance(op, ast.Is | ast.IsNot):
        same = _same(left, right)
        return same if same is None or isinstance(op, ast.Is) else not same
    if isinstance(op, ast.In | ast.NotIn):
        inside = _contains(walk, left, right)
        return inside if inside is None or isinstance(op, ast.In) else not inside
    if isinstance(left, Known) and isinstance(right, Known):
        return truth(_computed(type(op), left.value, right.value))
    if is_none(left) is not None and is_none(right) is not None and is_none(left) != is_none(right):
        return {ast.Eq: False, ast.NotEq: True}.get(type(op))
    return None


def _same(left: Value, right: Value) -> bool | None:
    if isinstance(right, Known) and right.value is None:
        return is_none(left)
    if isinstance(left, Known) and isinstance(right, Known):
        return left.value is right.value
    return None


def _contains(walk: Walk, key: Value, holder: Value) -> bool | None:
    if not isinstance(key, Known):
        return None
    if isinstance(holder, Known):
        try:
            return bool(key.value in holder.value)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 (containment in any config value)
            return None
    if isinstance(holder, Table) and holder.rest is None:
        walk.touch(holder, "read")
        return key.value in holder.items
    return None


def _conditional(walk: Walk, frame: Frame, node: ast.IfExp) -> Value:
    decided = truth(walk.evaluate(frame, node.test))
    if decided is not None:
        return walk.evaluate(frame, node.body if decided else node.orelse)
    certain, frame.certain = frame.certain, False
    either = join(walk.evaluate(frame, node.body), walk.evaluate(frame, node.orelse))
    frame.certain = certain
    return either


def _sequence(walk: Walk, frame: Frame, node: ast.Tuple | ast.List | ast.Set) -> Value:
    found: list[Value] = []
    for element in node.elts:
        value = walk.evaluate(frame, element)
        spread = pipeline_iteration.items(walk, value) if isinstance(element, ast.Starred) else [value]
        if spread is None:
            return Opaque(labels(value))
        found.extend(spread)
    if found and all(isinstance(v, Known) for v in found) and isinstance(node, ast.Tuple):
        return Known(tuple(v.value for v in found if isinstance(v, Known)))
    return Seq(found, type(node).__name__.lower())


def _table(walk: Walk, frame: Frame, node: ast.Dict) -> Value:
    table = Table()
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = walk.evaluate(frame, value_node)
        if key_node is None:
            pipeline_iteration.merge(table, value)
            continue
        key = walk.evaluate(frame, key_node)
        if isinstance(key, Known):
            pipeline_iteration.put(table, key.value, value, certain=True)
        else:
            table.rest = value if table.rest is None else join(table.rest, value)
    return table


def _comprehension(
    walk: Walk, frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
) -> Value:
    before = dict(frame.env)
    made: list[tuple[Value, Value]] = []
    exact = _generate(walk, frame, node, 0, made)
    frame.env = join_scopes(before, {})
    if isinstance(node, ast.DictComp):
        table = Table()
        for key, value in made:
            if exact and isinstance(key, Known):
                pipeline_iteration.put(table, key.value, value, certain=True)
            else:
                table.rest = value if table.rest is None else join(table.rest, value)
        return table
    if not exact:
        return Opaque(frozenset().union(*(labels(v) for _, v in made)) if made else frozenset())
    return Seq([v for _, v in made], "list")


def _generate(
    walk: Walk,
    frame: Frame,
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
    depth: int,
    made: list[tuple[Value, Value]],
) -> bool:
    if depth == len(node.generators):
        if isinstance(node, ast.DictComp):
            made.append((walk.evaluate(frame, node.key), walk.evaluate(frame, node.value)))
        else:
            made.append((NEUTRAL, walk.evaluate(frame, node.elt)))
        return True
    generator = node.generators[depth]
    iterable = walk.evaluate(frame, generator.iter)
    found = pipeline_iteration.items(walk, iterable)
    exact = found is not None
    for element in found if found is not None else [Opaque(labels(iterable), none=None)]:
        walk.bind(frame, generator.target, element)
        decided = [truth(walk.evaluate(frame, test)) for test in generator.ifs]
        if False in decided:
            continue
        exact = _generate(walk, frame, node, depth + 1, made) and exact and None not in decided
    return exact
