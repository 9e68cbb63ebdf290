"""Running statements: one function per kind of node."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import expressions as ex
from meshfit.readers.source.frames import Frame, LoopExit, RaisedError, ReturnValue
from meshfit.readers.source.index import FunctionNode, FunctionSource
from meshfit.readers.source.operators import binary, plainly_equal
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run_body"]

_MAX_ITERATIONS: Final = 4096


def run_body(frame: Frame, body: Sequence[ast.stmt]) -> None:
    """Run statements in order; `return` leaves as ReturnValue, an evaluated `raise` as RaisedError."""
    for statement in body:
        frame.engine.tick()
        handler = _HANDLERS.get(type(statement))
        if handler is not None:
            handler(frame, statement)


def _assign(frame: Frame, node: ast.Assign) -> None:
    value = ex.evaluate(frame, node.value)
    for target in node.targets:
        ex.assign(frame, target, value)


def _annotated(frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        ex.assign(frame, node.target, ex.evaluate(frame, node.value))


def _augmented(frame: Frame, node: ast.AugAssign) -> None:
    left = ex.evaluate(frame, _as_load(node.target))
    right = ex.evaluate(frame, node.value)
    if isinstance(left, list) and isinstance(node.op, ast.Add) and isinstance(right, list | tuple):
        left.extend(right)
    else:
        ex.assign(frame, node.target, binary(node.op, left, right))


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    assert isinstance(target, ast.Subscript)
    return ast.Subscript(target.value, target.slice, ast.Load())


def _expression(frame: Frame, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        ex.evaluate(frame, node.value)


def _if(frame: Frame, node: ast.If) -> None:
    test = ex.truth(ex.evaluate(frame, node.test))
    if test is UNKNOWN:
        _either(frame, node.body, node.orelse)
    else:
        run_body(frame, node.body if test else node.orelse)


def _either(frame: Frame, first: Sequence[ast.stmt], second: Sequence[ast.stmt]) -> None:
    """Run both branches from the same state and keep what they agree on."""
    before = _state(frame)
    ended = []
    results = []
    for body in (first, second):
        _restore(frame, before)
        left = _leaves(frame, body)
        ended.append(left)
        results.append(_state(frame))
    if ended[0] and ended[1]:
        raise ReturnValue(UNKNOWN)
    if ended[0] or ended[1]:
        _restore(frame, results[1 if ended[0] else 0])
        return
    merged = tuple(_merge(a, b) for a, b in zip(results[0], results[1], strict=True))
    _restore(frame, merged)


def _leaves(frame: Frame, body: Sequence[ast.stmt]) -> bool:
    try:
        run_body(frame, body)
    except (ReturnValue, LoopExit, RaisedError):
        return True
    return False


def _state(frame: Frame) -> tuple[dict[str, Any], ...]:
    target = frame.target
    if isinstance(target, Node):
        return dict(frame.local), dict(target.attributes)
    if isinstance(target, ConfigObject):
        return dict(frame.local), target.values.copy()
    return (dict(frame.local),)


def _restore(frame: Frame, state: tuple[dict[str, Any], ...]) -> None:
    frame.local = dict(state[0])
    if isinstance(frame.target, Node):
        frame.target.attributes = dict(state[1])
    elif isinstance(frame.target, ConfigObject):
        frame.target.values = state[1].copy()


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    joined = getattr(left, "merged", None)
    if joined is not None:
        return joined(right, _agreed)  # type: ignore[no-any-return]
    merged = {}
    for name in [*left, *(n for n in right if n not in left)]:
        a, b = left.get(name, UNKNOWN), right.get(name, UNKNOWN)
        merged[name] = _agreed(a, b)
    return merged


def _agreed(left: Any, right: Any) -> Any:
    """What two branches agree on, else UNKNOWN."""
    return left if left is right or (type(left) is type(right) and plainly_equal(left, right)) else UNKNOWN


def _for(frame: Frame, node: ast.For) -> None:
    items = ex.iterate(ex.evaluate(frame, node.iter))
    if items is None:
        for name in ex.target_names(node.target):
            frame.local[name] = UNKNOWN
        _either(frame, node.body, [])
        return
    for item in items[:_MAX_ITERATIONS]:
        ex.assign(frame, node.target, item)
        try:
            run_body(frame, node.body)
        except LoopExit as signal:
            if signal.leave:
                return
    run_body(frame, node.orelse)


def _while(frame: Frame, node: ast.While) -> None:
    for _ in range(_MAX_ITERATIONS):
        test = ex.truth(ex.evaluate(frame, node.test))
        if test is UNKNOWN:
            _either(frame, node.body, [])
            return
        if not test:
            return
        try:
            run_body(frame, node.body)
        except LoopExit as signal:
            if signal.leave:
                return


def _return(frame: Frame, node: ast.Return) -> None:
    raise ReturnValue(None if node.value is None else ex.evaluate(frame, node.value))


def _raise(_frame: Frame, node: ast.Raise) -> None:
    raise RaisedError(ast.unparse(node))


def _try(frame: Frame, node: ast.Try) -> None:
    try:
        run_body(frame, node.body)
    except RaisedError:
        if node.handlers:
            run_body(frame, node.handlers[0].body)
    else:
        run_body(frame, node.orelse)
    run_body(frame, node.finalbody)


def _with(frame: Frame, node: ast.With) -> None:
    for item in node.items:
        value = ex.evaluate(frame, item.context_expr)
        if item.optional_vars is not None:
            ex.assign(frame, item.optional_vars, value)
    run_body(frame, node.body)


def _function(frame: Frame, node: ast.stmt) -> None:
    assert isinstance(node, FunctionNode)
    frame.local[node.name] = Bound(FunctionSource(node, frame.module, frame.owner), closure=frame)


def _import(frame: Frame, node: ast.stmt) -> None:
    assert isinstance(node, ast.Import | ast.ImportFrom)
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        found = frame.module.package.follow_import(frame.module, node, name)
        frame.local[name] = ex.defined(frame, found)


def _delete(frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        ex.delete(frame, target)


def _leave(_frame: Frame, node: ast.stmt) -> None:
    raise LoopExit(leave=isinstance(node, ast.Break))


_HANDLERS: Final[dict[type[ast.stmt], Callable[[Frame, Any], None]]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.If: _if,
    ast.For: _for,
    ast.While: _while,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Try: _try,
    ast.With: _with,
    ast.FunctionDef: _function,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.Delete: _delete,
    ast.Break: _leave,
    ast.Continue: _leave,
}
