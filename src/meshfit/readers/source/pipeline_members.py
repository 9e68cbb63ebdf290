"""Methods of tensors and containers over walk values."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import pipeline_iteration
from meshfit.readers.source.pipeline_values import (
    NEUTRAL,
    NONE,
    Carried,
    Frame,
    Known,
    Member,
    Opaque,
    Seq,
    Table,
    Value,
    labels,
)
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["call_member"]

SAME_TENSOR: Final = frozenset(
    {
        "to",
        "contiguous",
        "clone",
        "detach",
        "type_as",
        "type",
        "float",
        "half",
        "bfloat16",
        "cuda",
        "cpu",
        "requires_grad_",
    }
)
"""Methods that return the same numbers: a stage sends its activations in the model's own dtype anyway."""

DESCRIBING: Final = frozenset(
    {"size", "dim", "numel", "element_size", "stride", "is_contiguous", "get_device", "nelement", "is_floating_point"}
    | {"new_zeros", "new_ones", "new_full", "new_empty", "get_seq_length", "get_mask_sizes", "get_max_cache_shape"}
)
"""Methods whose result says nothing about the content."""

_EFFECTS: Final = {"mul": "rescales", "mul_": "rescales", "div": "rescales", "add": "adds-to", "add_": "adds-to"}


def call_member(
    walk: Walk, frame: Frame, node: ast.expr, member: Member, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """`owner.name(...)`."""
    owner, name = member.owner, member.name
    match owner:
        case Table():
            return _of_table(walk, frame, owner, name, args, kwargs)
        case Seq():
            return _of_sequence(walk, owner, name, args)
        case Known():
            return _of_plain(frame, owner, name, args)
        case Carried() | Opaque():
            return _of_tensor(walk, frame, node, owner, name, [*args, *kwargs.values()])
        case _:
            return walk.spoil(frame, node, "transforms", *args, *kwargs.values())


def _of_tensor(walk: Walk, frame: Frame, node: ast.expr, owner: Value, name: str, values: list[Value]) -> Value:
    if name in SAME_TENSOR:
        return owner
    if name in DESCRIBING:
        return NEUTRAL
    result = walk.spoil(frame, node, _EFFECTS.get(name, "transforms"), owner, *values)
    if (
        name.endswith("_")
        and not name.endswith("__")
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
    ):
        target = node.func.value
        if isinstance(target, ast.Name):
            frame.env[target.id] = result
    return result


def _of_table(walk: Walk, frame: Frame, owner: Table, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if name in ("get", "pop", "setdefault"):
        default = args[1] if len(args) > 1 else kwargs.get("default", NONE)
        if not args or not isinstance(args[0], Known):
            return pipeline_iteration.any_of([*owner.items.values(), *([owner.rest] if owner.rest else []), default])
        found = pipeline_iteration.entry(walk, owner, args[0].value, default)
        if name == "pop" and frame.certain:
            owner.items.pop(args[0].value, None)
        if name == "setdefault":
            walk.touch(owner, "write")
            pipeline_iteration.put(owner, args[0].value, found, certain=frame.certain)
        return found
    if name == "update":
        walk.touch(owner, "write")
        for value in args:
            pipeline_iteration.merge(owner, value)
        owner.items.update(kwargs)
        return NONE
    walk.touch(owner, "read")
    if name == "copy":
        return Table(dict(owner.items), owner.rest)
    if owner.rest is None and name in ("items", "keys", "values"):
        made: dict[str, list[Value]] = {
            "items": [Seq([Known(k), v]) for k, v in owner.items.items()],
            "keys": [Known(k) for k in owner.items],
            "values": list(owner.items.values()),
        }
        return Seq(made[name], "list")
    return Opaque(labels(owner), none=None)


def _of_sequence(walk: Walk, owner: Seq, name: str, args: list[Value]) -> Value:
    if name in ("append", "add", "insert", "extend") and args:
        walk.touch(owner, "write")
        extra = pipeline_iteration.items(walk, args[-1]) if name == "extend" else [args[-1]]
        owner.items.extend(extra if extra is not None else [Opaque(labels(args[-1]), none=None)])
        return NONE
    walk.touch(owner, "read")
    if name == "pop":
        return owner.items[-1] if owner.items else NEUTRAL
    if name == "copy":
        return Seq(list(owner.items), owner.kind)
    return Opaque(labels(owner), none=None)


def _of_plain(frame: Frame, owner: Known, name: str, args: list[Value]) -> Value:
    lowered = [pipeline_iteration.lower(v) for v in args]
    if any(v is UNKNOWN for v in lowered):
        found = frozenset().union(*(labels(v) for v in args)) if args else frozenset()
        return Opaque(found, none=None)
    if isinstance(owner.value, dict) and name in ("get", "items", "keys", "values"):
        made = getattr(owner.value, name)(*lowered)
        return pipeline_iteration.lift(made if name == "get" else list(made))
    if isinstance(owner.value, str | list | tuple) and name in (
        "startswith",
        "endswith",
        "lower",
        "upper",
        "split",
        "index",
        "count",
        "replace",
        "format",
        "join",
    ):
        try:
            return pipeline_iteration.lift(getattr(owner.value, name)(*lowered))
        except Exception:  # noqa: BLE001 (a method of any config value)
            return NEUTRAL
    if frame.receiver is None:
        return Opaque(none=None)
    names = [f"_argument{i}" for i in range(len(args))]
    expression = ast.Call(
        ast.Attribute(ast.Name("_holder", ast.Load()), name, ast.Load()), [ast.Name(n, ast.Load()) for n in names], []
    )
    local = {"_holder": owner.value, **dict(zip(names, lowered, strict=True))}
    return pipeline_iteration.lift(frame.receiver.instance.evaluate(expression, local))
