"""One walk over a model's forward bodies, shared by the analyses that read it."""

from __future__ import annotations

from typing import Final
from weakref import ReferenceType, ref

from meshfit.readers.source.flow_calls import bind
from meshfit.readers.source.flow_record import Recorder
from meshfit.readers.source.flow_values import NOTHING, POOLED, POSITIONS, TENSOR, Value, tensor
from meshfit.readers.source.flow_walk import Frame, Walk
from meshfit.readers.source.values import Instance

__all__ = ["observe"]

_TOKENS: Final = frozenset(("$tokens",))
_LAST: list[tuple[ReferenceType[Instance], Recorder | None]] = []


def observe(model: Instance) -> Recorder | None:
    """What the forward bodies of the whole tree do; None when the model's forward is not source.

    Several analyses read the same walk, so the last one is remembered: by identity, since a live module seen anew may
    have changed, and weakly, since nothing here may keep a model's weights alive.
    """
    if _LAST and _LAST[0][0]() is model:
        return _LAST[0][1]
    recorder = _observe(model)
    _LAST[:] = [(ref(model), recorder)]
    return recorder


def _observe(model: Instance) -> Recorder | None:
    forward = model.cls.method("forward") if model.cls is not None else None
    if forward is None:
        return None
    walk = Walk(Recorder())
    frame = Frame(forward, model, "", 0)
    given: dict[str, Value] = {
        "input_ids": tensor(_TOKENS),
        "position_ids": Value(TENSOR, frozenset((POSITIONS,))),
        "use_cache": Value(False),
    }
    spec = forward.node.args
    names = {parameter.arg for parameter in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)}
    if "decoder_input_ids" in names:
        given["decoder_input_ids"] = tensor(_TOKENS)
    accepted = {name: value for name, value in given.items() if name in names or spec.kwarg is not None}
    bind(frame, [], accepted, method=True)
    for name in names - accepted.keys() - {"self"}:
        frame.env[name] = frame.env[name] if frame.env[name].const is not Value().const else NOTHING
    output = walk.run(frame)
    if output.fields is not None and POOLED in output.fields.get("logits", NOTHING).labels:
        walk.recorder.context_fault("pools-tokens", "")
    return walk.recorder
