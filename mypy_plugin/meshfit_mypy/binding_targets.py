"""What assignments and expressions bind: the part of the walk over a file below its statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    AssignmentExpr,
    AwaitExpr,
    CallExpr,
    ComparisonExpr,
    ConditionalExpr,
    DictExpr,
    DictionaryComprehension,
    GeneratorExpr,
    IndexExpr,
    LambdaExpr,
    ListComprehension,
    ListExpr,
    MemberExpr,
    NameExpr,
    OpExpr,
    SetComprehension,
    SetExpr,
    SliceExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    Var,
    YieldExpr,
    YieldFromExpr,
)

from meshfit_mypy.bindings import ANY, ITEM, OPAQUE, Binding, Bindings, class_of, makes_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy.nodes import Expression, FuncItem

    from meshfit_mypy.texts import Text

__all__ = ["BINDS_INSIDE", "Targets"]

_NAMESPACES: Final = frozenset({"globals", "locals", "vars"})


class Targets:
    """Notes the bindings of targets, and of what binds inside an expression."""

    def __init__(self, text: Text | None) -> None:
        self.found = Bindings(text)
        self.owner: TypeInfo | None = None

    # --- targets

    def parameters(self, function: FuncItem) -> None:
        """Parameters are unreadable; their defaults are searched."""
        names = self.found.names
        for argument in function.arguments:
            names[argument.variable] = [OPAQUE]
            if argument.initializer is not None:
                self.search(argument.initializer)

    def bind(self, target: Expression, binding: Binding, *, annotated: bool = False) -> None:
        """Note that `target` gets what the binding says."""
        if isinstance(target, NameExpr):
            self.bind_name(target, binding, annotated=annotated)
        elif isinstance(target, MemberExpr):
            self.bind_attribute(target, binding)
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

    def bind_attribute(self, target: MemberExpr, binding: Binding) -> None:
        """`base.name = …`: a write to the attribute, and to the variable where mypy knows it."""
        found, base = self.found, target.expr
        receiver: Any = base.node if isinstance(base, NameExpr) else None
        owner = found.selves.get(receiver)
        if owner is None:
            owner = class_of(base, found.selves)
            if self.is_module(base):
                found.rebound.add(target.name)
            self.search(base)
        found.attributes.setdefault(target.name, []).append((owner, binding))
        node = target.node
        if node is not None and isinstance(node, Var):
            found.names.setdefault(node, []).append(binding)
        self.store(target)

    def store(self, target: Expression) -> None:
        """Note a path of attributes that something is stored into."""
        path: tuple[str, ...] = ()
        while isinstance(target, (MemberExpr, IndexExpr)):
            path = (target.name, *path) if isinstance(target, MemberExpr) else path
            target = target.expr if isinstance(target, MemberExpr) else target.base
        if path and isinstance(target, NameExpr) and target.node is not None:
            self.found.stored.setdefault(target.node, set()).add(path)

    def bind_name(self, target: NameExpr, binding: Binding, *, annotated: bool) -> None:
        """`name = …`, in the body of a class also its attribute."""
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
        """Note what binds inside an expression: `:=`, comprehensions, lambdas, `setattr` and its like."""
        stack: list[Any] = [root]
        while stack:
            expression = stack.pop()
            children = BINDS_INSIDE.get(type(expression))
            if children is not None:
                children(self, expression, stack)

    def call(self, call: CallExpr, stack: list[Any]) -> None:
        """`setattr(…)` and what else binds by text; then what is called, and its arguments."""
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
        if isinstance(receiver, NameExpr):
            bound = self.found.names.get(receiver.node, ()) if receiver.node is not None else ()
            return any(value is not None and _finds_module(value) for value, _ in bound)
        return _finds_module(receiver)

    def member(self, expression: MemberExpr, stack: list[Any]) -> None:
        """`x.__dict__`, through which any attribute may be written."""
        if expression.name == "__dict__":
            owner = class_of(expression.expr, self.found.selves)
            self.found.attributes.setdefault(ANY, []).append((owner, OPAQUE))
        stack.append(expression.expr)

    def walrus(self, expression: AssignmentExpr, stack: list[Any]) -> None:
        """`name := value`."""
        self.bind(expression.target, (expression.value, ()))
        stack.append(expression.value)

    def comprehension(self, generator: GeneratorExpr | DictionaryComprehension, stack: list[Any]) -> None:
        """Its variables are items of what it goes over."""
        for index, sequence, is_async in zip(generator.indices, generator.sequences, generator.is_async, strict=True):
            self.bind(index, OPAQUE if is_async else (sequence, (ITEM,)))
        stack.extend(generator.sequences)
        for conditions in generator.condlists:
            stack.extend(conditions)
        if isinstance(generator, GeneratorExpr):
            stack.append(generator.left_expr)
        else:
            stack.extend((generator.key, generator.value))

    def anonymous(self, function: LambdaExpr, stack: list[Any]) -> None:
        """The parameters of a lambda."""
        self.parameters(function)
        stack.append(function.expr())


def _finds_module(value: Expression) -> bool:
    """Whether a value is a module by its name: `sys.modules[__name__]`, `importlib.import_module(…)`."""
    if isinstance(value, IndexExpr):
        return isinstance(value.base, (NameExpr, MemberExpr)) and value.base.name == "modules"
    callee = value.callee if isinstance(value, CallExpr) else None
    return isinstance(callee, (NameExpr, MemberExpr)) and callee.name in ("import_module", "__import__")


BINDS_INSIDE: Final[dict[type, Callable[[Targets, Any, list[Any]], None]]] = {
    CallExpr: Targets.call,
    AssignmentExpr: Targets.walrus,
    GeneratorExpr: Targets.comprehension,
    DictionaryComprehension: Targets.comprehension,
    LambdaExpr: Targets.anonymous,
    ListComprehension: lambda _, e, stack: stack.append(e.generator),
    SetComprehension: lambda _, e, stack: stack.append(e.generator),
    MemberExpr: Targets.member,
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
