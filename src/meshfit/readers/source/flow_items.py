"""Items, slices and elements of values in a forward body."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import flow_context as context
from meshfit.readers.source.flow_shapes import leading, shape_item, split_whole
from meshfit.readers.source.flow_values import ATTENTION, EMPTY, OPAQUE, SHAPE, TENSOR, Value, is_instance, join, union
from meshfit.readers.source.values import UNKNOWN, Instance

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["element", "item", "iterate"]

_INDEX_NAMES: Final = frozenset({"layer_idx", "layer_id", "layer_number", "block_idx", "idx", "index"})


def element(value: Value) -> Value:
    """One element of a tuple, list, mapping or of what a split returned."""
    if value.items is not None:
        joined = value.items[0] if value.items else OPAQUE
        for entry in value.items[1:]:
            joined = join(joined, entry)
        return joined
    if value.fields is not None:
        entries = list(value.fields.values())
        joined = entries[0] if entries else OPAQUE
        for entry in entries[1:]:
            joined = join(joined, entry)
        return joined
    if value.const is SHAPE:
        return Value(labels=leading())
    const = TENSOR if value.const is TENSOR else UNKNOWN
    return Value(const, value.labels, alias=value.alias)


def iterate(walk: Walk, value: Value) -> list[Value]:
    """The distinct elements of an iterable value; one stand-in when they are not known."""
    if is_instance(value.const):
        instance = value.const
        if not getattr(instance, "complete", True):
            walk.recorder.incomplete = True
        seen: set[object] = set()
        found = []
        for child in instance.attributes.values():
            if is_instance(child) and id(child) not in seen:
                seen.add(id(child))
                key = _kind_key(child)
                if key not in seen:
                    seen.add(key)
                    found.append(Value(child, path=f"{value.path}.*"))
        return found
    if value.items is not None:
        return list(value.items)
    return [element(value)]


def _kind_key(child: object) -> object:
    """What two modules have in common when their forwards behave alike."""
    instance: Instance = child  # type: ignore[assignment]
    parts: list[object] = [instance.kind]
    for name, value in instance.attributes.items():
        if is_instance(value):
            parts.append((name, _kind_key(value)))
        elif isinstance(value, bool | int | float | str | type(None)):
            parts.append((name, None if name in _INDEX_NAMES else value))
        else:
            parts.append(name)
    return tuple(parts)


def item(walk: Walk, frame: Frame, base: Value, index: ast.expr) -> Value:
    """`base[index]`."""
    if base.const is ATTENTION:
        return base
    if base.const is SHAPE:
        return shape_item(base, index, None if isinstance(index, ast.Slice) else walk.value(frame, index))
    if isinstance(index, ast.Slice):
        return _sliced(walk, frame, base, (index,))
    if is_instance(base.const):
        key = walk.value(frame, index).const
        instance = base.const
        if isinstance(key, str) and is_instance(instance.attributes.get(key)):
            return Value(instance.attributes[key], path=f"{base.path}.{key}")
        children = [child for child in instance.attributes.values() if is_instance(child)]
        place = key if isinstance(key, int) and -len(children) <= key < len(children) else 0
        return Value(children[place], path=f"{base.path}.*") if children else OPAQUE
    if isinstance(index, ast.Tuple):
        return _sliced(walk, frame, base, index.elts)
    key = walk.value(frame, index)
    if base.fields is not None:
        return _field(base, key)
    if base.items is not None:
        position = key.const
        if isinstance(position, int) and -len(base.items) <= position < len(base.items):
            return base.items[position]
        return element(base)
    if isinstance(base.const, dict | list | tuple) and isinstance(key.const, int | str):
        try:
            return Value(base.const[key.const])  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return OPAQUE
    return _sliced(walk, frame, base, (index,))


def _field(base: Value, key: Value) -> Value:
    fields = base.fields or {}
    if isinstance(key.const, str) and key.const in fields:
        return fields[key.const]
    if isinstance(key.const, int) and not any(name[0] == "?" for name in fields) and key.const >= 0:
        names = [name for name in fields if fields[name].const is not None]
        return fields[names[key.const]] if key.const < len(names) else OPAQUE
    return element(base)


def _sliced(walk: Walk, frame: Frame, base: Value, parts: Sequence[ast.expr]) -> Value:
    """A tensor indexed by slices and tensors."""
    if base.items is not None:
        part = parts[0]
        if isinstance(part, ast.Slice) and len(parts) == 1:
            lower, upper = (None if b is None else walk.value(frame, b).const for b in (part.lower, part.upper))
            if isinstance(lower, int | None) and isinstance(upper, int | None):
                return Value(items=base.items[lower:upper])
        return Value(labels=union(base.items))
    alias, labels = base.alias, base.labels
    for part in parts:
        bounds = [b for b in (part.lower, part.upper) if b is not None] if isinstance(part, ast.Slice) else [part]
        for bound in bounds:
            value = walk.value(frame, bound)
            if value.labels and not is_instance(base.const):
                context.table_indexed(walk, frame, base, value, sliced=isinstance(part, ast.Slice))
            if value.const is TENSOR:
                alias = EMPTY
                labels = labels | value.labels
    cut = base.cut
    if cut is not None and cut.heads is None and _narrows_last(walk, frame, parts):
        split_whole(walk, cut)
        cut = None
    if is_instance(base.const):
        return base
    labels = labels | context.pooled(frame, base, parts)
    const = TENSOR if base.const is TENSOR or base.shape is not None else UNKNOWN
    shape = base.shape[1:] if base.shape is not None and len(parts) == 1 and _picks_one(parts[0]) else None
    return Value(const, labels, alias=alias, cut=cut, shape=shape or None, path=base.path if shape else "")


def _picks_one(part: ast.expr) -> bool:
    return not isinstance(part, ast.Slice) and not (isinstance(part, ast.Constant) and type(part.value) is not int)


def _narrows_last(walk: Walk, frame: Frame, parts: Sequence[ast.expr]) -> bool:
    last = parts[-1]
    first_is_ellipsis = isinstance(parts[0], ast.Constant) and parts[0].value is Ellipsis
    if not isinstance(last, ast.Slice) or not (first_is_ellipsis or len(parts) >= 3):
        return False
    bounds = [walk.value(frame, b).const for b in (last.lower, last.upper) if b is not None]
    return bool(bounds) and all(isinstance(b, int) and b != 0 for b in bounds)
