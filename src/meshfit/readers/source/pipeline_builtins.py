"""Built-in functions over walk values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import pipeline_iteration
from meshfit.readers.source.pipeline_values import (
    NEUTRAL,
    Builtin,
    Carried,
    ClassRef,
    ExternalRef,
    Frame,
    Known,
    Layers,
    Mod,
    Opaque,
    Seq,
    Table,
    Value,
    is_none,
    labels,
    truth,
)

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["run_builtin"]

_PURE: Final[Mapping[str, Callable[..., Any]]] = {
    f.__name__: f
    for f in (len, range, min, max, int, float, bool, str, abs, sum, round, sorted, list, tuple, set, slice)
}


def run_builtin(
    walk: Walk, frame: Frame, node: ast.expr, name: str, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """The value of a built-in's call; a dict, list or tuple stays a container."""
    if name == "isinstance" and len(args) == 2:
        decided = _is_instance(args[0], args[1])
        return Opaque() if decided is None else Known(decided)
    if name == "dict":
        table = Table()
        for value in args:
            pipeline_iteration.merge(table, value)
        table.items.update(kwargs)
        return table
    plain = [pipeline_iteration.lower(v) if isinstance(v, Known) else None for v in args]
    if name in _PURE and args and all(isinstance(v, Known) for v in args) and not kwargs:
        try:
            return pipeline_iteration.lift(_PURE[name](*plain))
        except Exception:  # noqa: BLE001 (a built-in over any config value)
            return NEUTRAL
    container = _containers(walk, name, args)
    if container is not None:
        return container
    if name == "sum" and args:
        return walk.spoil(frame, node, "adds-to", *args)
    found = frozenset().union(*(labels(v) for v in (*args, *kwargs.values()))) if args or kwargs else frozenset()
    return Opaque(found, none=None if name in ("next", "max", "min") else False)


def _containers(walk: Walk, name: str, args: list[Value]) -> Value | None:
    if name in ("list", "tuple", "set") and not args:
        return Seq([], name)
    held = [pipeline_iteration.items(walk, v) for v in args]
    if name == "zip":
        known = [h for h in held if h is not None]
        if not known:
            return None
        # An iterable nobody knows is as long as the others: it is one entry a layer.
        shortest = min(len(h) for h in known)
        unknown = [
            [Opaque(labels(v), none=None)] * shortest if h is None else h for v, h in zip(args, held, strict=True)
        ]
        return Seq([Seq(list(group)) for group in zip(*unknown, strict=False)], "list")
    if not args or held[0] is None:
        return None
    first = held[0]
    if name == "len":
        return Known(len(first))
    if name == "enumerate":
        start = args[1].value if len(args) > 1 and isinstance(args[1], Known) else 0
        return Seq([Seq([Known(i), v]) for i, v in enumerate(first, start if isinstance(start, int) else 0)], "list")
    if name == "reversed":
        return Seq(first[::-1], "list")
    if name in ("list", "tuple", "set", "iter", "sorted"):
        return args[0] if isinstance(args[0], Layers) else Seq(list(first), name)
    if name == "next":
        return first[0] if first else NEUTRAL
    if name in ("any", "all"):
        decided = [truth(v) for v in first]
        if None not in decided:
            return Known(any(decided) if name == "any" else all(decided))
    return None


def _is_instance(value: Value, kinds: Value) -> bool | None:
    names = list(_kind_names(kinds))
    if not names:
        return None
    match value:
        case Carried():
            return "Tensor" in names
        case Known():
            return type(value.value).__name__ in names or (isinstance(value.value, bool) and "int" in names)
        case Seq():
            return value.kind in names
        case Table():
            return "dict" in names if value.items or value.rest is None else None
        case Mod():
            if value.stub is not None:
                return False
            cls = value.instance.cls
            return value.instance.kind in names or (cls is not None and any(cls.derives_from(n) for n in names))
        case Opaque():
            if is_none(value):
                return False
            containers = {"dict", "tuple", "list", "set", "str", "int", "bool", "float", "Mapping", "BlockMask"}
            return False if containers.issuperset(names) else None
        case _:
            return None


def _kind_names(kinds: Value) -> list[str]:
    match kinds:
        case Builtin():
            return [kinds.name]
        case ExternalRef():
            return [kinds.dotted.rpartition(".")[2]]
        case ClassRef():
            return [kinds.source.name]
        case Seq():
            return [name for kind in kinds.items for name in _kind_names(kind)]
        case _:
            return []
