"""The call of a decoder layer: what a stage that lacks it passes on, and what a stage that holds it needs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import pipeline_calls
from meshfit.readers.source.pipeline_values import (
    EMBEDS,
    IDS,
    SIDE,
    Callable_,
    Carried,
    Frame,
    Known,
    Mod,
    Opaque,
    Seq,
    Table,
    Value,
    labels,
)

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["call_layer", "shares_state"]

PHASES: Final = {0: "embeddings", 1: "hidden-between-layers", 2: "hidden-after-layers"}


def call_layer(
    walk: Walk, frame: Frame, node: ast.expr, layer: Mod, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    """The result of a layer, replaced or real; faults are what makes a stage's run differ."""
    assert layer.index is not None
    values = [*args, *kwargs.values()]
    where = walk.where(frame, node)
    walk.layer_where = where
    walk.calls[layer.index] = walk.calls.get(layer.index, 0) + 1
    if walk.calls[layer.index] == 2:
        walk.fault("repeats-layers", where)
    if values:
        _check_input(walk, layer, values, where)
        for other in values[1:]:
            _check_other(walk, layer, other, where)
    form = None if layer.stub is not None else _form(walk, frame, node, layer, args, kwargs)
    walk.version += 1
    walk.stub_last = layer.stub is not None
    result = Carried(walk.version)
    if form is None:
        return result
    return Seq([result, *[Opaque(frozenset({SIDE}), none=None)] * (form - 1)])


def _check_input(walk: Walk, layer: Mod, values: list[Value], where: str) -> None:
    first = values[0]
    assert layer.index is not None
    if walk.arrived(first) or (walk.mode != "later" and layer.index == 0):
        return
    if any(walk.arrived(other) for other in values[1:]):
        walk.fault("layer-input-not-first", where)
        return
    if isinstance(first, Opaque) and first.maybe:
        walk.undecided = True
        return
    blame_change(walk, first, where, PHASES[0] if walk.version == 0 else PHASES[1])


def blame_change(walk: Walk, value: Value, where: str, phase: str) -> None:
    """Record what turned the carried state into `value`; undecided where the walk lost track of it."""
    cause = walk.blame(value)
    if cause is not None:
        walk.fault(f"{cause.operation}-{phase}", cause.where)
    elif isinstance(value, Carried) or {label for label, _ in labels(value)} & {"hidden", "embeds"}:
        walk.fault(f"transforms-{phase}", where)
    else:
        walk.undecided = True


def _check_other(walk: Walk, layer: Mod, value: Value, where: str) -> None:
    if (isinstance(value, Known) and value.absent) or _written(walk, value):
        # A container that layers fill is judged once all of them ran, by who reads what another wrote.
        return
    found = labels(value)
    if IDS in found:
        walk.fault("needs-input-ids", where)
    if SIDE in found:
        walk.fault("shares-state-across-layers", where)
    if walk.mode == "whole":
        if EMBEDS in found and layer.index != 0:
            walk.fault("layers-read-embeddings", where)
        return
    stale = {version for kind, version in found if kind == "hidden" and version != walk.version}
    if 0 in stale:
        walk.fault("layers-read-embeddings", where)
    elif stale:
        walk.fault("shares-state-across-layers", where)


def _written(walk: Walk, value: Value) -> bool:
    """Whether a layer wrote into a container."""
    _, touched = walk.shared.get(id(value), (value, frozenset[tuple[str, int]]()))
    return any(action == "write" for action, _ in touched)


def _form(
    walk: Walk, frame: Frame, node: ast.expr, layer: Mod, args: list[Value], kwargs: dict[str, Value]
) -> int | None:
    """How many values the layer returns as a tuple; None when it returns the bare tensor."""
    assert layer.index is not None
    if walk.mode != "whole":
        return walk.forms.get(layer.index)
    cls = layer.instance.cls
    forward = cls.method("forward") if cls is not None else None
    if forward is None:
        return None
    seen = walk.followed.setdefault(id(layer.instance), [])
    # Layers of one build differ by nothing that decides a branch; two of them show what one leaves for the other.
    if len(seen) >= 2 or (seen and not any(isinstance(v, Table | Seq) for v in (*args, *kwargs.values()))):
        walk.forms[layer.index] = seen[0]
        return seen[0]
    outer, walk.current_layer = walk.current_layer, layer.index
    faults, undecided, raised = list(walk.faults), walk.undecided, walk.raised
    result = pipeline_calls.invoke(walk, frame, node, Callable_(forward, Mod(layer.instance)), args, kwargs)
    # Inside its layer anything may happen: a stage runs the layer whole or not at all.
    walk.faults, walk.undecided, walk.raised = faults, undecided, raised
    walk.current_layer = outer
    form = len(result.items) if isinstance(result, Seq) else None
    walk.forms[layer.index] = form
    seen.append(form)
    return form


def shares_state(walk: Walk) -> bool:
    """Whether a layer reads from a container of the body what another layer wrote."""
    for _, touched in walk.shared.values():
        writers = {index for action, index in touched if action == "write"}
        readers = {index for action, index in touched if action == "read"}
        if any(writers - {reader} for reader in readers):
            return True
    return False
