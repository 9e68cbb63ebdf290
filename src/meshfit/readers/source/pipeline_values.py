"""The values a pipeline walk computes with: what a local of a forward body holds, as far as stages care.

A pipeline stage cares about few things: whether a tensor is still the *carried* hidden state that arrived, what else a
value was computed from (`labels`), and whether it is known outright.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from meshfit.readers.source.index import ClassSource, FunctionSource, ModuleSource
from meshfit.readers.source.values import Instance

__all__ = [
    "EMBEDS",
    "IDS",
    "NEUTRAL",
    "NONE",
    "SIDE",
    "Builtin",
    "Callable_",
    "Carried",
    "Cause",
    "ClassRef",
    "ExternalRef",
    "Frame",
    "Known",
    "Label",
    "Layers",
    "Member",
    "Mod",
    "Opaque",
    "Output",
    "Seq",
    "Table",
    "Value",
    "cause_of",
    "hidden",
    "is_none",
    "join",
    "labels",
    "truth",
]

Label = tuple[str, int]
"""What a tensor's content was computed from; shapes, dtypes and devices leave no label."""

IDS: Final[Label] = ("ids", 0)
EMBEDS: Final[Label] = ("embeds", 0)
SIDE: Final[Label] = ("side", 0)
"""A second result of a layer, which a stage without that layer does not have."""


def hidden(version: int) -> Label:
    """The content of the hidden state after `version` layers; 0 is what the stage received."""
    return ("hidden", version)


@dataclass(frozen=True, slots=True)
class Cause:
    """The first operation that turned the carried tensor into something else."""

    operation: str
    where: str


class Value:
    """Base of all walk values."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Opaque(Value):
    """A computed value nobody needs to know; `none`: whether it is None, itself None when undecided.

    `maybe` marks a join in which one branch still carried the hidden state untouched.
    """

    labels: frozenset[Label] = frozenset()
    none: bool | None = False
    cause: Cause | None = None
    maybe: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Known(Value):
    """A Python value (number, string, None, config object); `absent` marks the None of withheld `input_ids`."""

    value: object
    absent: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Known) or self.absent != other.absent:
            return False
        if self.value is other.value:
            return True
        try:
            return type(self.value) is type(other.value) and bool(self.value == other.value)
        except Exception:  # noqa: BLE001 (a foreign object's comparison may do anything)
            return False

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Carried(Value):
    """The hidden state itself, after `version` layers."""

    version: int


@dataclass(frozen=True, slots=True, eq=False)
class Mod(Value):
    """A module; `stub` names what a `PipelineIdentityLayer` stands for, `index` a layer's place."""

    instance: Instance
    stub: str | None = None
    index: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mod) and self.instance is other.instance and self.stub == other.stub

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Layers(Value):
    """The decoder layers, or a slice of them."""

    items: tuple[Mod, ...]


@dataclass(slots=True, eq=False)
class Seq(Value):
    """A tuple, list or set built by the body."""

    items: list[Value]
    kind: str = "tuple"


@dataclass(slots=True, eq=False)
class Table(Value):
    """A dict built by the body; `rest` stands for entries under keys that are not known."""

    items: dict[object, Value] = field(default_factory=dict)
    rest: Value | None = None


@dataclass(slots=True, eq=False)
class Output(Value):
    """An output object: its class's declared fields, and what the body put into them."""

    name: str
    fields: dict[str, Value]
    declared: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Callable_(Value):  # noqa: N801 (`Callable` is the typing name)
    """A function, method or lambda of the source, with the `self` and the scope it closes over."""

    function: FunctionSource | None
    receiver: Value | None = None
    body: ast.Lambda | None = None
    scope: Frame | None = None


@dataclass(frozen=True, slots=True)
class Builtin(Value):
    """A built-in function or type by name."""

    name: str


@dataclass(frozen=True, slots=True)
class ExternalRef(Value):
    """A name from outside the package (`torch.ones`)."""

    dotted: str


@dataclass(frozen=True, slots=True)
class ClassRef(Value):
    """A class of the package."""

    source: ClassSource


@dataclass(frozen=True, slots=True, eq=False)
class Member(Value):
    """An attribute of a value that is only worth something when called (`x.view`)."""

    owner: Value
    name: str


@dataclass(slots=True, eq=False)
class Frame:
    """One running function: locals, the names its module sees, and its `self`."""

    env: dict[str, Value]
    module: ModuleSource
    owner: ClassSource | None
    receiver: Mod | None
    depth: int
    returns: list[Value] = field(default_factory=list)
    certain: bool = True
    """False inside a branch that may not be taken."""


NEUTRAL: Final = Opaque()
NONE: Final = Known(None)


def labels(value: Value | None) -> frozenset[Label]:
    """Everything the content of `value` was computed from."""
    match value:
        case Opaque():
            return value.labels
        case Carried():
            return frozenset({hidden(value.version)})
        case Seq():
            return _union(value.items)
        case Table():
            return _union([*value.items.values(), *([value.rest] if value.rest is not None else [])])
        case Output():
            return _union(value.fields.values())
        case Member():
            return labels(value.owner)
        case _:
            return frozenset()


def _union(values: Iterable[Value]) -> frozenset[Label]:
    found: set[Label] = set()
    for value in values:
        found |= labels(value)
    return frozenset(found)


def cause_of(value: Value, operation: str, where: str) -> Cause | None:
    """The cause a result of `operation` on `value` inherits: the value's own, or this when it was untouched."""
    match value:
        case Carried():
            return Cause(operation, where)
        case Opaque():
            return value.cause
        case Seq():
            return next((c for c in (cause_of(v, operation, where) for v in value.items) if c is not None), None)
        case _:
            return None


def is_none(value: Value) -> bool | None:
    """Whether the value is None; None when undecided."""
    match value:
        case Known():
            return value.value is None
        case Opaque():
            return value.none
        case _:
            return False


def truth(value: Value) -> bool | None:
    """The value's truth; None when undecided."""
    match value:
        case Known():
            try:
                return bool(value.value)
            except Exception:  # noqa: BLE001 (a foreign object's truth may do anything)
                return None
        case Opaque():
            return False if value.none else None
        case Seq():
            return bool(value.items)
        case Table():
            return bool(value.items) if value.rest is None else None
        case Layers():
            return bool(value.items)
        case Carried():
            return None
        case _:
            return True


def join(first: Value, second: Value) -> Value:
    """What a name holds after a branch that may or may not have been taken."""
    if first is second or first == second:
        return first
    if isinstance(first, Seq) and isinstance(second, Seq) and len(first.items) == len(second.items):
        return Seq([join(a, b) for a, b in zip(first.items, second.items, strict=True)], first.kind)
    none = is_none(first)
    carried = isinstance(first, Carried) or isinstance(second, Carried)
    causes = [v.cause for v in (first, second) if isinstance(v, Opaque) and v.cause is not None]
    maybe = carried or any(isinstance(v, Opaque) and v.maybe for v in (first, second))
    return Opaque(
        labels(first) | labels(second),
        none=none if none == is_none(second) else None,
        cause=causes[0] if causes else None,
        maybe=maybe,
    )


def join_scopes(first: Mapping[str, Value], second: Mapping[str, Value]) -> dict[str, Value]:
    """The locals after two branches; a name bound in one only keeps that binding."""
    merged = dict(first)
    for name, value in second.items():
        merged[name] = join(merged[name], value) if name in merged else value
    return merged
