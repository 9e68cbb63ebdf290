"""Calling things: functions and classes of the source, builtins, constructors of torch."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import (
    attributes as at,
    auto,
    configs,
    expressions as ex,
    natives,
    plans,
    statements,
    torch_modules,
)
from meshfit.readers.source.frames import Evaluating, Frame, LoopExit, ReturnValue
from meshfit.readers.source.index import Assignment, ClassSource, External
from meshfit.readers.source.operators import plain
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Native, Node, Param, Tensor, Traced

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "builtin",
    "call",
    "call_node",
    "comprehend",
    "external_module",
    "module_method",
    "module_value",
    "run",
]

_FAULTS: Final = (TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError)
_module_values: dict[int, tuple[Assignment, Any]] = {}


def builtin(name: str) -> Any:
    """A builtin function or type the evaluator knows, else UNKNOWN."""
    return natives.BUILTINS.get(name, UNKNOWN)


def module_value(engine: Evaluating, found: Assignment) -> Any:
    """The value of a module-level assignment, computed once."""
    key = id(found)
    if key not in _module_values:
        _module_values[key] = (found, UNKNOWN)
        frame = Frame(engine, found.module)
        _module_values[key] = (found, natives.activation_table(found) or ex.evaluate(frame, found.value))
    return _module_values[key][1]


def call_node(frame: Frame, node: ast.Call) -> Any:
    """The value of a call expression."""
    function = node.func
    if isinstance(function, ast.Attribute) and _is_super(function.value):
        args, kwargs = _arguments(frame, node)
        return _call_super(frame, function.attr, args, kwargs)
    special = natives.SPECIAL.get(function.id) if isinstance(function, ast.Name) else None
    if special is not None:
        return special(frame, node)
    callee = ex.evaluate(frame, function)
    args, kwargs = _arguments(frame, node)
    return call(frame, callee, args, kwargs)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _arguments(frame: Frame, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            args.extend(ex.iterate(ex.evaluate(frame, arg.value)) or [UNKNOWN])
        else:
            args.append(ex.evaluate(frame, arg))
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        value = ex.evaluate(frame, keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value, dict):
            kwargs.update({str(key): item for key, item in value.items()})
    return args, kwargs


def call(frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`callee(*args, **kwargs)`."""
    if isinstance(callee, Bound):
        return run(frame.engine, callee, args, kwargs)
    if isinstance(callee, ClassSource):
        return frame.engine.instantiate(callee, args, kwargs)
    if isinstance(callee, External):
        return _external(frame, callee, args, kwargs)
    if isinstance(callee, Native):
        try:
            return callee.run(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
        except _FAULTS:
            return UNKNOWN
    return UNKNOWN


def run(engine: Evaluating, bound: Bound, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run a function of the source and give what it returns."""
    function = bound.function
    frame = Frame(engine, function.module, {}, function.owner, bound.target, bound.closure)
    if bound.target is not None:
        args = [bound.target, *args]
    elif args and isinstance(args[0], Node | ConfigObject):
        frame.target = args[0]
    engine.tick()
    _bind_arguments(frame, function.node.args, args, kwargs)
    try:
        statements.run_body(frame, function.node.body)
    except ReturnValue as result:
        return result.value
    except (LoopExit, RecursionError):
        return UNKNOWN
    return None


def _bind_arguments(frame: Frame, spec: ast.arguments, args: list[Any], kwargs: Mapping[str, Any]) -> None:
    positional = [*spec.posonlyargs, *spec.args]
    defaults = Frame(frame.engine, frame.module, {}, frame.owner, None, frame.outer)
    offset = len(positional) - len(spec.defaults)
    rest = kwargs.copy() if isinstance(kwargs, dict) else dict(kwargs)
    for index, arg in enumerate(positional):
        if index < len(args):
            value = args[index]
        elif arg.arg in rest:
            value = rest.pop(arg.arg)
        elif index >= offset:
            value = ex.evaluate(defaults, spec.defaults[index - offset])
        else:
            value = UNKNOWN
        frame.local[arg.arg] = value
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        if arg.arg in rest:
            frame.local[arg.arg] = rest.pop(arg.arg)
        else:
            frame.local[arg.arg] = UNKNOWN if default is None else ex.evaluate(defaults, default)
    if spec.vararg is not None:
        frame.local[spec.vararg.arg] = tuple(args[len(positional) :])
    if spec.kwarg is not None:
        frame.local[spec.kwarg.arg] = rest


def _call_super(frame: Frame, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    target = frame.target
    cls = target.cls if isinstance(target, Node | ConfigObject) else target
    if not isinstance(cls, ClassSource) or frame.owner is None:
        return UNKNOWN
    method = cls.method(name, after=frame.owner)
    if method is not None:
        return run(frame.engine, Bound(method, target), args, kwargs)
    if isinstance(target, ConfigObject):
        return configs.base_method(frame, target, name, kwargs)
    if isinstance(target, Node):
        if name == "__init__":
            base_init(frame, target, args, kwargs)
            return None
        native = module_method(frame, target, name)
        return UNKNOWN if native is None else call(frame, native, args, kwargs)
    return UNKNOWN


def base_init(frame: Frame, node: Node, args: list[Any], kwargs: Mapping[str, Any]) -> None:
    """The constructor of the first base from outside the source: `PreTrainedModel`, or a class of torch."""
    bases = node.cls.external_bases if node.cls is not None else frozenset()
    if any(base.endswith(".PreTrainedModel") for base in bases):
        config = args[0] if args else kwargs.get("config", UNKNOWN)
        node.attributes.setdefault("config", config)
        if isinstance(config, ConfigObject):
            supported = at.lookup(frame, node, "_supports_sdpa")
            config.values["_attn_implementation_internal"] = "sdpa" if supported is True else "eager"
        return
    torch_base = next((b.rpartition(".")[2] for b in sorted(bases) if b.startswith("torch.nn.")), "Module")
    if torch_base != "Module":
        torch_modules.build_module(frame, node, torch_base, args, kwargs)


def _external(frame: Frame, callee: External, args: list[Any], kwargs: dict[str, Any]) -> Any:
    package, _, name = callee.dotted.rpartition(".")
    if callee.dotted.startswith("torch.nn.") and name[:1].isupper():
        return external_module(frame, callee, args, kwargs)
    if callee.dotted == "torch.nn.Parameter" or name == "Parameter":
        return Param(args[0].shape if args and isinstance(args[0], Tensor | Param) else None)
    if package == "torch" and torch_modules.is_tensor_factory(name):
        return torch_modules.factory(name, args, kwargs)
    if package == "torch" or package.startswith("torch."):
        return UNKNOWN if name in ("device", "is_tensor") else Tensor()
    known = natives.EXTERNAL.get(callee.dotted) or natives.BY_NAME.get(name)
    if known is not None:
        try:
            return known(*map(plain, args), **kwargs)
        except _FAULTS:
            return UNKNOWN
    if name == "SubConfigSpec":
        return auto.SubConfig(*args, **kwargs)
    if name in ("from_config", "_from_config"):
        return plans.from_config(frame, callee, args, kwargs)
    return UNKNOWN


def external_module(frame: Frame, callee: Any, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
    """An instance of a class of `torch.nn`, UNKNOWN for anything else."""
    if not isinstance(callee, External) or not callee.dotted.startswith("torch.nn."):
        return UNKNOWN
    kind = callee.dotted.rpartition(".")[2]
    if kind == "Parameter":
        return Param(args[0].shape if args and isinstance(args[0], Tensor | Param) else None)
    if kind == "Buffer":
        kept = args[0] if args else Tensor()
        fleeting = plain(kwargs.get("persistent", True)) is False
        return Tensor(kept.shape, persistent=False) if fleeting and isinstance(kept, Tensor) else kept
    node = Node(kind, None, natives.node_evaluator(frame.engine))
    torch_modules.build_module(frame, node, kind, [plain(a) for a in args], kwargs)
    return node


def comprehend(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> list[Any] | None:
    """The items of a comprehension (pairs for a dict's); None when its source is not known."""
    inner = frame.with_locals({})
    made: list[Any] = []
    return made if _comprehend(inner, node, 0, made) else None


def _comprehend(frame: Frame, node: Any, depth: int, made: list[Any]) -> bool:
    if depth == len(node.generators):
        if isinstance(node, ast.DictComp):
            made.append((plain(ex.evaluate(frame, node.key)), ex.evaluate(frame, node.value)))
        else:
            value = ex.evaluate(frame, node.elt)
            made.append(value.value if isinstance(value, Traced) else value)
        return True
    generator = node.generators[depth]
    items = natives.traced_items(ex.evaluate(frame, generator.iter))
    if items is None:
        return False
    for item in items:
        ex.assign(frame, generator.target, item)
        tests = [ex.truth(ex.evaluate(frame, test)) for test in generator.ifs]
        if any(test is UNKNOWN for test in tests):
            return False
        if all(tests) and not _comprehend(frame, node, depth + 1, made):
            return False
    return True


def module_method(frame: Frame, node: Node, name: str) -> Native | None:
    """A method every `nn.Module` or `PreTrainedModel` has."""
    if not node.is_module:
        return None
    return natives.module_method(frame, node, name)
