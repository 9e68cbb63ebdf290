"""Python's own functions, dicts and lists in a forward body."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import flow_context as context
from meshfit.readers.source.flow_values import NOTHING, OPAQUE, TENSOR, Value, is_instance, union

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["BUILTINS", "arguments", "container_method"]


def arguments(walk: Walk, frame: Frame, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
    """Evaluated positional and keyword arguments, `*` and `**` spread where their contents are known."""
    args: list[Value] = []
    for argument in node.args:
        value = walk.value(frame, argument)
        if isinstance(argument, ast.Starred) and value.items is not None:
            args.extend(value.items)
        else:
            args.append(value)
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        value = walk.value(frame, keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif value.fields:
            context.keywords_collide(walk, frame, kwargs, value.fields)
            kwargs.update({name: entry for name, entry in value.fields.items() if name[0] != "?"})
    return args, kwargs


def container_method(walk: Walk, frame: Frame, node: ast.Call, base: Value, name: str) -> Value:
    """A method of a dict, list or output object."""
    args, kwargs = arguments(walk, frame, node)
    fields = base.fields
    key = args[0].const if args else None
    if fields is not None and name in ("get", "pop") and isinstance(key, str):
        fallback = args[1] if len(args) > 1 else kwargs.get("default", NOTHING)
        return fields.get(key, fallback if not any(f[0] == "?" for f in fields) else OPAQUE)
    if fields is not None and name in ("copy", "to_dict"):
        return base
    if (
        fields is not None
        and name == "update"
        and args
        and args[0].fields is not None
        and isinstance(node.func, ast.Attribute)
    ):
        walk.assign(frame, node.func.value, Value(fields={**fields, **args[0].fields}), store=False)
        return NOTHING
    if name in ("append", "extend") and isinstance(node.func, ast.Attribute):
        held = Value(labels=union((base, *args)), fields={"?": Value(labels=union(args))})
        walk.assign(frame, node.func.value, held, store=False)
        return NOTHING
    if fields is not None and name in ("values", "items"):
        return Value(labels=union((base,)), fields={"?": Value(labels=union((base,)))})
    return Value(labels=union((base, *args)))


def _length(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    value = walk.value(frame, node.args[0])
    if value.items is not None and not any(entry.path == "*" for entry in value.items):
        return Value(len(value.items))
    return Value()


def _number(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    values = [walk.value(frame, argument) for argument in node.args]
    consts = [value.const for value in values]
    if consts and all(isinstance(const, int | float) for const in consts):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function = _NUMBERS[name]
        try:
            return Value(function(*consts))
        except (TypeError, ValueError, OverflowError):
            return OPAQUE
    return Value(labels=union(values))


def _isinstance(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    value = walk.value(frame, node.args[0])
    names = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node.args[1])}
    if value.const is None:
        return Value(False)
    if value.const is TENSOR:
        return Value("Tensor" in names or "FloatTensor" in names or "LongTensor" in names)
    if value.items is not None:
        return Value(bool(names & {"tuple", "list"}))
    if value.fields is not None:
        return Value(True) if "dict" in names else OPAQUE
    if isinstance(value.const, bool | int | float | str):
        return Value(type(value.const).__name__ in names)
    return OPAQUE


def _getattr(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    base = walk.value(frame, node.args[0])
    name = walk.value(frame, node.args[1]).const
    found = walk.load(frame, base, name) if isinstance(name, str) else OPAQUE
    missing = found is OPAQUE and len(node.args) > 2
    return walk.value(frame, node.args[2]) if missing and is_instance(base.const) else found


def _hasattr(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    base = walk.value(frame, node.args[0])
    name = walk.value(frame, node.args[1]).const
    if is_instance(base.const) and isinstance(name, str) and frame.instance is not None:
        instance = base.const
        return Value(name in instance.attributes or (instance.cls is not None and instance.cls.find(name) is not None))
    return OPAQUE


def _sequence(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    return walk.value(frame, node.args[0]) if node.args else Value(items=())


def _dict(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    args, kwargs = arguments(walk, frame, node)
    return Value(fields={**(args[0].fields or {} if args else {}), **kwargs})


_NUMBERS: Final[dict[str, Callable[..., object]]] = {
    "int": int,
    "float": float,
    "abs": abs,
    "bool": bool,
    "min": min,
    "max": max,
}
BUILTINS: Final[dict[str, Callable[[Walk, Frame, ast.Call], Value]]] = {
    "len": _length,
    **dict.fromkeys(_NUMBERS, _number),
    "isinstance": _isinstance,
    "getattr": _getattr,
    "hasattr": _hasattr,
    "tuple": _sequence,
    "list": _sequence,
    "iter": _sequence,
    "dict": _dict,
}
