"""What a container holds: elements to loop over and entries by key, and how entries are put."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from meshfit.readers.source.index import ClassSource
from meshfit.readers.source.pipeline_values import (
    Known,
    Layers,
    Mod,
    Opaque,
    Seq,
    Table,
    Value,
    join,
    labels,
)
from meshfit.readers.source.values import UNKNOWN, Bound, Param, Tensor, items_of, length_of

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["any_of", "entry", "items", "lift", "lower", "merge", "module_list", "put"]

_PLAIN: Final = (bool, int, float, str, bytes, complex, type(None))
LONGEST: Final = 512
"""Elements of a known container that a loop walks; a longer one is walked once as unknown."""


def lift(value: object) -> Value:
    """An evaluated attribute as a walk value."""
    if value is UNKNOWN:
        return Opaque(none=None)
    if isinstance(value, Value):
        return value
    if isinstance(value, _PLAIN):
        return Known(value)
    if isinstance(value, Tensor | Param):
        return Opaque()
    if isinstance(value, Bound | ClassSource):
        return Opaque()
    if hasattr(value, "attributes") and hasattr(value, "evaluate"):
        return Mod(value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple | set | frozenset):
        if all(isinstance(v, _PLAIN) for v in items_of(value)):
            return Known(value)
        return Seq([lift(v) for v in value], type(value).__name__)
    if isinstance(value, Mapping):
        if all(isinstance(v, _PLAIN) for v in value.values()):
            return Known(value)
        return Table({k: lift(v) for k, v in value.items()})
    return Known(value)


def lower(value: Value) -> object:
    """The Python value a walk value stands for, UNKNOWN when there is none."""
    match value:
        case Known():
            return value.value
        case Mod():
            return value.instance
        case Seq():
            lowered = [lower(v) for v in value.items]
            return UNKNOWN if any(v is UNKNOWN for v in lowered) else tuple(lowered)
        case _:
            return UNKNOWN


def module_list(value: Value) -> list[Mod] | None:
    """The modules of a module list in order, None when it is not one."""
    if isinstance(value, Layers):
        return list(value.items)
    if isinstance(value, Mod) and value.stub is None and value.instance.cls is None:
        numbered = {k: v for k, v in value.instance.attributes.items() if k.isdigit()}
        if numbered or value.instance.kind == "ModuleList":
            found = [lift(numbered[k]) for k in sorted(numbered, key=int)]
            return [v for v in found if isinstance(v, Mod)]
    return None


def items(walk: Walk, value: Value) -> list[Value] | None:
    """The elements that iterating over `value` gives, None when they are not known."""
    match value:
        case Layers():
            return list(value.items)
        case Seq():
            walk.touch(value, "read")
            return list(value.items)
        case Table():
            walk.touch(value, "read")
            return None if value.rest is not None else [Known(k) for k in value.items]
        case Mod():
            modules = module_list(value)
            return None if modules is None else list(modules)
        case Known():
            return _plain_items(value.value)
        case _:
            return None


def _plain_items(value: object) -> list[Value] | None:
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple | range | str | Mapping) and length_of(value) <= LONGEST:
        return [lift(v) for v in items_of(value)]
    return None


def entry(walk: Walk, holder: Value, key: object, default: Value | None = None) -> Value:
    """`holder[key]` of a table or sequence for a known key."""
    if isinstance(holder, Table):
        walk.touch(holder, "read")
        try:
            found = holder.items.get(key)
        except TypeError:
            found = None
        if found is not None:
            return found
        if holder.rest is not None:
            return holder.rest
        return default if default is not None else Opaque(none=None)
    if isinstance(holder, Seq):
        walk.touch(holder, "read")
        if isinstance(key, int) and -len(holder.items) <= key < len(holder.items):
            return holder.items[key]
        if isinstance(key, slice):
            return Seq(holder.items[key], holder.kind)
    return Opaque(labels(holder), none=None)


def put(holder: Table, key: object, value: Value, *, certain: bool) -> None:
    """`holder[key] = value`; joined with what was there when the path may not be taken."""
    try:
        before = holder.items.get(key)
        holder.items[key] = value if certain or before is None else join(before, value)
    except TypeError:
        holder.rest = value if holder.rest is None else join(holder.rest, value)


def any_of(values: Iterable[Value]) -> Value:
    """One of the values, nobody knows which."""
    found: Value | None = None
    for value in values:
        found = value if found is None else join(found, value)
    return found if found is not None else Opaque(none=None)


def merge(table: Table, value: Value) -> None:
    """`table.update(value)`."""
    if isinstance(value, Table):
        table.items.update(value.items)
        if value.rest is not None:
            table.rest = value.rest if table.rest is None else join(table.rest, value.rest)
    elif isinstance(value, Known) and isinstance(value.value, Mapping):
        table.items.update({k: lift(v) for k, v in value.value.items()})
    else:
        unknown = Opaque(labels(value), none=None)
        table.rest = unknown if table.rest is None else join(table.rest, unknown)
