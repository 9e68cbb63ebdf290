"""What the names in a Python file stand for, told from its text: imports, and what is bound once and stays.

A name that is bound twice, by a loop, a parameter or a `with` may stand for anything; so may an object that something
in the file changes, or hands to code that may.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from meshfit.readers.class_summary import MUTATORS, SETTERS
from meshfit.readers.mesh_calls import DeviceMesh, UnreadableCall, make_mesh
from meshfit.readers.unknown import UNKNOWN

__all__ = ["Asked", "Imported", "Names", "Parameter", "Scope"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEEPEST: Final = 40
"""Expressions within each other, names on the way included."""
_LARGEST: Final = 2**63

_LOOKING: Final = frozenset(
    {
        *("print", "len", "str", "repr", "dict", "list", "tuple", "sorted", "sum", "isinstance", "validate_for_mesh"),
        *("check", "of", "MeshSpec", "from_pretrained", "hasattr", "getattr", "id", "type", "format", "info", "debug"),
        *("DistributedConfig", "ParallelismConfig", "ParallelDims", "init_device_mesh", "Accelerator", "MeshContext"),
    }
)
"""Functions that leave what they are given as it is."""
_FIXED: Final = ("MeshSpec", "parse", "of", "init_device_mesh", "DeviceMesh")
"""What they make does not change."""
_CATCHING: Final = frozenset({"raises", "suppress", "assertRaises", "assertRaisesRegex"})
_CAUGHT: Final = frozenset({"UnsupportedMeshError", "MeshfitError", "ValueError", "Exception", "BaseException"})


class Imported(NamedTuple):
    """A name that an import binds to that dotted one."""

    dotted: str


class Parameter(NamedTuple):
    """A parameter, by its annotation."""

    annotation: ast.expr | None


class Scope:
    """The names of the module, of a function or of a class body.

    Args:
        node: of the syntax tree.
        outer: the scope around it.
    """

    def __init__(self, node: ast.AST, outer: Scope | None) -> None:
        self.node = node
        self.outer = outer
        self.asks = False
        self.names: dict[str, list[ast.AST | Imported | Parameter | None]] = {}

    def bind(self, name: str, to: ast.AST | Imported | Parameter | None) -> None:
        """Bind a name; None: to who knows what."""
        kept = self.names.setdefault(name, [])
        if not (isinstance(to, Imported) and to in kept):
            kept.append(to)


class Asked(NamedTuple):
    """A call, where it stands, and whether something around it has asked or will catch what it would refuse."""

    call: ast.Call
    scope: Scope
    guarded: bool


class Names:
    """The names of a file.

    Args:
        tree: the file.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.module: Scope = Scope(tree, None)
        self.calls: list[Asked] = []
        self._loose: set[str] = set()
        self._aliases: list[tuple[str, str]] = []
        self._starred = False
        self._assigned: set[ast.AST] = set()
        self._values: dict[ast.AST, Any] = {}
        self._gather(tree)
        self.calls = [Asked(call, scope, guarded or scope.asks) for call, scope, guarded in self.calls]
        self.calls.sort(key=lambda asked: (asked.call.lineno, asked.call.col_offset))
        self._spread()

    def dotted(self, node: ast.expr, scope: Scope) -> str:
        """The dotted name that an expression stands for by the imports; empty where it has none that is certain."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        found = self.bound(node.id, scope)
        if found is None or not isinstance(found[0], Imported):
            return ""
        return ".".join([found[0].dotted, *reversed(parts)])

    def value(self, node: ast.expr, scope: Scope, depth: int = 0) -> Any:
        """The value of an expression, `UNKNOWN` where only a run can tell.

        Raises:
            MeshError: it makes a mesh that is refused.
        """
        if depth > _DEEPEST:
            return UNKNOWN
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._of_name(name, scope, depth)
            case ast.NamedExpr(value=inner):
                return self.value(inner, scope, depth + 1)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                if any(isinstance(item, ast.Starred) for item in items):
                    return UNKNOWN
                made = [self.value(item, scope, depth + 1) for item in items]
                return tuple(made) if isinstance(node, ast.Tuple) else made
            case ast.Dict():
                return self._of_mapping(node, scope, depth)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                number = self.value(operand, scope, depth + 1)
                return -number if type(number) is int else UNKNOWN
            case ast.BinOp(left=left, op=operator, right=right):
                return _computed(self.value(left, scope, depth + 1), operator, self.value(right, scope, depth + 1))
            case ast.Subscript(value=holder, slice=key):
                return self._of_item(self.value(holder, scope, depth + 1), self.value(key, scope, depth + 1))
            case ast.Call():
                return self._of_call(node, scope, depth)
            case _:
                return UNKNOWN

    def bound(self, name: str, scope: Scope) -> tuple[ast.AST | Imported | Parameter, Scope] | None:
        """The one thing that a name is bound to and the scope it is bound in; None where there are others."""
        at: Scope | None = scope
        while at is not None:
            found = at.names.get(name)
            if found is not None and (at is scope or not isinstance(at.node, ast.ClassDef)):
                only = found[0] if len(found) == 1 else None
                return None if only is None or (self._starred and at.outer is None) else (only, at)
            at = at.outer
        return None

    def _of_name(self, name: str, scope: Scope, depth: int) -> Any:
        found = self.bound(name, scope)
        if found is None or not isinstance(found[0], ast.expr):
            return UNKNOWN
        if name in self._loose and not _stays(found[0]):
            return UNKNOWN
        if found[0] not in self._values:
            self._values[found[0]] = self.value(found[0], found[1], depth + 1)
        return self._values[found[0]]

    def _of_mapping(self, node: ast.Dict, scope: Scope, depth: int) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            inner = self.value(value, scope, depth + 1)
            if key is None:
                if not isinstance(inner, dict):
                    return UNKNOWN
                made |= inner
                continue
            name = self.value(key, scope, depth + 1)
            if not isinstance(name, str):
                return UNKNOWN
            made[name] = inner
        return made

    @staticmethod
    def _of_item(holder: Any, key: Any) -> Any:
        try:
            if isinstance(holder, DeviceMesh):
                return holder.sliced(key)
            if isinstance(holder, dict | list | tuple) and isinstance(key, str | int):
                return holder[key]  # type: ignore[index]
        except (UnreadableCall, LookupError, TypeError):
            pass
        return UNKNOWN

    def _of_call(self, node: ast.Call, scope: Scope, depth: int) -> Any:
        positional, keywords, more = self.arguments(node, scope, depth)
        if isinstance(node.func, ast.Name) and node.func.id == "dict" and self.bound("dict", scope) is None:
            return keywords if not positional and not more else UNKNOWN
        callee = self.dotted(node.func, scope)
        try:
            return make_mesh(callee, positional, keywords, more=more) if callee else UNKNOWN
        except UnreadableCall:
            return UNKNOWN

    def arguments(self, node: ast.Call, scope: Scope, depth: int = 0) -> tuple[list[Any], dict[str, Any], bool]:
        """Values of the arguments by place and by name, and whether there may be more.

        Raises:
            MeshError: as `value`.
        """
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        more = False
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                more = True
                break
            positional.append(self.value(argument, scope, depth + 1))
        for keyword in node.keywords:
            value = self.value(keyword.value, scope, depth + 1)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict):
                keywords |= value
            else:
                more = True
        return positional, keywords, more

    def _spread(self) -> None:
        """An object that may be another under one name may be so under each."""
        beside: dict[str, set[str]] = {}
        for alias, name in self._aliases:
            beside.setdefault(alias, set()).add(name)
            beside.setdefault(name, set()).add(alias)
        waiting = list(self._loose)
        while waiting:
            for name in beside.get(waiting.pop(), set()) - self._loose:
                self._loose.add(name)
                waiting.append(name)

    def _gather(self, tree: ast.Module) -> None:
        waiting: list[tuple[ast.AST, ast.AST, Scope, bool]] = [(node, tree, self.module, False) for node in tree.body]
        while waiting:
            node, parent, scope, guarded = waiting.pop()
            inner = scope
            if isinstance(node, _Function | ast.ClassDef):
                scope.bind(node.name, node)
                inner = Scope(node, scope)
                if isinstance(node, _Function):
                    _bind_parameters(inner, node.args)
            self._bindings(node, parent, scope)
            if isinstance(node, ast.Call):
                self.calls.append(Asked(node, scope, guarded))
            guarded = guarded or _catches(node)
            scope.asks = scope.asks or _asks(node)
            waiting.extend((child, node, inner, guarded) for child in ast.iter_child_nodes(node))

    def _bindings(self, node: ast.AST, parent: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value, scope)
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                self._assign(target, value, scope)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value, scope)
            case ast.Import(names=aliases):
                for alias in aliases:
                    first = alias.name.partition(".")[0]
                    scope.bind(alias.asname or first, Imported(alias.name if alias.asname else first))
            case ast.ImportFrom(module=module, names=aliases, level=level):
                for alias in aliases:
                    self._starred = self._starred or alias.name == "*"
                    dotted = f"{'.' * level}{module or ''}.{alias.name}"
                    scope.bind(alias.asname or alias.name, Imported(dotted))
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for name in names:
                    scope.bind(name, None)
                    self.module.bind(name, None)
                    if scope.outer is not None:
                        scope.outer.bind(name, None)
            case (
                ast.ExceptHandler(name=str() as name)
                | ast.MatchAs(name=str() as name)
                | ast.MatchStar(name=str() as name)
            ):
                scope.bind(name, None)
            case ast.MatchMapping(rest=str() as name):
                scope.bind(name, None)
            case ast.arg() if isinstance(parent, ast.arguments) and not isinstance(scope.node, _Function):
                scope.bind(node.arg, None)  # of a lambda
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                if node not in self._assigned:
                    scope.bind(name, None)
            case ast.Name(id=name):
                self._use(node, name, parent)
            case ast.Attribute(value=ast.Name(id=name), attr=method) if not isinstance(node.ctx, ast.Load) or (
                isinstance(parent, ast.Call) and method in MUTATORS
            ):
                self._loose.add(name)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                self._loose.add(name)
            case _:
                pass

    def _assign(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            self._assigned.add(target)
            scope.bind(target.id, value)
            if isinstance(value, ast.Name):
                self._aliases.append((target.id, value.id))
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            paired = len(items) == len(target.elts) and not any(
                isinstance(one, ast.Starred) for one in (*items, *target.elts)
            )
            for index, inner in enumerate(target.elts):
                if isinstance(inner, ast.Name) and paired:
                    self._assigned.add(inner)
                    scope.bind(inner.id, items[index])

    def _use(self, node: ast.Name, name: str, parent: ast.AST) -> None:
        """Note a use of a name after which what it stands for may be another."""
        match parent:
            case ast.Call(func=function) if function is not node:
                called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                if called not in _LOOKING or called in SETTERS:
                    self._loose.add(name)
            case ast.keyword():
                pass  # an argument by name of a constructor; other functions that change what they are given are rare
            case ast.Attribute() | ast.Subscript() | ast.Call() | ast.Assign() | ast.AnnAssign() | ast.NamedExpr():
                pass
            case ast.FormattedValue() | ast.Compare() | ast.BoolOp() | ast.UnaryOp() | ast.Expr() | ast.If():
                pass
            case ast.BinOp() | ast.IfExp() | ast.Assert() | ast.AugAssign():
                pass
            case _:
                self._loose.add(name)


def _bind_parameters(scope: Scope, arguments: ast.arguments) -> None:
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        scope.bind(argument.arg, Parameter(argument.annotation))
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            scope.bind(rest.arg, None)


def _stays(node: ast.AST) -> bool:
    """Whether what an expression makes cannot be changed."""
    if isinstance(node, ast.Call):
        function = node.func
        return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in _FIXED
    return not isinstance(node, ast.Dict | ast.List)


def _catches(node: ast.AST) -> bool:
    """Whether a statement is there to catch what a model refuses."""
    match node:
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return any(name in _CATCHING for item in items for name in _words(item.context_expr))
        case ast.Try(handlers=handlers):
            return any(handler.type is None or not _CAUGHT.isdisjoint(_words(handler.type)) for handler in handlers)
        case _:
            return False


def _asks(node: ast.AST) -> bool:
    """Whether a name asks what a model is, or what it supports."""
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in ("isinstance", "issubclass") or name.startswith("supports")


def _words(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr


def _computed(left: Any, operator: ast.operator, right: Any) -> Any:
    if type(left) is not int or type(right) is not int:
        return UNKNOWN
    match operator:
        case ast.Add():
            made = left + right
        case ast.Sub():
            made = left - right
        case ast.Mult():
            made = left * right
        case ast.FloorDiv() if right:
            made = left // right
        case ast.Mod() if right:
            made = left % right
        case ast.Pow() if 0 <= right < 64 and abs(left) < 1024:
            made = left**right
        case _:
            return UNKNOWN
    return made if abs(made) < _LARGEST else UNKNOWN
