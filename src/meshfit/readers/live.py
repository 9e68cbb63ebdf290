"""A live module as the analysis of forward bodies sees one: its attributes, and its class as source.

Nothing is executed but reads of attributes, and nothing is imported: a class is found through the file of the module
that defined it. Weights are never read, so a model on the meta device does.
"""

from __future__ import annotations

import ast
import inspect
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Final

from meshfit.readers.source.index import ClassSource, Definition, FunctionSource, ModuleSource, Package, find_package
from meshfit.readers.source.python_operators import ARITHMETIC, COMPARISONS, IDENTITY
from meshfit.readers.source.values import UNKNOWN, Param, Tensor

__all__ = ["LiveInstance", "live_class"]

_FRAMEWORKS: Final = frozenset({"torch", "builtins", "abc", "typing", "typing_extensions"})
"""Packages whose classes are known by what they mean, not by their source."""

_MEMBERS: Final = frozenset({"_parameters", "_buffers", "_modules"})
_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None))
_METHODS: Final = (FunctionType, staticmethod, classmethod, property)
_CONTAINERS: Final = (list, tuple, set, frozenset, dict)
_DEPTH: Final = 50


class LiveInstance:
    """`Instance` over a live `nn.Module`; two over the same module are equal."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveInstance) and other.module is self.module

    def __hash__(self) -> int:
        return id(self.module)

    def __repr__(self) -> str:
        return f"LiveInstance({self.kind})"

    @property
    def kind(self) -> str:
        """Plain class name."""
        return type(self.module).__name__

    @cached_property
    def cls(self) -> ClassSource | None:
        """Its class as source; None for torch's own, for one without a source file, and where `forward` was patched."""
        if "forward" in self.module.__dict__:
            return None
        return live_class(type(self.module))

    @cached_property
    def opaque(self) -> bool:
        """Whether nobody knows what its `forward` does: it is no module of torch, and its source is not to be had."""
        return self.cls is None and (
            "forward" in self.module.__dict__ or not _is_framework(next(iter(_definers(type(self.module))), object))
        )

    @cached_property
    def attributes(self) -> Mapping[str, object]:
        """What the instance holds: plain values as they are, children as instances, tensors by their shape."""
        state = self.module.__dict__
        found: dict[str, object] = {name: self._seen(value) for name, value in state.items() if name not in _MEMBERS}
        found.update({n: None if t is None else Param(_shape(t)) for n, t in state.get("_parameters", {}).items()})
        fleeting = state.get("_non_persistent_buffers_set", ())
        for name, buffer in state.get("_buffers", {}).items():
            found[name] = None if buffer is None else Tensor(_shape(buffer), persistent=name not in fleeting)
        children = state.get("_modules", {}).items()
        found.update({name: None if child is None else self._child(child) for name, child in children})
        return found

    @cached_property
    def _children(self) -> dict[int, LiveInstance]:
        return {}

    def _child(self, module: Any) -> LiveInstance:
        return self._children.setdefault(id(module), LiveInstance(module))

    def _seen(self, value: object) -> object:
        if _is_module(value):
            return self._child(value)
        return Tensor(_shape(value)) if _is_tensor(value) else value

    def evaluate(self, expression: ast.expr, local: Mapping[str, object]) -> object:
        """The value of an expression over `self`, the config and `local`; UNKNOWN where it needs more than reading."""
        try:
            return _evaluate(expression, {"self": self, **local}, 0)
        except _UndecidedError:
            return UNKNOWN


def live_class(cls: type) -> ClassSource | None:
    """The source of the first class in `cls`'s MRO that says anything of what its modules do.

    A subclass that overrides no method of its bases is passed over, so that a class which only mixes something in reads
    as the class it extends. None when there is no such source, or when `forward` is not the one the source shows.
    """
    found = next(_definers(cls), None)
    if found is None or _is_framework(found):
        return None
    source = _find(found)
    if source is None or not _as_written(cls, source):
        return None
    return source


def _definers(cls: type) -> Iterator[type]:
    return (base for base in cls.__mro__ if not _adds_nothing(base, cls))


def _is_framework(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in _FRAMEWORKS


def _adds_nothing(base: type, cls: type) -> bool:
    """Whether a class can be passed over: it has no `forward`, and overrides no method of a later base of the MRO."""
    later = cls.__mro__[cls.__mro__.index(base) + 1 :]
    own = {name for name, value in vars(base).items() if isinstance(value, _METHODS) and not name.startswith("__")}
    known = {name for other in later for name in vars(other)}
    return "forward" not in own and not own & known


def _find(cls: type) -> ClassSource | None:
    module = _module_source(cls.__module__)

    if module is None:
        return None
    names = cls.__qualname__.split(".")
    if len(names) != 1:
        return None
    node = module.names.get(names[0])
    if not isinstance(node, ast.ClassDef):
        return None
    found = Package.lookup(module.package, module, names[0])
    return found if isinstance(found, ClassSource) else None


def _module_source(name: str) -> ModuleSource | None:
    top = name.partition(".")[0]
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None)
    if not isinstance(file, str) or name == "__main__":
        return None
    path = Path(file)
    package = find_package(top)
    if package is not None and path.is_relative_to(package.root):
        return package.module(name)
    return _user_module(name, path)


def _user_module(name: str, path: Path) -> ModuleSource | None:
    """A module outside any package on `sys.path`, or a single file; its names are followed into other packages."""
    if (name, path) not in _USER_MODULES:
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return None
        _USER_MODULES[name, path] = ModuleSource(name, path, tree, _Loaded(name, path.parent))
    return _USER_MODULES[name, path]


_USER_MODULES: Final[dict[tuple[str, Path], ModuleSource]] = {}


class _Loaded(Package):
    """The packages that are loaded, seen from a user's file; frameworks stay closed."""

    def lookup(self, module: ModuleSource, name: str) -> Definition | None:
        """What a name means in the user's file; a class that a lazy package hands out is found where it was defined."""
        loaded = getattr(sys.modules.get(module.name), name, None)
        if isinstance(loaded, type) and not _is_framework(loaded):
            return _find(loaded) or super().lookup(module, name)
        return super().lookup(module, name)

    def module(self, dotted: str) -> ModuleSource | None:
        """The source of a loaded module, or of any module of an installed package."""
        top = dotted.partition(".")[0]
        if top in _FRAMEWORKS or top in sys.stdlib_module_names:
            return None
        if dotted in sys.modules:
            return _module_source(dotted)
        package = find_package(top)
        return package.module(dotted) if package is not None else None


def _as_written(cls: type, source: ClassSource) -> bool:
    """Whether the `forward` that runs is the one the source shows."""
    written = source.method("forward")
    running = getattr(cls, "forward", None)
    running = inspect.unwrap(running) if callable(running) else None
    if isinstance(running, MethodType):
        running = running.__func__
    if not isinstance(running, FunctionType):
        return False
    if written is None:
        return running.__module__.partition(".")[0] in _FRAMEWORKS
    return _holds(written, running)


def _holds(written: FunctionSource, running: FunctionType) -> bool:
    node, code = written.node, running.__code__
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return Path(code.co_filename) == written.module.path and first <= code.co_firstlineno <= (node.end_lineno or first)


def _is_module(value: object) -> bool:
    return hasattr(type(value), "named_parameters") and "_modules" in getattr(value, "__dict__", {})


def _is_tensor(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(type(value), "storage_offset")


def _shape(value: Any) -> tuple[int, ...] | None:
    try:
        return tuple(int(size) for size in value.shape)
    except RuntimeError:
        # A lazy parameter has none before the first forward.
        return None


class _UndecidedError(Exception):
    """An expression needs more than reading attributes and plain arithmetic."""


_BINARY: Final[Mapping[type[ast.AST], Callable[[Any, Any], Any]]] = {
    **ARITHMETIC,
    **COMPARISONS,
    **IDENTITY,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def _evaluate(node: ast.expr, names: Mapping[str, object], depth: int) -> Any:
    if depth > _DEPTH:
        raise _UndecidedError
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() if node.id in names:
            return names[node.id]
        case ast.Attribute():
            return _read(_evaluate(node.value, names, depth + 1), node.attr)
        case ast.Call(func=ast.Name(id="getattr" | "hasattr" as function), args=[holder, key, *default]):
            return _read_dynamic(function, *(_evaluate(n, names, depth + 1) for n in (holder, key, *default)))
        case ast.Call(func=ast.Name(id="len"), args=[holder]):
            return _computed(len, _evaluate(holder, names, depth + 1))
        case ast.Call(func=ast.Attribute(value=owner, attr="get"), args=[key, *default]):
            holder = _evaluate(owner, names, depth + 1)
            values = [_evaluate(n, names, depth + 1) for n in (key, *default)]
            return _computed(holder.get, *values) if isinstance(holder, dict) else _undecided()
        case ast.Subscript():
            return _computed(operator.getitem, *(_evaluate(n, names, depth + 1) for n in (node.value, node.slice)))
        case ast.BinOp():
            return _operate(type(node.op), *(_evaluate(n, names, depth + 1) for n in (node.left, node.right)))
        case ast.UnaryOp(op=ast.Not()):
            return not _evaluate(node.operand, names, depth + 1)
        case ast.UnaryOp(op=ast.USub()):
            return _computed(operator.neg, _evaluate(node.operand, names, depth + 1))
        case ast.BoolOp():
            return _boolean(node, names, depth)
        case ast.Compare(ops=[op], comparators=[right]):
            return _operate(type(op), *(_evaluate(n, names, depth + 1) for n in (node.left, right)))
        case ast.IfExp():
            taken = node.body if _evaluate(node.test, names, depth + 1) else node.orelse
            return _evaluate(taken, names, depth + 1)
        case ast.Tuple() | ast.List():
            return tuple(_evaluate(n, names, depth + 1) for n in node.elts)
        case _:
            return _undecided()


def _undecided() -> Any:
    raise _UndecidedError


def _boolean(node: ast.BoolOp, names: Mapping[str, object], depth: int) -> Any:
    value: Any = None
    for operand in node.values:
        value = _evaluate(operand, names, depth + 1)
        if bool(value) is isinstance(node.op, ast.Or):
            return value
    return value


def _operate(op: type[ast.AST], left: Any, right: Any) -> Any:
    function = _BINARY.get(op)
    if op is ast.Pow and all(isinstance(v, int | float) and abs(v) < 1e6 for v in (left, right)):
        function = operator.pow
    return _undecided() if function is None else _computed(function, left, right)


def _computed(function: Callable[..., Any], *values: Any) -> Any:
    if not all(isinstance(v, _PLAIN + _CONTAINERS) for v in values) and function not in (operator.is_, operator.is_not):
        raise _UndecidedError
    try:
        return function(*values)
    except Exception as fault:
        raise _UndecidedError from fault


def _read(holder: Any, name: str) -> Any:
    if isinstance(holder, LiveInstance):
        if name in holder.attributes:
            return holder.attributes[name]
        return _class_attribute(type(holder.module), name)
    if not _is_config(holder):
        raise _UndecidedError
    try:
        value = getattr(holder, name)
    except Exception as fault:
        raise _UndecidedError from fault
    return value if isinstance(value, _PLAIN + _CONTAINERS) or _is_config(value) else _undecided()


def _read_dynamic(function: str, holder: Any, name: Any, *default: Any) -> Any:
    if not isinstance(name, str) or not (isinstance(holder, LiveInstance) or _is_config(holder)):
        raise _UndecidedError
    present = hasattr(holder.module if isinstance(holder, LiveInstance) else holder, name)
    if function == "hasattr":
        return present
    return default[0] if default and not present else _read(holder, name)


def _class_attribute(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in vars(base):
            value = vars(base)[name]
            return value if isinstance(value, _PLAIN + _CONTAINERS) else _undecided()
    raise _UndecidedError


def _is_config(value: object) -> bool:
    """A configuration object, of transformers or of the user's own (a dataclass, a namespace): data, not behaviour."""
    kind = type(value)
    if (
        isinstance(value, _PLAIN + _CONTAINERS + (type, FunctionType, MethodType))
        or _is_module(value)
        or _is_tensor(value)
    ):
        return False
    return kind.__name__.endswith(("Config", "Args", "Namespace", "Params")) or hasattr(kind, "__dataclass_fields__")
