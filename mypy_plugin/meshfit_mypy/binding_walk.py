"""The walk over a file that finds what `Bindings` holds."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    AssignmentStmt,
    Block,
    ClassDef,
    Decorator,
    DelStmt,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    Import,
    ImportAll,
    ImportFrom,
    MatchStmt,
    NameExpr,
    OperatorAssignmentStmt,
    OverloadedFuncDef,
    RaiseStmt,
    ReturnStmt,
    TempNode,
    TryStmt,
    WhileStmt,
    WithStmt,
)
from mypy.patterns import AsPattern, ClassPattern, MappingPattern, OrPattern, SequencePattern, StarredPattern

from meshfit.readers.class_summary import RELEVANT
from meshfit_mypy.binding_targets import BINDS_INSIDE, Targets
from meshfit_mypy.bindings import ITEM, OPAQUE, Bindings, has_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy.nodes import FuncItem, Statement

    from meshfit_mypy.texts import Text

__all__ = ["walk"]


_TELLING: Final = (
    *(b"attr", b"exec", b"globals", b"locals", b"vars", b"modules", b"import_module", b"__import__", b"__dict__"),
)
"""What a file may bind names by that it does not spell."""
_APART: Final = re.compile(rb"\.[\s\\]+(\w+)")
"""An attribute apart from its dot, or the next sentence of a text."""
_RELEVANT: Final = frozenset(name.encode() for name in RELEVANT)


def walk(statements: Iterable[Statement], text: Text | None = None) -> Bindings:
    """What the statements of a file bind; with its text, functions are put off until they matter."""
    made = _Walk(text if text is None or _spells_all(text.raw) else None)
    made.statements(statements)
    return made.found


def _spells_all(raw: bytes) -> bool:
    """Whether a name that the file binds stands in it, letter by letter, and an attribute with its dot."""
    for word in _TELLING:
        if word in raw:
            return False
    return raw.isascii() and _RELEVANT.isdisjoint(_APART.findall(raw))


class _Walk(Targets):
    """Collects bindings statement by statement; expressions are only searched for what binds inside them."""

    def __init__(self, text: Text | None) -> None:
        super().__init__(text)
        self.last = 0 if text is None else text.last
        self.classes = [] if text is None else text.lines_with(b"class ")
        self.function: FuncItem | None = None
        self.scope: dict[str, Statement | str] = {}

    # --- statements

    def statements(self, body: Iterable[Statement]) -> None:
        for statement in body:
            handler = _STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement)

    def block(self, block: Block | None) -> None:
        if block is not None:
            self.statements(block.body)

    def assign(self, statement: AssignmentStmt) -> None:
        value = statement.rvalue
        if isinstance(value, TempNode):
            for target in statement.lvalues:
                if isinstance(target, NameExpr) and target.node is not None:
                    self.found.names.setdefault(target.node, [])
            return
        if type(value) in BINDS_INSIDE:
            self.search(value)
        if statement.is_alias_def:
            return  # another name of a class, which mypy resolves
        for target in statement.lvalues:
            self.bind(target, (value, ()), annotated=statement.unanalyzed_type is not None)

    def assign_with_operator(self, statement: OperatorAssignmentStmt) -> None:
        self.search(statement.rvalue)
        self.bind(statement.lvalue, OPAQUE)

    def delete(self, statement: DelStmt) -> None:
        self.bind(statement.expr, OPAQUE)

    def express(self, statement: ExpressionStmt) -> None:
        if type(statement.expr) in BINDS_INSIDE:
            self.search(statement.expr)

    def loop(self, statement: ForStmt) -> None:
        self.search(statement.expr)
        self.bind(statement.index, OPAQUE if statement.is_async else (statement.expr, (ITEM,)))
        self.block(statement.body)
        self.block(statement.else_body)

    def repeat(self, statement: WhileStmt) -> None:
        self.search(statement.expr)
        self.block(statement.body)
        self.block(statement.else_body)

    def branch(self, statement: IfStmt) -> None:
        for condition in statement.expr:
            self.search(condition)
        for body in statement.body:
            self.block(body)
        self.block(statement.else_body)

    def manage(self, statement: WithStmt) -> None:
        for expression in statement.expr:
            self.search(expression)
        for target in statement.target:
            if target is not None:
                self.bind(target, OPAQUE)
        self.block(statement.body)

    def attempt(self, statement: TryStmt) -> None:
        self.block(statement.body)
        for name in statement.vars:
            if name is not None:
                self.bind(name, OPAQUE)
        for handler in statement.handlers:
            self.block(handler)
        self.block(statement.else_body)
        self.block(statement.finally_body)

    def match(self, statement: MatchStmt) -> None:
        self.search(statement.subject)
        for pattern in statement.patterns:
            self.captures(pattern)
        for guard in statement.guards:
            if guard is not None:
                self.search(guard)
        for body in statement.bodies:
            self.block(body)

    def captures(self, pattern: Any) -> None:
        match pattern:
            case AsPattern():
                self.capture(pattern.name)
                if pattern.pattern is not None:
                    self.captures(pattern.pattern)
            case StarredPattern():
                self.capture(pattern.capture)
            case OrPattern() | SequencePattern():
                for part in pattern.patterns:
                    self.captures(part)
            case MappingPattern():
                self.capture(pattern.rest)
                for part in pattern.values:
                    self.captures(part)
            case ClassPattern():
                for part in (*pattern.positionals, *pattern.keyword_values):
                    self.captures(part)

    def capture(self, name: NameExpr | None) -> None:
        if name is not None:
            self.bind(name, OPAQUE)

    def give_back(self, statement: ReturnStmt) -> None:
        if self.function is not None:
            self.found.returns[self.function].append(statement.expr)
        if statement.expr is not None and type(statement.expr) in BINDS_INSIDE:
            self.search(statement.expr)

    def fail(self, statement: RaiseStmt) -> None:
        for expression in (statement.expr, statement.from_expr):
            if expression is not None:
                self.search(expression)

    # --- scopes

    def define(self, function: FuncDef) -> None:
        self.declare(function.name, function)
        self.enter(function)

    def decorate(self, decorated: Decorator) -> None:
        self.declare(decorated.func.name, decorated)
        for decorator in decorated.decorators:
            self.search(decorator)
        self.enter(decorated.func)

    def overload(self, overloaded: OverloadedFuncDef) -> None:
        self.declare(overloaded.name, overloaded)
        for item in (*overloaded.items, overloaded.impl):
            if isinstance(item, FuncDef):
                self.enter(item)
            elif isinstance(item, Decorator):
                self.enter(item.func)

    def enter(self, function: FuncItem) -> None:
        if function.info and function.arguments and isinstance(function, FuncDef) and not function.is_static:
            self.found.selves[function.arguments[0].variable] = function.info
        if not function.body.body:
            self.found.open_globals = True  # mypy strips bodies whose errors it will not show
        if self.waits(function) and not has_line(self.classes, function.line, function.end_line):
            self.found.put_off(function, self.inside)
        else:
            self.inside(function)

    def inside(self, function: FuncItem) -> None:
        self.parameters(function)
        outer = self.owner, self.function, self.scope
        self.owner, self.function, self.scope = None, function, {}
        self.found.returns[function] = []
        self.statements(function.body.body)
        self.owner, self.function, self.scope = outer

    def classify(self, cls: ClassDef) -> None:
        self.declare(cls.name, cls)
        if cls.info:
            self.found.classes.append(cls.info)
        for expression in cls.base_type_exprs:
            if type(expression) is not NameExpr:
                self.search(expression)
        if cls.decorators or cls.keywords:
            for expression in (*cls.decorators, *cls.keywords.values()):
                self.search(expression)
        if self.waits(cls) and not self.nests(cls):
            self.found.put_off(cls, self.body)
        else:
            self.body(cls)

    def waits(self, node: FuncItem | ClassDef) -> bool:
        """Whether a function or class may be put off: it has its place in the text, as what a plugin makes has not."""
        last = node.end_line
        return self.function is None and last is not None and 0 < node.line <= last <= self.last

    def nests(self, cls: ClassDef) -> bool:
        """Whether a class may hold another one."""
        classes = self.classes
        second = bisect_left(classes, cls.line) + 1
        return second < len(classes) and classes[second] <= (cls.end_line or cls.line)

    def body(self, cls: ClassDef) -> None:
        outer = self.owner, self.function, self.scope
        self.owner, self.function, self.scope = cls.info, None, {}
        self.block(cls.defs)
        self.owner, self.function, self.scope = outer

    def declare(self, name: str, target: Statement | str) -> None:
        """A definition, or the name of an import: two of them under one name leave it open which one is meant."""
        if self.scope.setdefault(name, target) != target:
            self.found.doubtful.add(name)

    def take(self, statement: Import) -> None:
        for module, name in statement.ids:
            self.declare(name or module.partition(".")[0], module if name else module.partition(".")[0])

    def take_from(self, statement: ImportFrom) -> None:
        for name, alias in statement.names:
            self.declare(alias or name, f"{'.' * statement.relative}{statement.id}.{name}")

    def take_all(self, statement: ImportAll) -> None:
        self.found.stars.append(statement.id if not statement.relative else "")


_STATEMENTS: Final[dict[type, Callable[[_Walk, Any], None]]] = {
    AssignmentStmt: _Walk.assign,
    OperatorAssignmentStmt: _Walk.assign_with_operator,
    Block: _Walk.block,
    DelStmt: _Walk.delete,
    ExpressionStmt: _Walk.express,
    ForStmt: _Walk.loop,
    WhileStmt: _Walk.repeat,
    IfStmt: _Walk.branch,
    WithStmt: _Walk.manage,
    TryStmt: _Walk.attempt,
    MatchStmt: _Walk.match,
    ReturnStmt: _Walk.give_back,
    RaiseStmt: _Walk.fail,
    FuncDef: _Walk.define,
    Decorator: _Walk.decorate,
    OverloadedFuncDef: _Walk.overload,
    ClassDef: _Walk.classify,
    Import: _Walk.take,
    ImportFrom: _Walk.take_from,
    ImportAll: _Walk.take_all,
}
