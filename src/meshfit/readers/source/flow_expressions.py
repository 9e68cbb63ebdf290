"""Expressions of a forward body: one function per kind of node, each giving the abstract value."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from meshfit.readers.source.flow_calls import call
from meshfit.readers.source.flow_items import element, item
from meshfit.readers.source.flow_operators import arithmetic, compared
from meshfit.readers.source.flow_tensors import combine
from meshfit.readers.source.flow_values import ATTENTION, LENGTH, OPAQUE, SHAPE, TENSOR, Value, join, union
from meshfit.readers.source.index import Assignment
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["EXPRESSIONS"]

_ABOUT: Final = frozenset({"dtype", "device", "ndim", "requires_grad", "is_cuda", "is_meta"})
"""Attributes that say something about a tensor without reading it."""


def _constant(_walk: Walk, _frame: Frame, node: ast.Constant) -> Value:
    return Value(node.value)


def _name(_walk: Walk, frame: Frame, node: ast.Name) -> Value:
    found = frame.env.get(node.id)
    if found is not None:
        return found
    if node.id == "self" and frame.instance is not None:
        return Value(frame.instance, path=frame.path)
    if node.id == "ALL_ATTENTION_FUNCTIONS":
        return Value(ATTENTION)
    defined = frame.function.module.lookup(node.id)
    if isinstance(defined, Assignment):
        return Value(defined.value.value) if isinstance(defined.value, ast.Constant) else OPAQUE
    return OPAQUE if defined is None else Value(defined)


def _attribute(walk: Walk, frame: Frame, node: ast.Attribute) -> Value:
    if node.attr in _ABOUT:
        return OPAQUE
    if node.attr == "shape" and isinstance(node.value, ast.Attribute) and node.value.attr in ("weight", "bias"):
        return Value(SHAPE)
    return walk.load(frame, walk.value(frame, node.value), node.attr)


def _subscript(walk: Walk, frame: Frame, node: ast.Subscript) -> Value:
    return item(walk, frame, walk.value(frame, node.value), node.slice)


def _binary(walk: Walk, frame: Frame, node: ast.BinOp) -> Value:
    left, right = walk.value(frame, node.left), walk.value(frame, node.right)
    if isinstance(left.const, int | float) and isinstance(right.const, int | float):
        number = arithmetic(node.op, left.const, right.const)
        return Value(number, left.labels | right.labels)
    if left.items is not None and right.items is not None and isinstance(node.op, ast.Add):
        return Value(items=left.items + right.items)
    if TENSOR not in (left.const, right.const):
        return Value(labels=left.labels | right.labels)
    return combine(walk, frame, (left, right))


def _unary(walk: Walk, frame: Frame, node: ast.UnaryOp) -> Value:
    value = walk.value(frame, node.operand)
    if isinstance(node.op, ast.Not):
        truth = value.truth
        return Value(labels=value.labels) if truth is None else Value(not truth)
    if isinstance(node.op, ast.USub) and isinstance(value.const, int | float):
        return Value(-value.const)
    return Value(value.const if value.const is TENSOR else UNKNOWN, value.labels, cut=value.cut)


def _boolean(walk: Walk, frame: Frame, node: ast.BoolOp) -> Value:
    stops = isinstance(node.op, ast.Or)
    result: Value | None = None
    for part in node.values:
        value = walk.value(frame, part)
        result = value if result is None else join(result, value)
        if value.truth is stops:
            return value if result is value or stops is False else join(result, value)
        if value.truth is not None and part is not node.values[-1]:
            result = None
    return result if result is not None else OPAQUE


def _compare(walk: Walk, frame: Frame, node: ast.Compare) -> Value:
    left = walk.value(frame, node.left)
    rights = [walk.value(frame, comparator) for comparator in node.comparators]
    if len(rights) == 1:
        answer = compared(node.ops[0], left, rights[0])
        if answer is not None:
            return Value(answer)
    values = (left, *rights)
    const = TENSOR if any(v.const is TENSOR for v in values) else UNKNOWN
    return Value(const, union(values) - {LENGTH})


def _conditional(walk: Walk, frame: Frame, node: ast.IfExp) -> Value:
    truth = walk.value(frame, node.test).truth
    if truth is not None:
        return walk.value(frame, node.body if truth else node.orelse)
    return join(walk.value(frame, node.body), walk.value(frame, node.orelse))


def _sequence(walk: Walk, frame: Frame, node: ast.Tuple | ast.List) -> Value:
    items: list[Value] = []
    for part in node.elts:
        if isinstance(part, ast.Starred):
            value = walk.value(frame, part.value)
            items.extend(value.items if value.items is not None else (element(value),))
        else:
            items.append(walk.value(frame, part))
    return Value(items=tuple(items))


def _mapping(walk: Walk, frame: Frame, node: ast.Dict) -> Value:
    fields: dict[str, Value] = {}
    for key, entry in zip(node.keys, node.values, strict=True):
        value = walk.value(frame, entry)
        if key is None:
            fields.update(value.fields or {})
        else:
            name = walk.value(frame, key).const
            fields[name if isinstance(name, str) else f"?{len(fields)}"] = value
    return Value(fields=fields)


def _walrus(walk: Walk, frame: Frame, node: ast.NamedExpr) -> Value:
    value = walk.value(frame, node.value)
    frame.env[node.target.id] = value
    return value


def _comprehension(
    walk: Walk, frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
) -> Value:
    outer = frame.env
    frame.env = dict(outer)
    results: list[Value] = []
    for entry in walk.elements(frame, node.generators[0].iter):
        walk.assign(frame, node.generators[0].target, entry)
        for more in node.generators[1:]:
            walk.assign(frame, more.target, element(walk.value(frame, more.iter)))
        results.append(walk.value(frame, node.value if isinstance(node, ast.DictComp) else node.elt))
    frame.env = outer
    if isinstance(node, ast.DictComp):
        return Value(fields={f"?{i}": value for i, value in enumerate(results)})
    joined = results[0] if results else OPAQUE
    for value in results[1:]:
        joined = join(joined, value)
    return Value(labels=union(results), alias=joined.alias, fields={"?": joined})


def _starred(walk: Walk, frame: Frame, node: ast.Starred) -> Value:
    return walk.value(frame, node.value)


def _call(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    return call(walk, frame, node)


EXPRESSIONS: Final[dict[type[ast.expr], Callable[..., Value]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Dict: _mapping,
    ast.NamedExpr: _walrus,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Starred: _starred,
    ast.Call: _call,
}
