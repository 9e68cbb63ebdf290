"""Statements of a forward body: one function per kind of node; True means that what follows is not reached."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from meshfit.readers.source.flow_tensors import combine
from meshfit.readers.source.flow_values import NOTHING, TENSOR, Value, join
from meshfit.readers.source.index import FunctionSource

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["STATEMENTS"]


def _assign_statement(walk: Walk, frame: Frame, node: ast.Assign) -> None:
    value = walk.value(frame, node.value)
    for target in node.targets:
        walk.assign(frame, target, value)


def _annotated(walk: Walk, frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        walk.assign(frame, node.target, walk.value(frame, node.value))


def _augmented(walk: Walk, frame: Frame, node: ast.AugAssign) -> None:
    left = walk.value(frame, node.target)
    right = walk.value(frame, node.value)
    if left.alias and left.const is TENSOR:
        walk.recorder.changed_in_place(left)
    result = combine(walk, frame, (left, right))
    walk.assign(frame, node.target, Value(result.const, result.labels, alias=left.alias, cut=result.cut), store=False)


def _expression_statement(walk: Walk, frame: Frame, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        outer, walk.discarding = walk.discarding, True
        walk.value(frame, node.value)
        walk.discarding = outer


def _if_statement(walk: Walk, frame: Frame, node: ast.If) -> bool:
    truth = walk.value(frame, node.test).truth
    if truth is not None:
        return walk.block(frame, node.body if truth else node.orelse)
    return walk.either(frame, node.body, node.orelse)


def _for_statement(walk: Walk, frame: Frame, node: ast.For) -> None:
    for item in walk.elements(frame, node.iter):
        walk.assign(frame, node.target, item)
        walk.block(frame, node.body)
    walk.block(frame, node.orelse)


def _while_statement(walk: Walk, frame: Frame, node: ast.While) -> None:
    if walk.value(frame, node.test).truth is not False:
        walk.either(frame, node.body, [])


def _with_statement(walk: Walk, frame: Frame, node: ast.With) -> bool:
    for item in node.items:
        value = walk.value(frame, item.context_expr)
        if item.optional_vars is not None:
            walk.assign(frame, item.optional_vars, value)
    return walk.block(frame, node.body)


def _try_statement(walk: Walk, frame: Frame, node: ast.Try) -> bool:
    left = walk.block(frame, node.body)
    return walk.block(frame, node.finalbody) or left


def _return_statement(walk: Walk, frame: Frame, node: ast.Return) -> bool:
    value = NOTHING if node.value is None else walk.value(frame, node.value)
    frame.returned = value if frame.returned is None else join(frame.returned, value)
    return True


def _leave(_walk: Walk, _frame: Frame, _node: ast.stmt) -> bool:
    return True


def _nested_function(_walk: Walk, frame: Frame, node: ast.FunctionDef) -> None:
    frame.env[node.name] = Value(FunctionSource(node, frame.function.module, frame.function.owner))


STATEMENTS: Final[dict[type[ast.stmt], Callable[..., object]]] = {
    ast.Assign: _assign_statement,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression_statement,
    ast.If: _if_statement,
    ast.For: _for_statement,
    ast.While: _while_statement,
    ast.With: _with_statement,
    ast.Try: _try_statement,
    ast.Return: _return_statement,
    ast.Raise: _leave,
    ast.Continue: _leave,
    ast.Break: _leave,
    ast.FunctionDef: _nested_function,
}
