"""The parts of mypy's nodes, for walks that pass over most kinds alike: a plugin cannot subclass mypy's visitors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy import nodes

if TYPE_CHECKING:
    from mypy.nodes import Node

__all__ = ["WRITING", "parts", "targets"]

_PARTS: Final[dict[type, tuple[str, ...]]] = {
    nodes.AssertStmt: ("expr", "msg"),
    nodes.AssignmentExpr: ("target", "value"),
    nodes.AssignmentStmt: ("lvalues", "rvalue"),
    nodes.AwaitExpr: ("expr",),
    nodes.Block: ("body",),
    nodes.CallExpr: ("callee", "args"),
    nodes.CastExpr: ("expr",),
    nodes.ClassDef: ("defs",),
    nodes.ComparisonExpr: ("operands",),
    nodes.ConditionalExpr: ("cond", "if_expr", "else_expr"),
    nodes.Decorator: ("func",),
    nodes.DelStmt: ("expr",),
    nodes.DictExpr: ("items",),
    nodes.DictionaryComprehension: ("key", "value", "indices", "sequences", "condlists"),
    nodes.ExpressionStmt: ("expr",),
    nodes.ForStmt: ("index", "expr", "body", "else_body"),
    nodes.FuncDef: ("body",),
    nodes.GeneratorExpr: ("left_expr", "indices", "sequences", "condlists"),
    nodes.IfStmt: ("expr", "body", "else_body"),
    nodes.IndexExpr: ("base", "index"),
    nodes.LambdaExpr: ("body",),
    nodes.ListComprehension: ("generator",),
    nodes.ListExpr: ("items",),
    nodes.MatchStmt: ("subject", "guards", "bodies"),
    nodes.MemberExpr: ("expr",),
    nodes.OpExpr: ("left", "right"),
    nodes.OperatorAssignmentStmt: ("lvalue", "rvalue"),
    nodes.RaiseStmt: ("expr", "from_expr"),
    nodes.ReturnStmt: ("expr",),
    nodes.SetComprehension: ("generator",),
    nodes.SetExpr: ("items",),
    nodes.SliceExpr: ("begin_index", "end_index", "stride"),
    nodes.StarExpr: ("expr",),
    nodes.TryStmt: ("body", "types", "vars", "handlers", "else_body", "finally_body"),
    nodes.TupleExpr: ("items",),
    nodes.UnaryExpr: ("expr",),
    nodes.WhileStmt: ("expr", "body", "else_body"),
    nodes.WithStmt: ("expr", "target", "body"),
    nodes.YieldExpr: ("expr",),
    nodes.YieldFromExpr: ("expr",),
}
WRITING: Final[dict[type, str]] = {
    nodes.AssignmentExpr: "target",
    nodes.AssignmentStmt: "lvalues",
    nodes.DelStmt: "expr",
    nodes.ForStmt: "index",
    nodes.OperatorAssignmentStmt: "lvalue",
    nodes.TryStmt: "vars",
    nodes.WithStmt: "target",
}
"""Statement -> where it holds what it writes."""


def parts(node: Node) -> list[Any]:
    """The nodes directly below `node`, in order; overloaded functions are given once."""
    found: list[Any] = []
    if type(node) is nodes.OverloadedFuncDef:
        found += node.items
        if node.impl is not None and node.impl not in node.items:
            found.append(node.impl)
    for name in _PARTS.get(type(node), ()):
        _flatten(getattr(node, name), found)
    return found


def targets(node: Node) -> list[Any]:
    """What a statement binds, writes or deletes, tuples taken apart."""
    name = WRITING.get(type(node))
    if name is None:
        return []
    found: list[Any] = []
    pending: list[Any] = []
    _flatten(getattr(node, name), pending)
    while pending:
        target = pending.pop()
        if isinstance(target, (nodes.TupleExpr, nodes.ListExpr)):
            pending.extend(target.items)
        elif isinstance(target, nodes.StarExpr):
            pending.append(target.expr)
        else:
            found.append(target)
    return found


def _flatten(value: Any, into: list[Any]) -> None:
    kind = type(value)
    if kind is list or kind is tuple:
        for item in value:
            _flatten(item, into)
    elif value is not None:
        into.append(value)
