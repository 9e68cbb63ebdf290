"""What a forward body does that a sharded sequence would notice: masks, positions, and operations across tokens.

The walk stands for one training step under accelerate's context parallel: `input_ids` and `position_ids` hold this
rank's tokens, no attention mask is given, no cache is used, and the hook of accelerate
(`big_modeling._attach_context_parallel_hooks`) takes the `attention_mask` keyword away from every module whose name
ends in `self_attn`, giving it `is_causal=True` instead.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from meshfit.readers.source.flow_values import (
    BATCH,
    EMPTY,
    LENGTH,
    LOCAL_POSITIONS,
    MASK,
    NOTHING,
    OPAQUE,
    POOLED,
    TENSOR,
    Cut,
    Value,
    is_instance,
    tensor,
    union,
)
from meshfit.readers.source.values import UNKNOWN, Instance

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = [
    "arange",
    "attention",
    "before_module",
    "counted",
    "kernel",
    "keywords_collide",
    "leaf_called",
    "local_positions",
    "mask_function",
    "pooled",
    "positions_combined",
    "table_indexed",
]

_PADDING: Final = 2
"""Place of the padding mask among the arguments of a mask builder."""
_ACROSS_TOKENS: Final = ("conv1d", "selective_scan", "mamba", "delta_rule", "linear_attn", "wkv", "lightning")


def mask_function(name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value | None:
    """What a mask builder of transformers returns; None when the function is no mask builder.

    Without a padding mask SDPA needs none, so the builders return None, except when they detect packed sequences:
    `create_causal_mask(position_ids=...)` takes the jumps in a rank's own positions for document borders.
    Source: transformers masking_utils.py, `_preprocess_mask_arguments`, `find_packed_sequence_indices`.
    """
    if name.startswith(("_prepare_4d", "prepare_4d")):
        given = args[0] if args else kwargs.get("attention_mask", OPAQUE)
        return NOTHING if given.const is None and name.endswith("sdpa") else tensor(frozenset((MASK,)))
    if not (name.startswith("create_") and "mask" in name):
        return None
    if "sliding" in name or "chunked" in name or name == "create_masks_for_generate" or "recurrent" in name:
        return OPAQUE
    for extra in ("or_mask_function", "and_mask_function", "block_sequence_ids"):
        if kwargs.get(extra, NOTHING).const is not None:
            return tensor(frozenset((MASK,)))
    if kwargs.get("allow_is_causal_skip", OPAQUE).const is False:
        return tensor(frozenset((MASK,)))
    padding = args[_PADDING] if len(args) > _PADDING else kwargs.get("attention_mask", NOTHING)
    if padding.const is not None:
        return OPAQUE
    positions = kwargs.get("position_ids", NOTHING)
    if "causal" in name and positions.const is TENSOR:
        return tensor(frozenset((MASK,)))
    return NOTHING if positions.const is None or "bidirectional" in name else OPAQUE


def before_module(walk: Walk, instance: Instance, path: str, kwargs: dict[str, Value]) -> dict[str, Value]:
    """The keyword arguments of a module after accelerate's hook."""
    if not path.endswith("self_attn") or "attention_mask" not in kwargs:
        return kwargs
    if instance.attributes.get("is_causal") is False:
        walk.recorder.context_fault("encoder-made-causal", path)
    forward = instance.cls.method("forward") if instance.cls is not None else None
    if forward is not None:
        spec = forward.node.args
        if spec.kwarg is None and not any(p.arg == "is_causal" for p in (*spec.args, *spec.kwonlyargs)):
            walk.recorder.context_fault("attention-rejects-is-causal", path)
    return {**kwargs, "attention_mask": NOTHING, "is_causal": Value(True)}


def keywords_collide(walk: Walk, frame: Frame, named: Mapping[str, Value], spread: Mapping[str, Value]) -> None:
    """`f(is_causal=..., **kwargs)` where the hook put `is_causal` into the kwargs."""
    if "is_causal" in named and spread.get("is_causal", NOTHING).const is True:
        walk.recorder.context_fault("attention-rejects-is-causal", frame.path)


def attention(walk: Walk, frame: Frame, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    """The configured attention, or SDPA itself, called from the module of the frame."""
    interface = bool(args) and (is_instance(args[0].const) or len(args) > 4)
    tensors = list(args[1:4] if interface else args[:3])
    tensors += [kwargs[name] for name in ("query", "key", "value") if name in kwargs]
    position = 4 if interface else 3
    mask = args[position] if len(args) > position else kwargs.get("attention_mask", kwargs.get("attn_mask", NOTHING))
    recorder, where = walk.recorder, frame.path
    recorder.attentions[where] = None
    if MASK in mask.labels:
        recorder.context_fault("mask-reaches-attention", where)
    elif mask.const is TENSOR or kwargs.get("position_bias", NOTHING).const is TENSOR:
        recorder.context_fault("bias-reaches-attention", where)
    elif _causal(frame, args, kwargs, interface=interface) is False:
        recorder.context_fault("non-causal-attention", where)
    sinks = [kwargs[name] for name in ("s_aux", "sinks") if name in kwargs and kwargs[name].const is TENSOR]
    if sinks:
        recorder.context_fault("attention-sinks", where)
    query = tensors[0] if tensors else OPAQUE
    value = tensors[2] if len(tensors) > 2 else OPAQUE
    heads = query.cut.heads if query.cut is not None else None
    for extra in sinks:
        if query.cut is not None and extra.shape is not None and extra.shape == (heads,):
            for origin in sorted(query.cut.origins):
                recorder.tensor_fault("whole-parameter-meets-cut-output", f"{origin} with {extra.path}")
    labels = union(tensors) - {LENGTH}
    output = Value(TENSOR, labels, cut=_output_cut(query.cut, value.cut))
    return Value(items=(output, OPAQUE)) if interface else output


def _output_cut(query: Cut | None, value: Cut | None) -> Cut | None:
    if query is None or value is None or query.heads is None or value.heads is None:
        return None
    return Cut(query.heads, query.heads * (value.width // value.heads), query.origins | value.origins)


def _causal(frame: Frame, args: Sequence[Value], kwargs: Mapping[str, Value], *, interface: bool) -> bool | None:
    """Whether the attention is causal: its `is_causal` argument, else the attribute of its module; None: unknown."""
    given = kwargs.get("is_causal", NOTHING)
    if given.const is UNKNOWN:
        return None
    if given.const is not None:
        return given.truth
    if not interface:
        return False
    first = args[0].const if args else None
    module = first if is_instance(first) else frame.instance
    flag = module.attributes.get("is_causal", True) if module is not None else True
    return flag if isinstance(flag, bool) else None


def arange(values: Sequence[Value]) -> Value:
    """`torch.arange(...)`: positions of the local sequence when its end is that length."""
    labels = union(values)
    counts = LENGTH in labels and BATCH not in labels
    return tensor(frozenset((LOCAL_POSITIONS,)) if counts else EMPTY)


def counted(base: Value, args: Sequence[Value]) -> Value:
    """`x.cumsum(dim)`: positions too, when what is counted are the tokens themselves."""
    of_tokens = not any(label[0] != "$" for label in base.labels) and (not args or args[0].const in (1, -1))
    return tensor(base.labels | ({LOCAL_POSITIONS} if of_tokens and "$tokens" in base.labels else EMPTY))


def local_positions(walk: Walk, frame: Frame) -> None:
    """Positions counted over the local sequence reach the hidden states, unless a table of all of them is made."""
    if not walk.discarding:
        walk.recorder.context_fault("local-positions", frame.path)


def positions_combined(walk: Walk, frame: Frame, values: Sequence[Value]) -> None:
    """Local positions meet another value: a fault where that one comes from a module."""
    local = [value for value in values if LOCAL_POSITIONS in value.labels]
    others = [value for value in values if LOCAL_POSITIONS not in value.labels]
    if local and any(value.const is TENSOR and any(label[0] != "$" for label in value.labels) for value in others):
        local_positions(walk, frame)


def table_indexed(walk: Walk, frame: Frame, table: Value, index: Value, *, sliced: bool) -> None:
    """A table of the module (parameter, buffer) is read at local positions, or up to the local length."""
    if any(label[0] != "$" and not label.startswith("param:") for label in table.labels):
        return
    if LOCAL_POSITIONS in index.labels or (sliced and LENGTH in index.labels and table.shape is not None):
        local_positions(walk, frame)


def pooled(frame: Frame, base: Value, parts: Sequence[ast.expr]) -> frozenset[str]:
    """The label of what `x[:, -1]` and `x[torch.arange(batch), last]` give in the forward of the model itself.

    Deeper down the dims of a tensor are not known; there, heads and experts are picked likewise.
    """
    whole = frame.path == "" and base.const is TENSOR and any(label[0] != "$" for label in base.labels)
    if not whole or len(parts) not in (2, 3):
        return EMPTY
    match parts[0]:
        case ast.Slice(lower=None, upper=None):
            picks = isinstance(parts[1], ast.Constant | ast.UnaryOp)
        case ast.Call(func=ast.Attribute(attr="arange")):
            picks = not isinstance(parts[1], ast.Slice)
        case _:
            picks = False
    return frozenset((POOLED,)) if picks else EMPTY


def leaf_called(walk: Walk, frame: Frame, kind: str, path: str, first: Value) -> None:
    """A leaf of torch called with `first`: an embedding of positions, or an operation across tokens."""
    if kind.startswith("Embedding") and LOCAL_POSITIONS in first.labels:
        local_positions(walk, frame)
    across = kind.startswith(("Conv", "LSTM", "GRU")) and kind != "Conv1D"
    if across and any(label[0] != "$" and not label.startswith("param:") for label in first.labels):
        walk.recorder.context_fault("mixes-tokens", path)


def kernel(walk: Walk, frame: Frame, name: str, values: Sequence[Value]) -> None:
    """A function from outside the package that works across tokens."""
    if any(part in name for part in _ACROSS_TOKENS) and any(value.const is TENSOR for value in values):
        walk.recorder.context_fault("mixes-tokens", frame.path)
