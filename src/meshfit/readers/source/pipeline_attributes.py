"""Attributes and items of walk values: what a module of the stage shows, and what a replaced one does not have."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import pipeline_calls, pipeline_iteration
from meshfit.readers.source.index import FunctionNode, FunctionSource
from meshfit.readers.source.pipeline_values import (
    NEUTRAL,
    Callable_,
    Carried,
    ClassRef,
    ExternalRef,
    Frame,
    Known,
    Layers,
    Member,
    Mod,
    Opaque,
    Output,
    Seq,
    Table,
    Value,
    labels,
)
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["attribute", "item"]

DESCRIPTIVE: Final = frozenset(
    {"shape", "dtype", "device", "ndim", "is_cuda", "requires_grad", "layout", "itemsize", "is_meta", "names"}
)
"""Attributes of a tensor that say nothing about its content."""


def attribute(walk: Walk, frame: Frame, node: ast.expr, value: Value, name: str) -> Value:
    """`value.name`."""
    match value:
        case Mod():
            return _module_attribute(walk, frame, node, value, name)
        case Known(value=None):
            if value.absent:
                walk.fault("needs-input-ids", walk.where(frame, node))
            return NEUTRAL
        case Known():
            return _plain_attribute(frame, value, name)
        case Carried() | Opaque():
            if name in DESCRIPTIVE:
                return NEUTRAL
            if name == "data":
                return value
            return Member(value, name)
        case Output():
            return value.fields.get(name, Known(None) if name in value.declared else Opaque(none=None))
        case ExternalRef():
            return ExternalRef(f"{value.dotted}.{name}")
        case ClassRef():
            method = value.source.method(name)
            return Callable_(method) if method is not None else Opaque(none=None)
        case _:
            return Member(value, name)


def _plain_attribute(frame: Frame, value: Known, name: str) -> Value:
    if isinstance(value.value, str | list | tuple | dict | set | frozenset | range):
        return Member(value, name)
    if frame.receiver is None:
        return Opaque(none=None)
    expression = ast.Attribute(ast.Name("_holder", ast.Load()), name, ast.Load())
    found = frame.receiver.instance.evaluate(expression, {"_holder": value.value})
    return Member(value, name) if found is UNKNOWN else pipeline_iteration.lift(found)


_MODULE_API: Final = frozenset({"training", "parameters", "to", "eval", "train", "forward", "modules", "named_modules"})


def _module_attribute(walk: Walk, frame: Frame, node: ast.expr, module: Mod, name: str) -> Value:
    if name == "training":
        return Known(False)
    if module.stub is not None:
        if name not in _MODULE_API:
            walk.fault(f"reads-{module.stub}-attribute", walk.where(frame, node))
        return Opaque(none=None)
    instance = module.instance
    if (id(instance), name) in walk.overlay:
        return walk.overlay[id(instance), name]
    if instance == walk.base:
        replaced = pipeline_calls.replaced_child(walk, name)
        if replaced is not None:
            return replaced
    if instance == walk.model and name == "lm_head" and walk.mode == "first":
        return Mod(walk.model, stub="head")
    if name in instance.attributes:
        return pipeline_iteration.lift(instance.attributes[name])
    if instance.cls is None:
        return Opaque(none=None)
    statement = instance.cls.find(name)
    if statement is not None and isinstance(statement[0], FunctionNode):
        function = FunctionSource(statement[0], statement[1].module, statement[1])
        bound = Callable_(function, None if _decorated(statement[0], "staticmethod") else module)
        if _decorated(statement[0], "property") or _decorated(statement[0], "cached_property"):
            return pipeline_calls.invoke(walk, frame, node, bound, [], {})
        return bound
    found = instance.evaluate(ast.Attribute(ast.Name("self", ast.Load()), name, ast.Load()), {})
    return Member(module, name) if found is UNKNOWN else pipeline_iteration.lift(found)


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    return any(ast.unparse(d).rpartition(".")[2] == name for d in node.decorator_list)


def item(walk: Walk, frame: Frame, node: ast.expr, value: Value, key: Value) -> Value:
    """`value[key]`."""
    modules = pipeline_iteration.module_list(value)
    if modules is not None:
        return _module_item(modules, key)
    match value:
        case Table() | Seq():
            if isinstance(key, Known):
                return pipeline_iteration.entry(walk, value, key.value)
            walk.touch(value, "read")
            held = value.items.values() if isinstance(value, Table) else value.items
            rest = [value.rest] if isinstance(value, Table) and value.rest is not None else []
            return pipeline_iteration.any_of([*held, *rest])
        case Known(value=None):
            if value.absent:
                walk.fault("needs-input-ids", walk.where(frame, node))
            return NEUTRAL
        case Known():
            return _plain_item(value, key)
        case Carried():
            if walk.from_layer(value) and isinstance(key, Known) and isinstance(key.value, int):
                walk.fault("indexes-layer-output", walk.where(frame, node))
                return value
            return walk.spoil(frame, node, "slices", value)
        case Mod() if value.stub is not None:
            walk.fault(f"reads-{value.stub}-attribute", walk.where(frame, node))
            return NEUTRAL
        case Output():
            return next(iter(value.fields.values()), NEUTRAL)
        case _:
            return walk.spoil(frame, node, "slices", value, key)


def _module_item(modules: list[Mod], key: Value) -> Value:
    if isinstance(key, Known) and isinstance(key.value, slice):
        return Layers(tuple(modules[key.value]))
    if isinstance(key, Known) and isinstance(key.value, int) and -len(modules) <= key.value < len(modules):
        return modules[key.value]
    return Layers(tuple(modules)) if isinstance(key, Opaque) and not key.labels else Opaque(none=None)


def _plain_item(value: Known, key: Value) -> Value:
    if isinstance(key, Known):
        try:
            return pipeline_iteration.lift(value.value[key.value])  # type: ignore[index]
        except Exception:  # noqa: BLE001 (any subscript of any config value)
            return Opaque(none=None)
    return Opaque(labels(key), none=None)
