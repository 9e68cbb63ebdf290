"""Evaluating expressions: one function per kind of node, UNKNOWN wherever a value cannot be computed."""

from __future__ import annotations

import ast
import operator
from collections.abc import ItemsView, KeysView, ValuesView
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import attributes as at, calls
from meshfit.readers.source.index import Assignment, ClassSource, External, FunctionSource, ModuleSource
from meshfit.readers.source.operators import BIG, FAULTS, binary, compared, plain, plainly_equal
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Node, Param, Symbolic, Tensor, Traced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meshfit.readers.source.frames import Frame

__all__ = ["assign", "defined", "delete", "evaluate", "iterate", "target_names", "truth"]


def evaluate(frame: Frame, node: ast.expr) -> Any:
    """The value of `node` in `frame`, UNKNOWN when it depends on something that is not known."""
    frame.engine.tick()
    handler = _HANDLERS.get(type(node))
    return UNKNOWN if handler is None else handler(frame, node)


def truth(value: Any) -> Any:
    """True, False or UNKNOWN."""
    if value is UNKNOWN or isinstance(value, Tensor | Param):
        return UNKNOWN
    if isinstance(value, Traced):
        return value.decide(bool)
    if isinstance(value, Node):
        return bool(at.length(value)) if value.kind in at.CONTAINERS else True
    return bool(value)


def iterate(value: Any) -> list[Any] | None:
    """The items of an iterable; None when they are not known."""
    if isinstance(value, Symbolic):
        return value.walk()
    if isinstance(value, Node):
        return [child for _, child in value.children()] if value.kind in at.CONTAINERS else None
    if isinstance(value, Tensor):
        count = value.shape[0] if value.shape else None
        return [Tensor(value.shape[1:])] * count if value.shape and isinstance(count, int) and count <= BIG else None
    if isinstance(value, list | tuple | range | dict | set | frozenset | str | KeysView | ValuesView | ItemsView):
        return list(value) if len(value) <= BIG else None
    return None


def target_names(target: ast.expr) -> Iterator[str]:
    """The plain names an assignment target binds."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def assign(frame: Frame, target: ast.expr, value: Any) -> None:
    """Bind `value` to a name, an attribute, an item, or a tuple of them."""
    if isinstance(target, ast.Name):
        frame.local[target.id] = value
    elif isinstance(target, ast.Attribute):
        at.store(frame, evaluate(frame, target.value), target.attr, value)
    elif isinstance(target, ast.Subscript):
        holder, key = evaluate(frame, target.value), evaluate(frame, target.slice)
        if isinstance(holder, Node) and isinstance(key, str):
            holder.attributes[key] = value
        elif isinstance(holder, dict | list) and key is not UNKNOWN:
            try:
                holder[plain(key)] = value
            except FAULTS:
                return
    elif isinstance(target, ast.Tuple | ast.List):
        items = iterate(value)
        if items is None or len(items) != len(target.elts) or any(isinstance(e, ast.Starred) for e in target.elts):
            items = [UNKNOWN] * len(target.elts)
        for element, item in zip(target.elts, items, strict=True):
            assign(frame, element.value if isinstance(element, ast.Starred) else element, item)


def delete(frame: Frame, target: ast.expr) -> None:
    """`del` of a name, an attribute or an item."""
    if isinstance(target, ast.Name):
        frame.local.pop(target.id, None)
    elif isinstance(target, ast.Attribute):
        holder = evaluate(frame, target.value)
        if isinstance(holder, Node):
            holder.attributes.pop(target.attr, None)
        elif isinstance(holder, ConfigObject):
            holder.values.pop(target.attr, None)
    elif isinstance(target, ast.Subscript):
        holder, key = evaluate(frame, target.value), plain(evaluate(frame, target.slice))
        if isinstance(holder, dict):
            holder.pop(key, None)


def defined(frame: Frame, found: object) -> Any:
    """The value of a top-level definition."""
    if isinstance(found, Assignment):
        return calls.module_value(frame.engine, found)
    if isinstance(found, ClassSource | External | ModuleSource):
        return found
    if isinstance(found, FunctionSource):
        return Bound(found)
    return UNKNOWN


def _constant(_frame: Frame, node: ast.Constant) -> Any:
    return node.value


def _name(frame: Frame, node: ast.Name) -> Any:
    for scope in frame.frames():
        if node.id in scope.local:
            return scope.local[node.id]
    found = frame.module.lookup(node.id)
    if found is not None:
        return defined(frame, found)
    return calls.builtin(node.id)


def _attribute(frame: Frame, node: ast.Attribute) -> Any:
    value = evaluate(frame, node.value)
    return UNKNOWN if value is UNKNOWN else at.load(frame, value, node.attr)


def _subscript(frame: Frame, node: ast.Subscript) -> Any:
    holder = evaluate(frame, node.value)
    if holder is UNKNOWN:
        return UNKNOWN
    if isinstance(node.slice, ast.Slice):
        parts = [
            None if p is None else evaluate(frame, p) for p in (node.slice.lower, node.slice.upper, node.slice.step)
        ]
        if any(p is UNKNOWN for p in parts):
            return UNKNOWN
        return at.item(frame, holder, slice(*map(plain, parts)))
    key = evaluate(frame, node.slice)
    if key is UNKNOWN:
        return UNKNOWN
    if isinstance(key, Traced):
        return key.decide(lambda index: at.item(frame, holder, index))
    return at.item(frame, holder, key)


def _call(frame: Frame, node: ast.Call) -> Any:
    return calls.call_node(frame, node)


def _binop(frame: Frame, node: ast.BinOp) -> Any:
    return binary(node.op, evaluate(frame, node.left), evaluate(frame, node.right))


def _unary(frame: Frame, node: ast.UnaryOp) -> Any:
    value = evaluate(frame, node.operand)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is UNKNOWN else not known
    if value is UNKNOWN:
        return UNKNOWN
    function = operator.neg if isinstance(node.op, ast.USub) else operator.pos
    try:
        return value.then(function) if isinstance(value, Traced) else function(value)
    except FAULTS:
        return UNKNOWN


def _boolean(frame: Frame, node: ast.BoolOp) -> Any:
    stops = isinstance(node.op, ast.Or)
    unknown = False
    value: Any = UNKNOWN
    for part in node.values:
        value = evaluate(frame, part)
        known = truth(value)
        if known is UNKNOWN:
            unknown = True
        elif known is stops and not unknown:
            return value
        elif known is stops:
            return value if isinstance(value, bool) else UNKNOWN
    return UNKNOWN if unknown else value


def _compare(frame: Frame, node: ast.Compare) -> Any:
    left = evaluate(frame, node.left)
    unknown = False
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = evaluate(frame, comparator)
        known = compared(op, left, right)
        if known is False:
            return False
        unknown = unknown or known is UNKNOWN
        left = right
    return UNKNOWN if unknown else True


def _conditional(frame: Frame, node: ast.IfExp) -> Any:
    test = truth(evaluate(frame, node.test))
    if test is UNKNOWN:
        first, second = evaluate(frame, node.body), evaluate(frame, node.orelse)
        if _is_bare(first) and _is_bare(second):
            return second
        return first if first is second or (type(first) is type(second) and plainly_equal(first, second)) else UNKNOWN
    return evaluate(frame, node.body if test else node.orelse)


def _is_bare(value: Any) -> bool:
    """A module without parameters or children (dropout, identity): which of two such it is does not matter."""
    return (
        isinstance(value, Node)
        and value.is_module
        and not any(isinstance(v, Node | Param) for v in value.attributes.values())
    )


def _sequence(frame: Frame, nodes: list[ast.expr]) -> list[Any] | None:
    values: list[Any] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            items = iterate(evaluate(frame, node.value))
            if items is None:
                return None
            values.extend(items)
        else:
            values.append(evaluate(frame, node))
    return values


def _list(frame: Frame, node: ast.List) -> Any:
    values = _sequence(frame, node.elts)
    return UNKNOWN if values is None else values


def _tuple(frame: Frame, node: ast.Tuple) -> Any:
    values = _sequence(frame, node.elts)
    return UNKNOWN if values is None else tuple(values)


def _set(frame: Frame, node: ast.Set) -> Any:
    values = _sequence(frame, node.elts)
    try:
        return UNKNOWN if values is None or UNKNOWN in values else set(map(plain, values))
    except TypeError:
        return UNKNOWN


def _dict(frame: Frame, node: ast.Dict) -> Any:
    result: dict[Any, Any] = {}
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(frame, value_node)
        if key_node is None:
            if not isinstance(value, dict):
                return UNKNOWN
            result = value.over(result) if isinstance(value, Symbolic) else {**result, **value}
            continue
        key = plain(evaluate(frame, key_node))
        try:
            result[key] = value
        except TypeError:
            return UNKNOWN
    return result


def _fstring(frame: Frame, node: ast.JoinedStr) -> Any:
    parts = []
    for part in node.values:
        value = evaluate(frame, part.value) if isinstance(part, ast.FormattedValue) else evaluate(frame, part)
        if not isinstance(value, str | int | float | Traced):
            return UNKNOWN
        if isinstance(part, ast.FormattedValue) and part.format_spec is not None:
            return UNKNOWN
        parts.append(str(plain(value)))
    return "".join(parts)


def _lambda(frame: Frame, node: ast.Lambda) -> Any:
    body = ast.FunctionDef("<lambda>", node.args, [ast.Return(node.body, lineno=node.lineno)], [], lineno=node.lineno)
    return Bound(FunctionSource(body, frame.module, frame.owner), closure=frame)


def _walrus(frame: Frame, node: ast.NamedExpr) -> Any:
    value = evaluate(frame, node.value)
    frame.local[node.target.id] = value
    return value


def _comprehension(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Any:
    items = calls.comprehend(frame, node)
    if items is None:
        return UNKNOWN
    if isinstance(node, ast.DictComp):
        return dict(items)
    try:
        return set(items) if isinstance(node, ast.SetComp) else items
    except TypeError:
        return UNKNOWN


_HANDLERS: Final[dict[type[ast.expr], Callable[[Frame, Any], Any]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: _list,
    ast.Tuple: _tuple,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.JoinedStr: _fstring,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
}
