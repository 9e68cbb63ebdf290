"""Tensor operations in a forward body: what they keep of origin, storage and cut, and the cuts they cannot survive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import flow_context as context
from meshfit.readers.source.flow_shapes import reshape, shape_item, split_whole, summarised
from meshfit.readers.source.flow_values import (
    EMPTY,
    LENGTH,
    LOCAL_POSITIONS,
    OPAQUE,
    SHAPE,
    TENSOR,
    Cut,
    Value,
    tensor,
    union,
)
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["combine", "function", "method", "tensor_attribute"]

_VIEWS: Final = frozenset(
    [
        "transpose",
        "permute",
        "squeeze",
        "unsqueeze",
        "expand",
        "expand_as",
        "t",
        "swapaxes",
        "movedim",
        "narrow",
        "select",
        "diagonal",
        "unbind",
        "view_as",
        "to",
        "contiguous",
        "type_as",
        "type",
    ]
)
_MOVES: Final = frozenset({"transpose", "permute", "t", "swapaxes", "movedim", "unbind", "select"})
_ELEMENTWISE: Final = frozenset(
    [
        "float",
        "half",
        "bfloat16",
        "double",
        "clone",
        "detach",
        "mul",
        "add",
        "sub",
        "div",
        "pow",
        "sqrt",
        "rsqrt",
        "exp",
        "log",
        "log1p",
        "abs",
        "neg",
        "sigmoid",
        "tanh",
        "silu",
        "gelu",
        "relu",
        "softmax",
        "log_softmax",
        "masked_fill",
        "clamp",
        "clip",
        "where",
        "dropout",
        "normalize",
        "rms_norm",
        "layer_norm",
        "square",
        "softplus",
        "type_as",
        "to",
        "contiguous",
        "unsqueeze",
        "squeeze",
        "expand",
        "expand_as",
        "multiply",
        "nan_to_num",
        "floor",
        "round",
        "cos",
        "sin",
        "flip",
    ]
)
_FRESH: Final = frozenset(
    [
        "zeros",
        "ones",
        "empty",
        "full",
        "tensor",
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "rand",
        "randn",
        "rand_like",
        "randn_like",
        "new_zeros",
        "new_ones",
        "new_empty",
        "new_full",
        "eye",
        "as_tensor",
        "new_tensor",
        "triu",
        "tril",
        "finfo",
    ]
)
_PRODUCTS: Final = frozenset(
    {"linear", "addmm", "matmul", "mm", "bmm", "einsum", "baddbmm", "_grouped_mm", "grouped_mm"}
)
_REDUCTIONS: Final = frozenset({"sum", "mean", "norm", "amax", "max", "var", "std"})
_STATISTICS: Final = _REDUCTIONS | {
    "softmax",
    "log_softmax",
    "topk",
    "argmax",
    "sort",
    "logsumexp",
    "cumsum",
    "min",
    "amin",
}
"""Operations whose result over part of a dim is not a part of the result over all of it."""
_INPLACE_FINE: Final = frozenset({"requires_grad_"})


def tensor_attribute(_walk: Walk, _frame: Frame, base: Value, name: str) -> Value:
    """An attribute of a tensor."""
    if name == "shape":
        if base.shape is not None:
            return Value(items=tuple(Value(size) if size > 0 else OPAQUE for size in base.shape))
        return Value(SHAPE, base.labels)
    if name in ("T", "mT", "data", "H"):
        return Value(TENSOR, base.labels, alias=base.alias, shape=base.shape)
    if name in ("dtype", "device", "ndim", "requires_grad"):
        return OPAQUE
    return Value(labels=base.labels)


def combine(walk: Walk, frame: Frame, values: Sequence[Value]) -> Value:
    """An elementwise operation of several values."""
    labels = union(values)
    cut = _common_cut(values)
    if cut is not None:
        for value in values:
            if value.shape is not None:
                _parameter_meets(walk, value, cut)
    if LOCAL_POSITIONS in labels:
        context.positions_combined(walk, frame, values)
    shape = next((v.shape for v in values if v.shape is not None), None) if cut is None else None
    kept = len([v for v in values if v.const is TENSOR]) == 1
    path = next((v.path for v in values if v.shape is not None), "")
    return Value(TENSOR, labels - {LENGTH}, cut=cut, shape=shape if kept else None, path=path if kept else "")


def _common_cut(values: Sequence[Value]) -> Cut | None:
    """The cut of the result: none where a whole tensor of another origin joins (a residual)."""
    holder = next((value for value in values if value.cut is not None), None)
    if holder is None or holder.cut is None:
        return None
    if holder.cut.heads is None:
        for value in values:
            whole = value.const is TENSOR and value.cut is None and value.shape is None
            if whole and not value.labels <= holder.labels:
                return None
    return holder.cut


def _parameter_meets(walk: Walk, parameter: Value, cut: Cut) -> None:
    heads, width, origins = cut
    shape = parameter.shape or ()
    owner = parameter.path.rpartition(".")[0]
    sizes = [size for size in shape if size != 1]
    if heads is None:
        whole = bool(sizes) and sizes[-1] == width
    else:
        whole = len(sizes) == 1 and sizes[0] == heads and heads * heads != width
    if whole:
        for origin in sorted(origins - {owner}):
            walk.recorder.tensor_fault("whole-parameter-meets-cut-output", f"{origin} with {parameter.path}")


def method(walk: Walk, frame: Frame, base: Value, name: str, args: list[Value], kwargs: Mapping[str, Value]) -> Value:
    """A method of a tensor (or of a value that may be one)."""
    if name in ("view", "reshape", "unflatten"):
        return reshape(walk, base, args[1:] if name == "unflatten" else args, nested=name == "unflatten")
    if name in ("split", "chunk", "tensor_split", "split_with_sizes"):
        return _split(walk, base, name, args, kwargs)
    if name == "size":
        return (
            Value(SHAPE, base.labels)
            if not args and not kwargs
            else shape_item(base, None, (*args, *kwargs.values())[0])
        )
    if name in ("dim", "item", "numel", "tolist", "get_seq_length", "element_size"):
        return OPAQUE
    if name == "cumsum":
        return context.counted(base, args)
    if name in _FRESH:
        return tensor(EMPTY)
    values = (base, *args, *kwargs.values())
    if name in _STATISTICS and base.cut is not None and base.cut.heads is None:
        dim = kwargs.get("dim", args[-1] if name == "topk" and len(args) > 1 else args[0] if args else OPAQUE)
        if dim.const == -1 or (dim.items is not None and any(d.const == -1 for d in dim.items)) or name == "topk":
            summarised(walk, base.cut)
    if name.endswith("_") and not name.endswith("__") and name not in _INPLACE_FINE:
        if base.alias:
            walk.recorder.changed_in_place(base)
        return Value(base.const, union(values), alias=base.alias, cut=base.cut)
    if name in ("index_select", "gather") and args:
        context.table_indexed(walk, frame, base, args[-1], sliced=False)
    return _plain(walk, frame, name, values)


def _plain(walk: Walk, frame: Frame, name: str, values: Sequence[Value]) -> Value:
    base = values[0] if values else OPAQUE
    if name in _ELEMENTWISE and sum(value.const is TENSOR for value in values) > 1:
        return combine(walk, frame, values)
    if name in ("cos", "sin") and LOCAL_POSITIONS in base.labels:
        context.local_positions(walk, frame)
    keeps = name in _ELEMENTWISE or name in _VIEWS
    within_heads = name in _REDUCTIONS and len(values) > 1 and values[1].const == -1 and not _flat(base)
    cut = base.cut if keeps or within_heads else None
    if cut is not None and cut.heads is None and name in _MOVES:
        cut = None
    labels = union(values)
    known = any(value.const is TENSOR for value in values)
    return Value(
        TENSOR if known else UNKNOWN,
        labels - {LENGTH} if known else labels,
        alias=base.alias if name in _VIEWS else EMPTY,
        cut=cut,
        shape=base.shape if keeps and name not in _MOVES else None,
        path=base.path if keeps and base.shape is not None else "",
    )


def _flat(value: Value) -> bool:
    return value.cut is None or value.cut.heads is None


def _split(walk: Walk, base: Value, name: str, args: list[Value], kwargs: Mapping[str, Value]) -> Value:
    cut = base.cut
    sizes = (
        args[0]
        if args
        else next((kwargs[k] for k in ("split_size_or_sections", "split_size", "chunks") if k in kwargs), OPAQUE)
    )
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", Value(0))).const
    part = Value(TENSOR, base.labels, alias=base.alias, cut=cut if cut is not None and cut.heads is not None else None)
    if cut is not None and cut.heads is None and dim in (-1, 2):
        whole = sizes.items is not None and sum(v.const for v in sizes.items if isinstance(v.const, int)) == cut.width
        pieces = (
            isinstance(sizes.const, int)
            and name == "split"
            and sizes.const < cut.width
            and cut.width % sizes.const == 0
        )
        if whole or pieces:
            split_whole(walk, cut)
        elif isinstance(sizes.const, int) and name != "split":
            for origin in sorted(cut.origins):
                walk.recorder.tensor_fault("chunks-fused-output", origin)
    if sizes.items is not None:
        return Value(TENSOR, items=tuple(part for _ in sizes.items))
    if name == "chunk" and isinstance(sizes.const, int) and 0 < sizes.const < 16:
        return Value(TENSOR, items=(part,) * sizes.const)
    return part


def _rows(weight: Value) -> Cut | None:
    """The cut of `F.linear(x, weight)` for a bare parameter: its rows, counted from the end."""
    shape = weight.shape
    if shape is None or len(shape) < 2 or shape[-2] < 2 or not weight.path:
        return None
    return Cut(None, shape[-2], frozenset((weight.path,)))


def function(walk: Walk, frame: Frame, dotted: str, args: list[Value], kwargs: Mapping[str, Value]) -> Value:
    """A function from outside the package: of torch, or a kernel."""
    name = dotted.rpartition(".")[2]
    values = (*args, *kwargs.values())
    if name == "scaled_dot_product_attention":
        return context.attention(walk, frame, args, dict(kwargs))
    if name == "arange":
        return context.arange(values)
    if name in _FRESH:
        return tensor(EMPTY)
    if name in ("checkpoint", "fork") and args:
        return tensor(union(values))
    if name in ("embedding", "index_select") and len(args) > 1:
        ids, table = (args[0], args[1]) if name == "embedding" else (args[-1], args[0])
        context.table_indexed(walk, frame, table, ids, sliced=False)
        return tensor(union(values))
    if name in _PRODUCTS:
        weights = [value for value in values if value.shape is not None]
        weight = args[1] if name == "linear" and len(args) > 1 else OPAQUE
        return tensor(union(weights or values) - {LENGTH}, cut=_rows(weight))
    if name in ("cat", "concat", "stack", "hstack") and args and args[0].items is not None:
        parts = args[0].items
        cut = next((p.cut for p in parts if p.cut is not None and p.cut.heads is not None), None)
        return Value(TENSOR, union(parts), cut=cut)
    context.kernel(walk, frame, name, values)
    if dotted.startswith("torch") and args and args[0].const is TENSOR:
        return method(walk, frame, args[0], name, args[1:], kwargs)
    if dotted.startswith("math."):
        return OPAQUE
    return Value(TENSOR if any(v.const is TENSOR for v in values) else UNKNOWN, union(values))
