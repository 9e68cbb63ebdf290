"""Calls that a program only makes of a model that it has asked: `if model.supports_tp:` above one settles the axis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mypy.nodes import (
    AssertStmt,
    Block,
    CallExpr,
    ClassDef,
    Decorator,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    MatchStmt,
    MemberExpr,
    OverloadedFuncDef,
    PassStmt,
    TryStmt,
    UnaryExpr,
    WhileStmt,
    WithStmt,
)

from meshfit.mesh import AXES
from meshfit_mypy.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy.nodes import Expression, MypyFile, Node, Statement

    from meshfit_mypy.texts import Text

__all__ = ["guarded_axes"]

_ASKED: Final = (
    rb"\b[sS]upports[_.]?(?P<capability>tp|pp|cp|ep|sp|TP|PP|CP|EP)(?![a-zA-Z])"
    rb"|(?<![a-zA-Z])(?P<plan>tp|pp|ep)_plan\b|\bcheck\("
)
"""What asks a model, or about it; a verdict is of every axis."""

_CHOOSES: Final = rb"\b(?:if|and|or)\b"
"""What makes an expression a condition of its own."""

_NAMED: Final = rb"[ \t]*(\w+)[ \t]*(?::[^=\n]+)?=(?!=)"
"""The name that a line gives its answer."""


def guarded_axes(tree: MypyFile, line: int) -> frozenset[str]:
    """The axes that a condition asks about on the way to a line.

    Args:
        tree: the file that is checked.
        line: where the call stands.
    """
    text = text_of(tree)
    # Most calls stand under no condition, and the text is only searched for those that do.
    conditions = [] if text is None else list(_conditions_above(tree.defs, line, text))
    if text is None or not conditions:
        return frozenset()
    asked = _asked(text)
    return frozenset(axis for condition in conditions for at in asked.keys() & _lines(condition) for axis in asked[at])


def _asked(text: Text) -> dict[int, set[str]]:
    """Line -> the axes that are asked about in it, or whose answer has its name there."""
    found: dict[int, set[str]] = {}
    matches = list(re.finditer(_ASKED, text.raw))
    for line, match in zip(text.lines_of([match.start() for match in matches]), matches, strict=True):
        axis = match["capability"] or match["plan"]
        axes = {*AXES, "mesh"} if axis is None else {axis.decode().lower()}
        named = re.compile(_NAMED).match(text.raw, text.raw.rfind(b"\n", 0, match.start()) + 1)
        again = [] if named is None else [one.start() for one in re.finditer(rb"\b%s\b" % named[1], text.raw)]
        for at in (line, *text.lines_of(again)):
            found.setdefault(at, set()).update(axes)
    return found


def _conditions_above(statements: Sequence[Statement], line: int, text: Text) -> Iterator[Node]:
    """What decides whether a line is reached."""
    for statement in statements:
        if statement.line > line:
            return
        inside = line in _lines(statement)
        if inside or isinstance(statement, (AssertStmt, IfStmt)):
            yield from _conditions(statement, line, text, inside=inside)
        if inside:
            for block in _blocks(statement):
                yield from _conditions_above(block, line, text)


def _conditions(statement: Statement, line: int, text: Text, *, inside: bool) -> Iterator[Node]:
    if isinstance(statement, IfStmt):
        for condition, body in zip(statement.expr, statement.body, strict=True):
            if _decides(condition, line, body) if inside else _changes(statement):
                yield condition
    elif isinstance(statement, WhileStmt):
        if inside:
            yield statement.expr
    elif isinstance(statement, AssertStmt) or (inside and _chooses(statement, text)):
        yield statement


def _chooses(statement: Statement, text: Text) -> bool:
    """Whether a plain statement has a condition in it."""
    spelled = b"" if _blocks(statement) else text.part(statement.line, statement.end_line or statement.line)
    return re.search(_CHOOSES, spelled) is not None


def _lines(node: Node) -> range:
    return range(node.line, (node.end_line or node.line) + 1)


def _decides(condition: Expression, line: int, body: Block) -> bool:
    """Whether the branch that holds the line is one for models that pass: not the `else` of a plain question."""
    negated = isinstance(condition, UnaryExpr) and condition.op == "not"
    plain = condition.expr if isinstance(condition, UnaryExpr) else condition
    if not isinstance(plain, (MemberExpr, CallExpr)) or line in _lines(condition):
        return True
    return any(line in _lines(one) for one in body.body) is not negated


def _changes(statement: Statement) -> bool:
    """Whether what comes after depends on the branch taken: it leaves, or sets something."""
    if isinstance(statement, IfStmt):
        return any(_changes(one) for block in _blocks(statement) for one in block)
    return not isinstance(statement, (ExpressionStmt, PassStmt))


def _blocks(statement: Statement) -> list[Sequence[Statement]]:
    """The statements inside another one, block by block."""
    blocks: list[Block | None] = []
    match statement:
        case IfStmt():
            blocks = [*statement.body, statement.else_body]
        case WhileStmt() | ForStmt():
            blocks = [statement.body, statement.else_body]
        case WithStmt() | FuncDef():
            blocks = [statement.body]
        case Decorator():
            blocks = [statement.func.body]
        case OverloadedFuncDef():
            return [[item] for item in (*statement.items, *([statement.impl] if statement.impl else []))]
        case ClassDef():
            blocks = [statement.defs]
        case TryStmt():
            blocks = [statement.body, *statement.handlers, statement.else_body, statement.finally_body]
        case MatchStmt():
            blocks = [*statement.bodies]
        case Block():
            blocks = [statement]
        case _:
            pass
    return [block.body for block in blocks if block is not None]
