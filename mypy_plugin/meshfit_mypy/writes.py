"""What may have written to the object a name holds: stores into it, methods that change it, and escapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    AssertStmt,
    AssertTypeExpr,
    AssignmentExpr,
    AssignmentStmt,
    AwaitExpr,
    Block,
    CallExpr,
    CastExpr,
    ClassDef,
    ComparisonExpr,
    ConditionalExpr,
    Decorator,
    DelStmt,
    DictExpr,
    DictionaryComprehension,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    GeneratorExpr,
    IfStmt,
    IndexExpr,
    LambdaExpr,
    ListComprehension,
    ListExpr,
    MatchStmt,
    MemberExpr,
    MypyFile,
    NameExpr,
    OperatorAssignmentStmt,
    OpExpr,
    OverloadedFuncDef,
    RaiseStmt,
    ReturnStmt,
    RevealExpr,
    SetComprehension,
    SetExpr,
    SliceExpr,
    StarExpr,
    StrExpr,
    TempNode,
    TryStmt,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    WhileStmt,
    WithStmt,
    YieldExpr,
    YieldFromExpr,
)

from meshfit_mypy.texts import keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy.nodes import Expression, FuncItem, Statement

__all__ = ["Writes", "key_of", "writes_of"]

_READING_METHODS: Final = frozenset(
    {
        *("copy", "count", "get", "index", "items", "keys", "values"),
        *("to_dict", "to_diff_dict", "to_json_string", "validate_for_mesh"),
    }
)
_READING_BUILTINS: Final = (
    *("abs", "all", "any", "bool", "dict", "enumerate", "float", "frozenset", "getattr", "hasattr", "id", "int"),
    *("isinstance", "issubclass", "iter", "len", "list", "max", "min", "print", "range", "repr", "reversed", "set"),
    *("sorted", "str", "sum", "tuple", "type", "zip"),
)
_READING_CALLEES: Final = frozenset(
    {
        *(f"builtins.{name}" for name in _READING_BUILTINS),
        *("copy.copy", "copy.deepcopy", "dataclasses.asdict", "dataclasses.replace", "json.dumps"),
        *("meshfit.capability.validate_for_mesh", "meshfit.checking.check"),
        *("meshfit.mesh.MeshSpec", "meshfit.mesh.MeshSpec.of"),
    }
)
_LOADERS: Final = frozenset({"from_pretrained", "from_config", "_from_config"})
_MODELS: Final = frozenset({"torch.nn.modules.module.Module", "meshfit.capability.CapabilityMixin"})


class Writes:
    """Every write of one file.

    Attributes:
        written: what something was stored into, or what reached a place that may store into it.
        opened: what an item or an attribute was taken out of, so that mutable things inside it may be written.
        aliases: what else holds the same object.
    """

    __slots__ = ("aliases", "opened", "written")

    def __init__(self) -> None:
        self.written: set[Any] = set()
        self.opened: set[Any] = set()
        self.aliases: dict[Any, list[Any]] = {}

    def reaches(self, key: Any, marked: set[Any]) -> bool:
        """Whether `key`, or anything that holds the same object, is among `marked`."""
        seen: set[Any] = set()
        waiting = [key]
        while waiting:
            held = waiting.pop()
            if held in marked:
                return True
            if held not in seen:
                seen.add(held)
                waiting.extend(self.aliases.get(held, ()))
        return False


_kept: dict[str, tuple[list[Statement], Writes]] = {}


def writes_of(tree: MypyFile, *, anew: bool = False) -> Writes:
    """The writes of a file, kept as `bindings_of` keeps bindings."""
    kept = _kept.get(tree.fullname)
    if kept is None or anew or kept[0] is not tree.defs:
        walk = _Walk()
        walk.statements(tree.defs)
        kept = (tree.defs, walk.found)
        keep(_kept, tree.fullname, kept)
    return kept[1]


def key_of(expr: Expression) -> Any:
    """What `expr` is known by here; None when it is no name."""
    if isinstance(expr, NameExpr):
        return expr.node
    if isinstance(expr, MemberExpr):
        base = expr.expr
        in_module = isinstance(base, (NameExpr, MemberExpr)) and isinstance(base.node, MypyFile)
        return expr.node if in_module else f".{expr.name}"
    return None


class _Walk:
    """Sees every expression of a file once, told whether its place only reads."""

    def __init__(self) -> None:
        self.found = Writes()

    # --- statements

    def statements(self, body: list[Statement]) -> None:
        for statement in body:
            handler = _STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement)

    def blocks(self, *blocks: Block | None) -> None:
        for block in blocks:
            if block is not None:
                self.statements(block.body)

    def read(self, *expressions: Expression | None) -> None:
        for expression in expressions:
            self.see(expression, reads=True)

    def lend(self, *expressions: Expression | None) -> None:
        for expression in expressions:
            self.see(expression, reads=False)

    def assign(self, statement: AssignmentStmt) -> None:
        value = statement.rvalue
        if isinstance(value, TempNode):
            return
        held = key_of(value)
        plain = all(isinstance(target, (NameExpr, MemberExpr)) for target in statement.lvalues)
        self.see(value, reads=held is not None)
        for target in statement.lvalues:
            self.store(target)
            if held is not None and plain:
                self.found.aliases.setdefault(held, []).append(key_of(target))
        for one in statement.lvalues[1:]:
            for other in statement.lvalues[:1]:  # `a = b = {}`
                self.found.aliases.setdefault(key_of(one), []).append(key_of(other))
                self.found.aliases.setdefault(key_of(other), []).append(key_of(one))
        if held is not None and not plain:
            unpacked = all(isinstance(target, (TupleExpr, ListExpr)) for target in statement.lvalues)
            (self.found.opened if unpacked else self.found.written).add(held)

    def store(self, target: Expression) -> None:
        """A store into the base of an index or of an attribute."""
        if isinstance(target, IndexExpr):
            self.lend(target.base)
            self.read(target.index)
        elif isinstance(target, MemberExpr):
            self.lend(target.expr)
        elif isinstance(target, (TupleExpr, ListExpr)):
            for item in target.items:
                self.store(item)
        elif isinstance(target, StarExpr):
            self.store(target.expr)

    def assign_with_operator(self, statement: OperatorAssignmentStmt) -> None:
        self.lend(statement.lvalue)  # `d |= {...}` writes in place
        self.store(statement.lvalue)
        self.read(statement.rvalue)

    def loop(self, statement: ForStmt) -> None:
        self.read(statement.expr)
        self.open(statement.expr)
        self.store(statement.index)
        self.blocks(statement.body, statement.else_body)

    def repeat(self, statement: WhileStmt) -> None:
        self.read(statement.expr)
        self.blocks(statement.body, statement.else_body)

    def branch(self, statement: IfStmt) -> None:
        self.read(*statement.expr)
        self.blocks(*statement.body, statement.else_body)

    def manage(self, statement: WithStmt) -> None:
        self.lend(*statement.expr)
        for target in statement.target:
            if target is not None:
                self.store(target)
        self.blocks(statement.body)

    def match(self, statement: MatchStmt) -> None:
        self.lend(statement.subject)
        self.read(*statement.guards)
        self.blocks(*statement.bodies)

    def give_back(self, statement: ReturnStmt) -> None:
        value = statement.expr
        # a local is gone when its function ends, so its object is the caller's alone
        own = isinstance(value, NameExpr) and value.node is not None and "." not in value.node.fullname
        self.see(value, reads=own)

    def enter(self, function: FuncItem) -> None:
        self.lend(*(argument.initializer for argument in function.arguments))
        self.blocks(function.body)

    def decorate(self, decorated: Decorator) -> None:
        self.read(*decorated.decorators)
        self.enter(decorated.func)

    def overload(self, overloaded: OverloadedFuncDef) -> None:
        for item in (*overloaded.items, overloaded.impl):
            if item is not None and (item is not overloaded.impl or item not in overloaded.items):
                self.statements([item])

    def classify(self, cls: ClassDef) -> None:
        self.read(*cls.decorators, *cls.base_type_exprs, *cls.keywords.values())
        self.blocks(cls.defs)

    # --- expressions

    def see(self, expr: Any, *, reads: bool) -> None:
        """Mark what `expr` names, unless its place only reads it; then look inside."""
        if expr is None:
            return
        handler = _EXPRESSIONS.get(type(expr))
        if handler is not None:
            handler(self, expr, reads)

    def name(self, expr: NameExpr, reads: bool) -> None:
        if not reads and expr.node is not None:
            self.found.written.add(expr.node)

    def member(self, expr: MemberExpr, reads: bool) -> None:
        if not reads:
            self.found.written.add(key_of(expr))
            self.open(expr.expr)
        self.read(expr.expr)

    def item(self, expr: IndexExpr, reads: bool) -> None:
        if not reads:
            self.open(expr.base)
        self.read(expr.base, expr.index)

    def open(self, expr: Expression) -> None:
        key = key_of(expr)
        if key is not None:
            self.found.opened.add(key)

    def call(self, call: CallExpr, reads: bool) -> None:
        if isinstance(call.analyzed, (CastExpr, AssertTypeExpr, RevealExpr)):
            self.see(call.analyzed.expr, reads=reads)
            return
        callee = call.callee
        harmless = _only_reads(callee)
        if isinstance(callee, MemberExpr):
            on_text = isinstance(callee.expr, StrExpr)
            harmless = harmless or on_text
            self.see(callee.expr, reads=harmless or callee.name in _READING_METHODS or _is_module(callee.expr))
        else:
            self.read(callee)
        for kind, argument in zip(call.arg_kinds, call.args, strict=True):
            if kind.is_star():
                self.open(argument)  # unpacked, so the callee gets its items
            self.see(argument, reads=harmless or kind.is_star())

    def either(self, expr: ConditionalExpr, reads: bool) -> None:
        self.read(expr.cond)
        self.see(expr.if_expr, reads=reads)
        self.see(expr.else_expr, reads=reads)

    def operate(self, expr: OpExpr, reads: bool) -> None:
        passes = reads or expr.op not in ("and", "or")
        self.see(expr.left, reads=passes)
        self.see(expr.right, reads=passes)

    def walrus(self, expr: AssignmentExpr, reads: bool) -> None:
        held = key_of(expr.value)
        if held is not None:
            self.found.aliases.setdefault(held, []).append(key_of(expr.target))
        self.see(expr.value, reads=reads or held is not None)
        self.see(expr.target, reads=reads)

    def comprehension(self, expr: GeneratorExpr | DictionaryComprehension, reads: bool) -> None:  # noqa: ARG002
        for sequence in expr.sequences:
            self.open(sequence)
        self.read(*expr.sequences, *(part for conditions in expr.condlists for part in conditions))
        self.lend(*((expr.left_expr,) if isinstance(expr, GeneratorExpr) else (expr.key, expr.value)))

    def star(self, expr: StarExpr, reads: bool) -> None:  # noqa: ARG002 - one signature for all
        self.open(expr.expr)
        self.read(expr.expr)


def _only_reads(callee: Expression) -> bool:
    """Whether what is called leaves its arguments as they are."""
    if not isinstance(callee, (NameExpr, MemberExpr)):
        return False
    node = callee.node
    if isinstance(node, TypeInfo) and any(base.fullname in _MODELS for base in node.mro):
        return True  # a model is built from its config
    if isinstance(callee, MemberExpr):
        owner = callee.expr.node if isinstance(callee.expr, (NameExpr, MemberExpr)) else None
        if callee.name in _LOADERS or callee.name == "validate_for_mesh":
            return True
        if isinstance(owner, TypeInfo):
            return f"{owner.fullname}.{callee.name}" in _READING_CALLEES
    return callee.fullname in _READING_CALLEES


def _is_module(expr: Expression) -> bool:
    return isinstance(expr, (NameExpr, MemberExpr)) and isinstance(expr.node, MypyFile)


_STATEMENTS: Final[dict[type, Callable[[_Walk, Any], None]]] = {
    AssignmentStmt: _Walk.assign,
    OperatorAssignmentStmt: _Walk.assign_with_operator,
    Block: lambda walk, s: walk.blocks(s),
    DelStmt: lambda walk, s: walk.store(s.expr),
    ExpressionStmt: lambda walk, s: walk.read(s.expr),
    ForStmt: _Walk.loop,
    WhileStmt: _Walk.repeat,
    IfStmt: _Walk.branch,
    AssertStmt: lambda walk, s: walk.read(s.expr, s.msg),
    RaiseStmt: lambda walk, s: walk.lend(s.expr, s.from_expr),
    WithStmt: _Walk.manage,
    TryStmt: lambda walk, s: walk.blocks(s.body, *s.handlers, s.else_body, s.finally_body),
    MatchStmt: _Walk.match,
    ReturnStmt: _Walk.give_back,
    FuncDef: _Walk.enter,
    Decorator: _Walk.decorate,
    OverloadedFuncDef: _Walk.overload,
    ClassDef: _Walk.classify,
}

_EXPRESSIONS: Final[dict[type, Callable[[_Walk, Any, bool], None]]] = {
    NameExpr: _Walk.name,
    MemberExpr: _Walk.member,
    IndexExpr: _Walk.item,
    CallExpr: _Walk.call,
    ConditionalExpr: _Walk.either,
    OpExpr: _Walk.operate,
    AssignmentExpr: _Walk.walrus,
    GeneratorExpr: _Walk.comprehension,
    DictionaryComprehension: _Walk.comprehension,
    StarExpr: _Walk.star,
    ListComprehension: lambda walk, e, reads: walk.see(e.generator, reads=reads),
    SetComprehension: lambda walk, e, reads: walk.see(e.generator, reads=reads),
    UnaryExpr: lambda walk, e, _: walk.read(e.expr),
    ComparisonExpr: lambda walk, e, _: walk.read(*e.operands),
    SliceExpr: lambda walk, e, _: walk.read(e.begin_index, e.end_index, e.stride),
    TupleExpr: lambda walk, e, _: walk.lend(*e.items),
    ListExpr: lambda walk, e, _: walk.lend(*e.items),
    SetExpr: lambda walk, e, _: walk.lend(*e.items),
    DictExpr: lambda walk, e, _: walk.lend(*(part for item in e.items for part in item)),
    LambdaExpr: lambda walk, e, _: walk.lend(e.expr()),
    AwaitExpr: lambda walk, e, _: walk.lend(e.expr),
    YieldExpr: lambda walk, e, _: walk.lend(e.expr),
    YieldFromExpr: lambda walk, e, _: walk.lend(e.expr),
}
