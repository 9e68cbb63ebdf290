"""Tensor operations in a forward body: what they keep of origin, storage and cut, and the cuts they cannot survive."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import flow_context as context
from meshfit.readers.source.flow_shapes import leading, reshape, shape_item, split_whole, summarised
from meshfit.readers.source.flow_values import (
    EMPTY,
    LENGTH,
    LOCAL_POSITIONS,
    OPAQUE,
    SHAPE,
    TENSOR,
    Cut,
    Value,
    is_instance,
    join,
    tensor,
    union,
)
from meshfit.readers.source.values import UNKNOWN, Instance

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["arithmetic", "combine", "compared", "element", "function", "item", "iterate", "method", "tensor_attribute"]

_VIEWS: Final = frozenset(
    "transpose permute squeeze unsqueeze expand expand_as t swapaxes movedim narrow select diagonal unbind view_as"
    " to contiguous type_as type".split()
)
_MOVES: Final = frozenset({"transpose", "permute", "t", "swapaxes", "movedim", "unbind", "select"})
_ELEMENTWISE: Final = frozenset(
    "float half bfloat16 double clone detach mul add sub div pow sqrt rsqrt exp log log1p abs neg sigmoid tanh silu gelu"
    " relu softmax log_softmax masked_fill clamp clip where dropout normalize rms_norm layer_norm square softplus type_as"
    " to contiguous unsqueeze squeeze expand expand_as multiply nan_to_num floor round cos sin flip".split()
)
_FRESH: Final = frozenset(
    "zeros ones empty full tensor zeros_like ones_like empty_like full_like rand randn rand_like randn_like new_zeros"
    " new_ones new_empty new_full eye as_tensor new_tensor triu tril finfo".split()
)
_PRODUCTS: Final = frozenset(
    {"linear", "addmm", "matmul", "mm", "bmm", "einsum", "baddbmm", "_grouped_mm", "grouped_mm"}
)
_REDUCTIONS: Final = frozenset({"sum", "mean", "norm", "amax", "max", "var", "std"})
_STATISTICS: Final = _REDUCTIONS | {"softmax", "log_softmax", "topk", "argmax", "sort", "logsumexp", "cumsum", "min", "amin"}
"""Operations whose result over part of a dim is not a part of the result over all of it."""
_INPLACE_FINE: Final = frozenset({"requires_grad_"})
_ARITHMETIC: Final = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: Final = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_INDEX_NAMES: Final = frozenset({"layer_idx", "layer_id", "layer_number", "block_idx", "idx", "index"})


def arithmetic(op: ast.operator, left: float, right: float) -> object:
    """`left op right` of plain numbers, UNKNOWN where it fails."""
    function = _ARITHMETIC.get(type(op))
    if function is None and isinstance(op, ast.Pow) and abs(right) <= 8:
        return left**right if left else UNKNOWN
    try:
        return UNKNOWN if function is None else function(left, right)
    except (ArithmeticError, ValueError):
        return UNKNOWN


def compared(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """The answer of a comparison, None when unknown."""
    if isinstance(op, ast.Is | ast.IsNot):
        if right.const is None and right.items is None and right.fields is None:
            answer = left.is_none
        elif isinstance(right.const, bool) and isinstance(left.const, bool):
            answer = left.const is right.const
        else:
            answer = None
        return answer if answer is None or isinstance(op, ast.Is) else not answer
    unknown = (UNKNOWN, TENSOR, SHAPE)
    if left.const in unknown or right.const in unknown:
        return None
    if isinstance(op, ast.In | ast.NotIn):
        if isinstance(right.const, tuple | list | dict | set | frozenset | str):
            try:
                return (left.const in right.const) is isinstance(op, ast.In)
            except TypeError:
                return None
        return None
    compare = _COMPARE.get(type(op))
    plain = (bool, int, float, str, type(None))
    if compare is None or not isinstance(left.const, plain) or not isinstance(right.const, plain):
        return None
    try:
        return bool(compare(left.const, right.const))
    except TypeError:
        return None


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
        instance: Instance = value.const  # type: ignore[assignment]
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
    parts: list[object] = [instance.kind if instance.cls is None else instance.cls.qualname]
    for name, value in instance.attributes.items():
        if is_instance(value):
            parts.append((name, _kind_key(value)))
        elif isinstance(value, bool | int | float | str | type(None)) and name not in _INDEX_NAMES:
            parts.append((name, value))
    return tuple(parts)


def item(walk: Walk, frame: Frame, base: Value, index: ast.expr) -> Value:
    """`base[index]`."""
    if base.const is SHAPE:
        return shape_item(base, index, None if isinstance(index, ast.Slice) else walk.value(frame, index))
    if isinstance(index, ast.Slice):
        return _sliced(walk, frame, base, (index,))
    if is_instance(base.const):
        key = walk.value(frame, index).const
        instance: Instance = base.const  # type: ignore[assignment]
        if isinstance(key, str) and is_instance(instance.attributes.get(key)):
            return Value(instance.attributes[key], path=f"{base.path}.{key}")
        children = [child for child in instance.attributes.values() if is_instance(child)]
        position = key if isinstance(key, int) and -len(children) <= key < len(children) else 0
        return Value(children[position], path=f"{base.path}.*") if children else OPAQUE
    if isinstance(index, ast.Tuple):
        return _sliced(walk, frame, base, index.elts)
    key = walk.value(frame, index)
    if base.fields is not None:
        return _field(base, key)
    if base.items is not None:
        known = isinstance(key.const, int) and -len(base.items) <= key.const < len(base.items)
        return base.items[key.const] if known else element(base)  # type: ignore[index]
    if isinstance(base.const, dict | list | tuple) and isinstance(key.const, int | str):
        try:
            return Value(base.const[key.const])  # type: ignore[index,call-overload]
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
            bounds = [None if b is None else walk.value(frame, b).const for b in (part.lower, part.upper)]
            if all(b is None or isinstance(b, int) for b in bounds):
                return Value(items=base.items[slice(*bounds)])
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
    const = TENSOR if base.const is TENSOR or base.shape is not None else UNKNOWN
    one = base.shape is not None and len(parts) == 1 and not isinstance(parts[0], ast.Slice | ast.Constant)
    shape = base.shape[1:] if one and base.shape else None
    return Value(const, labels, alias=alias, cut=cut, shape=shape or None, path=base.path if shape else "")


def _narrows_last(walk: Walk, frame: Frame, parts: Sequence[ast.expr]) -> bool:
    last = parts[-1]
    first_is_ellipsis = isinstance(parts[0], ast.Constant) and parts[0].value is Ellipsis
    if not isinstance(last, ast.Slice) or not (first_is_ellipsis or len(parts) >= 3):
        return False
    bounds = [walk.value(frame, b).const for b in (last.lower, last.upper) if b is not None]
    return bool(bounds) and all(isinstance(b, int) and b != 0 for b in bounds)


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
