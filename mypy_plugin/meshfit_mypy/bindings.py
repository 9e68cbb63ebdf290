"""What is bound to each name and attribute of one file: one walk, made when the first question comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    AssignmentExpr,
    AssignmentStmt,
    AwaitExpr,
    Block,
    CallExpr,
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
    Import,
    ImportAll,
    ImportFrom,
    IndexExpr,
    LambdaExpr,
    ListComprehension,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    OperatorAssignmentStmt,
    OpExpr,
    OverloadedFuncDef,
    RaiseStmt,
    ReturnStmt,
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
    Var,
    WhileStmt,
    WithStmt,
    YieldExpr,
    YieldFromExpr,
)
from mypy.patterns import AsPattern, ClassPattern, MappingPattern, OrPattern, SequencePattern, StarredPattern
from mypy.types import Instance, get_proper_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy.nodes import Expression, FuncItem, MypyFile, Statement, SymbolNode

__all__ = ["ANY", "ITEM", "OPAQUE", "Binding", "Bindings", "bindings_of", "bindings_so_far", "class_of", "makes_fields"]

ITEM: Final = -1
"""The step of a binding that takes any item of what it stands on; other steps are indexes."""

ANY: Final = "*"
"""Stands for every attribute, where one is written whose name is computed."""

Binding = tuple["Expression | None", tuple[int, ...]]
"""An expression, and the steps from its value to what the name gets: `()` for the value itself."""

OPAQUE: Final[Binding] = (None, ())
"""A binding that nobody can read: a parameter, `with … as`, `except … as`, `+=`, `del`."""

_NAMESPACES: Final = frozenset({"globals", "locals", "vars"})


class Bindings:
    """Every binding of one file.

    Attributes:
        names: what is bound to each variable; a variable that is only declared has an empty list.
        attributes: attribute name, or `ANY` -> its writes anywhere in the file, each with the class it is written on
            (None: unknown).
        doubtful: names that something else may be bound to: an unreachable branch, a second import, a redefinition.
        classes: the classes that the file defines.
        selves: the first parameter of each method -> the class.
        returns: function -> what it returns; `None` stands for a bare `return`.
        open_globals: a part of the file cannot be seen or rebinds by text, so no global is certain.
        rebound: globals that are written as attributes of the module.
        stars: modules whose names are imported with `*`.
        stored: variable -> paths of attributes, from its object on, that something is stored into.
    """

    __slots__ = (
        "attributes",
        "classes",
        "doubtful",
        "names",
        "open_globals",
        "rebound",
        "returns",
        "selves",
        "stars",
        "stored",
    )

    def __init__(self) -> None:
        self.names: dict[SymbolNode, list[Binding]] = {}
        self.attributes: dict[str, list[tuple[TypeInfo | None, Binding]]] = {}
        self.doubtful: set[str] = set()
        self.selves: dict[Var, TypeInfo] = {}
        self.returns: dict[FuncItem, list[Expression | None]] = {}
        self.open_globals = False
        self.rebound: set[str] = set()
        self.stars: list[str] = []
        self.stored: dict[SymbolNode, set[tuple[str, ...]]] = {}
        self.classes: list[TypeInfo] = []

    def are_related(self, one: TypeInfo, other: TypeInfo) -> bool:
        """Whether an object may be an instance of both classes."""
        if one in other.mro or other in one.mro:
            return True
        return any(one in cls.mro and other in cls.mro for cls in self.classes)


_kept: dict[str, tuple[list[Statement], Bindings]] = {}


def bindings_of(tree: MypyFile, *, anew: bool = False) -> Bindings:
    """The bindings of a file, kept while its statements are the same list: the daemon swaps them in place.

    Args:
        tree: a file that is being checked, so that its bodies are there.
        anew: walk again; the daemon renews the variables of a function that it looks at a second time.
    """
    kept = _kept.get(tree.fullname)
    if kept is None or anew or kept[0] is not tree.defs:
        kept = _kept[tree.fullname] = (tree.defs, bindings_so_far(tree))
    return kept[1]


def bindings_so_far(tree: MypyFile) -> Bindings:
    """The bindings of a file whose functions mypy has not analysed yet: the names they bind are doubtful."""
    walk = _Walk()
    walk.statements(tree.defs)
    return walk.found


def class_of(receiver: Expression, selves: dict[Var, TypeInfo]) -> TypeInfo | None:
    """The class that `receiver` is an instance of, or is; None when nobody can tell."""
    node = receiver.node if isinstance(receiver, (NameExpr, MemberExpr)) else None
    if isinstance(node, TypeInfo):
        return node
    if not isinstance(node, Var) or not isinstance(receiver, NameExpr):
        return None
    if node in selves:
        return selves[node]
    declared = get_proper_type(node.type)
    return declared.type if isinstance(declared, Instance) else None


class _Walk:
    """Collects bindings statement by statement; expressions are only searched for what binds inside them."""

    def __init__(self) -> None:
        self.found = Bindings()
        self.owner: TypeInfo | None = None
        self.function: FuncItem | None = None
        self.scope: dict[str, str] = {}

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
            self.found.returns.setdefault(self.function, []).append(statement.expr)
        if statement.expr is not None:
            self.search(statement.expr)

    def fail(self, statement: RaiseStmt) -> None:
        for expression in (statement.expr, statement.from_expr):
            if expression is not None:
                self.search(expression)

    # --- scopes

    def define(self, function: FuncDef) -> None:
        self.declare(function.name, f"def at {function.line}")
        self.enter(function)

    def decorate(self, decorated: Decorator) -> None:
        self.declare(decorated.func.name, f"def at {decorated.func.line}")
        for decorator in decorated.decorators:
            self.search(decorator)
        self.enter(decorated.func)

    def overload(self, overloaded: OverloadedFuncDef) -> None:
        self.declare(overloaded.name, f"def at {overloaded.line}")
        for item in (*overloaded.items, overloaded.impl):
            if isinstance(item, FuncDef):
                self.enter(item)
            elif isinstance(item, Decorator):
                self.enter(item.func)

    def enter(self, function: FuncItem) -> None:
        self.parameters(function)
        if function.info and function.arguments and isinstance(function, FuncDef) and not function.is_static:
            self.found.selves[function.arguments[0].variable] = function.info
        if not function.body.body:
            self.found.open_globals = True  # mypy strips bodies whose errors it will not show
        outer = self.owner, self.function, self.scope
        self.owner, self.function, self.scope = None, function, {}
        self.found.returns.setdefault(function, [])
        self.block(function.body)
        self.owner, self.function, self.scope = outer

    def parameters(self, function: FuncItem) -> None:
        for argument in function.arguments:
            self.found.names.setdefault(argument.variable, []).append(OPAQUE)
            if argument.initializer is not None:
                self.search(argument.initializer)

    def classify(self, cls: ClassDef) -> None:
        self.declare(cls.name, f"class at {cls.line}")
        if cls.info:
            self.found.classes.append(cls.info)
        for expression in (*cls.decorators, *cls.base_type_exprs, *cls.keywords.values()):
            self.search(expression)
        outer = self.owner, self.function, self.scope
        self.owner, self.function, self.scope = cls.info, None, {}
        self.block(cls.defs)
        self.owner, self.function, self.scope = outer

    def declare(self, name: str, target: str) -> None:
        """A definition or an import: two of them under one name leave it open which one is meant."""
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

    # --- targets

    def bind(self, target: Expression, binding: Binding, *, annotated: bool = False) -> None:
        if isinstance(target, NameExpr):
            self.bind_name(target, binding, annotated=annotated)
        elif isinstance(target, MemberExpr):
            written_on = class_of(target.expr, self.found.selves)
            if self.is_module(target.expr):
                self.found.rebound.add(target.name)
            self.found.attributes.setdefault(target.name, []).append((written_on, binding))
            if isinstance(target.node, Var):
                self.found.names.setdefault(target.node, []).append(binding)
            self.store(target)
            self.search(target.expr)
        elif isinstance(target, (TupleExpr, ListExpr)):
            value, steps = binding
            known = value is not None and not any(isinstance(item, StarExpr) for item in target.items)
            for index, item in enumerate(target.items):
                self.bind(item, (value, (*steps, index)) if known else OPAQUE)
        elif isinstance(target, StarExpr):
            self.bind(target.expr, OPAQUE)
        elif isinstance(target, IndexExpr):
            self.store(target)
            self.search(target.base)
            self.search(target.index)

    def store(self, target: Expression) -> None:
        path: tuple[str, ...] = ()
        while isinstance(target, (MemberExpr, IndexExpr)):
            path = (target.name, *path) if isinstance(target, MemberExpr) else path
            target = target.expr if isinstance(target, MemberExpr) else target.base
        if path and isinstance(target, NameExpr) and target.node is not None:
            self.found.stored.setdefault(target.node, set()).add(path)

    def bind_name(self, target: NameExpr, binding: Binding, *, annotated: bool) -> None:
        node = target.node
        if node is None:
            # mypy looks at no unreachable branch, but the program may run it
            self.found.doubtful.add(target.name)
            return
        self.found.names.setdefault(node, []).append(binding)
        if self.owner is not None:
            field = annotated and not (isinstance(node, Var) and node.is_classvar) and makes_fields(self.owner)
            kept = OPAQUE if field else binding
            self.found.attributes.setdefault(target.name, []).append((self.owner, kept))

    # --- expressions

    def search(self, root: Expression) -> None:
        stack: list[Any] = [root]
        while stack:
            expression = stack.pop()
            children = _CHILDREN.get(type(expression))
            if children is not None:
                children(self, expression, stack)

    def call(self, call: CallExpr, stack: list[Any]) -> None:
        callee = call.callee
        if isinstance(callee, NameExpr):
            if callee.name == "exec" or (callee.name in _NAMESPACES and not call.args):
                self.found.open_globals = True
            elif callee.name == "setattr" and len(call.args) > 1:
                self.set_by_name(call.args[0], call.args[1])
        else:
            if isinstance(callee, MemberExpr) and callee.name == "__setattr__" and call.args:
                self.set_by_name(call.args[0], call.args[-2] if len(call.args) > 1 else None)
            stack.append(callee)
        stack.extend(call.args)

    def set_by_name(self, receiver: Expression, name: Expression | None) -> None:
        """`setattr(receiver, name, …)`."""
        spelled = name.value if isinstance(name, StrExpr) else ANY
        if self.is_module(receiver):
            self.found.rebound.add(spelled)
            self.found.open_globals |= spelled == ANY
        owner = class_of(receiver, self.found.selves)
        self.found.attributes.setdefault(spelled, []).append((owner, OPAQUE))

    def is_module(self, receiver: Expression) -> bool:
        """Whether `receiver` may be this module, so that its attributes are the file's globals."""
        bound = self.found.names.get(receiver.node, ()) if isinstance(receiver, NameExpr) and receiver.node else ()
        return _finds_module(receiver) or any(value is not None and _finds_module(value) for value, _ in bound)

    def member(self, expression: MemberExpr, stack: list[Any]) -> None:
        if expression.name == "__dict__":
            owner = class_of(expression.expr, self.found.selves)
            self.found.attributes.setdefault(ANY, []).append((owner, OPAQUE))
        stack.append(expression.expr)

    def walrus(self, expression: AssignmentExpr, stack: list[Any]) -> None:
        self.bind(expression.target, (expression.value, ()))
        stack.append(expression.value)

    def comprehension(self, generator: GeneratorExpr | DictionaryComprehension, stack: list[Any]) -> None:
        for index, sequence, is_async in zip(generator.indices, generator.sequences, generator.is_async, strict=True):
            self.bind(index, OPAQUE if is_async else (sequence, (ITEM,)))
        stack.extend(generator.sequences)
        for conditions in generator.condlists:
            stack.extend(conditions)
        if isinstance(generator, GeneratorExpr):
            stack.append(generator.left_expr)
        else:
            stack.extend((generator.key, generator.value))

    def anonymous(self, function: LambdaExpr, stack: list[Any]) -> None:  # noqa: ARG002 - one signature for all
        self.parameters(function)
        outer, self.function = self.function, function
        self.block(function.body)
        self.function = outer


def _finds_module(value: Expression) -> bool:
    """Whether a value is a module by its name: `sys.modules[__name__]`, `importlib.import_module(…)`."""
    if isinstance(value, IndexExpr):
        return isinstance(value.base, (NameExpr, MemberExpr)) and value.base.name == "modules"
    callee = value.callee if isinstance(value, CallExpr) else None
    return isinstance(callee, (NameExpr, MemberExpr)) and callee.name in ("import_module", "__import__")


def makes_fields(info: TypeInfo) -> bool:
    """Whether an annotated assignment in the class body is the default of a field rather than the value."""
    for base in info.mro:
        metaclass = base.metaclass_type
        if (
            base.is_named_tuple
            or (base.defn.decorators and base.module_name not in ("builtins", "typing"))
            or any(key in base.metadata for key in ("attrs", "dataclass", "dataclass_tag"))
            or base.dataclass_transform_spec is not None
            or (metaclass is not None and metaclass.type.dataclass_transform_spec is not None)
        ):
            return True
    return False


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

_CHILDREN: Final[dict[type, Callable[[_Walk, Any, list[Any]], None]]] = {
    CallExpr: _Walk.call,
    AssignmentExpr: _Walk.walrus,
    GeneratorExpr: _Walk.comprehension,
    DictionaryComprehension: _Walk.comprehension,
    LambdaExpr: _Walk.anonymous,
    ListComprehension: lambda _, e, stack: stack.append(e.generator),
    SetComprehension: lambda _, e, stack: stack.append(e.generator),
    MemberExpr: _Walk.member,
    IndexExpr: lambda _, e, stack: stack.extend((e.base, e.index)),
    OpExpr: lambda _, e, stack: stack.extend((e.left, e.right)),
    UnaryExpr: lambda _, e, stack: stack.append(e.expr),
    ComparisonExpr: lambda _, e, stack: stack.extend(e.operands),
    ConditionalExpr: lambda _, e, stack: stack.extend((e.cond, e.if_expr, e.else_expr)),
    TupleExpr: lambda _, e, stack: stack.extend(e.items),
    ListExpr: lambda _, e, stack: stack.extend(e.items),
    SetExpr: lambda _, e, stack: stack.extend(e.items),
    DictExpr: lambda _, e, stack: stack.extend(part for item in e.items for part in item),
    StarExpr: lambda _, e, stack: stack.append(e.expr),
    AwaitExpr: lambda _, e, stack: stack.append(e.expr),
    YieldExpr: lambda _, e, stack: stack.append(e.expr),
    YieldFromExpr: lambda _, e, stack: stack.append(e.expr),
    SliceExpr: lambda _, e, stack: stack.extend((e.begin_index, e.end_index, e.stride)),
}
