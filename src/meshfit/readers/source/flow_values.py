"""What a forward body computes with, as far as sharding cares: where a value came from, and what it may alias.

A `Value` is an over-approximation of one tensor, module, number or tuple. Nothing is executed: a tensor is known by the
modules whose output reached it, by the storage it may share, and by the dimension in which a column-wise cut of its
producer would show.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeGuard

from meshfit.readers.source.values import UNKNOWN, Instance, items_of, length_of, undimmed

__all__ = [
    "ATTENTION",
    "BATCH",
    "EMPTY",
    "LENGTH",
    "LOCAL_POSITIONS",
    "MASK",
    "NOTHING",
    "OPAQUE",
    "POOLED",
    "POSITIONS",
    "SHAPE",
    "TENSOR",
    "Cut",
    "Value",
    "is_instance",
    "join",
    "parameter_shape",
    "tensor",
    "union",
]

EMPTY: Final[frozenset[str]] = frozenset()
POOLED: Final = "$pooled"
"""Label of one token of each text, in place of all of them."""
POSITIONS: Final = "$positions"
"""Label of what derives from the caller's `position_ids`."""
LENGTH: Final = "$length"
"""Label of a number that is the length of the local sequence."""
BATCH: Final = "$batch"
"""Label of a number that counts tokens or sequences of the input."""
LOCAL_POSITIONS: Final = "$local-positions"
"""Label of positions counted from 0 over the local sequence."""
MASK: Final = "$mask"
"""Label of an attention mask that is a tensor, not None."""


class _Marker:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


TENSOR: Final = _Marker("TENSOR")
"""Constant of a value known to be a tensor, hence not None."""
SHAPE: Final = _Marker("SHAPE")
"""Constant of the shape of a tensor."""
ATTENTION: Final = _Marker("ATTENTION")
"""Constant of a function that runs the configured attention."""


class Cut(NamedTuple):
    """Where a column-wise cut of the producing modules shows in a tensor.

    Args:
        heads: None while the last dim is the whole width; the number of heads after it was viewed as heads.
        width: the whole width.
        origins: paths of the producing modules.
    """

    heads: int | None
    width: int
    origins: frozenset[str]


class Value:
    """One abstract value.

    Args:
        const: what it is, when known: None, a number, an Instance, a function; `TENSOR`; else `UNKNOWN`.
        labels: module paths whose output influences it, `param:<path>` of bare parameters, and the `$` labels.
        alias: module paths whose output it may share memory with.
        path: dotted path of the module or parameter it is ("" for the root).
        items: elements of a tuple or list; fields: entries of a dict or of an output object.
        cut: where a column-wise cut of its producer shows, None when nowhere or unknown.
        shape: of a parameter.
    """

    __slots__ = ("alias", "const", "cut", "fields", "items", "labels", "path", "shape")

    def __init__(
        self,
        const: object = UNKNOWN,
        labels: frozenset[str] = EMPTY,
        *,
        alias: frozenset[str] = EMPTY,
        path: str = "",
        items: tuple[Value, ...] | None = None,
        fields: Mapping[str, Value] | None = None,
        cut: Cut | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.const: object = const
        self.labels: frozenset[str] = labels
        self.alias: frozenset[str] = alias
        self.path: str = path
        self.items: tuple[Value, ...] | None = items
        self.fields: Mapping[str, Value] | None = fields
        self.cut: Cut | None = cut
        self.shape: tuple[int, ...] | None = shape

    def __repr__(self) -> str:
        return f"Value({self.const!r}, {sorted(self.labels)}, alias={sorted(self.alias)}, cut={self.cut})"

    @property
    def truth(self) -> bool | None:
        """What `bool(value)` is; None when unknown."""
        const = self.const
        if const is UNKNOWN or const is TENSOR or const is SHAPE:
            if self.items is not None:
                return bool(self.items)
            return None
        if const is None or isinstance(const, bool | int | float | str):
            return bool(const)
        if isinstance(const, tuple | list | dict):
            return len(const) > 0
        return True

    @property
    def is_none(self) -> bool | None:
        """Whether the value is None; None when unknown."""
        if self.const is UNKNOWN:
            return False if self.items is not None or self.fields is not None else None
        return self.const is None


OPAQUE: Final = Value()
NOTHING: Final = Value(None)


def is_instance(value: object) -> TypeGuard[Instance]:
    """Whether the value is an `Instance`, told by its type: isinstance of a Protocol is slow."""
    return hasattr(type(value), "evaluate")


def tensor(labels: frozenset[str], alias: frozenset[str] = EMPTY, cut: Cut | None = None) -> Value:
    """A tensor of that origin."""
    return Value(TENSOR, labels, alias=alias, cut=cut)


def union(values: Iterable[Value]) -> frozenset[str]:
    """Every label of the values and of what they hold."""
    labels: frozenset[str] = EMPTY
    for value in values:
        labels |= value.labels
        if value.items:
            labels |= union(value.items)
        if value.fields:
            labels |= union(value.fields.values())
    return labels


def join(left: Value, right: Value) -> Value:
    """What a name holds after two branches."""
    if left is right:
        return left
    const: object = UNKNOWN
    if left.const is right.const:
        const = left.const
    elif ATTENTION in (left.const, right.const):
        const = ATTENTION
    items = None
    if left.items is not None and right.items is not None and len(left.items) == len(right.items):
        items = tuple(map(join, left.items, right.items))
    fields = left.fields if right.fields is None else right.fields
    if left.fields is not None and right.fields is not None:
        names = (*left.fields, *(n for n in right.fields if n not in left.fields))
        fields = {name: join(left.fields.get(name, OPAQUE), right.fields.get(name, OPAQUE)) for name in names}
    labels = left.labels | right.labels
    if items is None and (left.items or right.items):
        labels |= union((left, right))
    return Value(
        const,
        labels,
        alias=left.alias | right.alias,
        path=left.path or right.path,
        items=items,
        fields=fields,
        cut=left.cut or right.cut,
        shape=left.shape if left.shape == right.shape else None,
    )


def parameter_shape(value: object) -> tuple[int, ...] | None:
    """Shape of an `nn.Parameter`, live or evaluated; None when the value is no parameter."""
    if type(value).__name__ not in ("Param", "Parameter"):
        return None
    shape = getattr(value, "shape", None)
    try:
        return tuple(undimmed(size) if isinstance(size, int) else -1 for size in shape) if shape is not None else ()
    except TypeError:
        return ()


HOLDER: Final = ast.Name("_holder", ast.Load())
"""What an expression about one object calls it, when a reader is asked to evaluate it."""


def plain_value(found: object) -> Value:
    """The value of an attribute that is neither module nor parameter."""
    if found is UNKNOWN:
        return OPAQUE
    if type(found).__name__ == "Tensor":
        return tensor(EMPTY)
    if isinstance(found, tuple | list) and length_of(found) <= 64:
        return Value(found, items=tuple(plain_value(item) for item in items_of(found)))
    return Value(found)
