"""Shapes in a forward body: which numbers count tokens, and which views assume a width that a cut has shortened."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from meshfit.readers.source.flow_values import BATCH, LENGTH, OPAQUE, SHAPE, TENSOR, Cut, Value
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Walk

__all__ = ["leading", "reshape", "shape_item", "shape_items", "split_whole", "summarised"]

_TOKENS: Final = frozenset((BATCH, LENGTH))


def leading() -> frozenset[str]:
    """Labels of the dims before the last one."""
    return _TOKENS


def shape_item(base: Value, index: ast.expr | None, key: Value | None) -> Value:
    """`shape[index]`: a number that counts sequences or tokens, or one that is not known."""
    if key is None:
        upper = index.upper if isinstance(index, ast.Slice) else None
        return Value(SHAPE, base.labels, path="lead" if upper is not None else "")
    if key.const == 0:
        return Value(labels=frozenset((BATCH,)))
    if key.const in (1, -2):
        return Value(labels=frozenset((LENGTH,)))
    return OPAQUE


def shape_items(shape: Value, count: int) -> tuple[Value, ...]:
    """The dims of a shape unpacked into `count` names."""
    batch, length = Value(labels=frozenset((BATCH,))), Value(labels=frozenset((LENGTH,)))
    module_output = any(label[0] != "$" for label in shape.labels)
    if count == 2 and (shape.path == "lead" or not module_output):
        return (batch, length)
    if count == 3:
        return (batch, length, OPAQUE)
    return (batch, *(OPAQUE,) * (count - 1))


def split_whole(walk: Walk, cut: Cut) -> None:
    """The output of the producers is taken apart by sizes that only fit the whole width."""
    for origin in sorted(cut.origins):
        walk.recorder.tensor_fault("assumes-whole-width", origin)


def summarised(walk: Walk, cut: Cut) -> None:
    """A statistic is taken over the whole width of the output of the producers."""
    for origin in sorted(cut.origins):
        walk.recorder.tensor_fault("summarises-cut-output", origin)


def reshape(walk: Walk, base: Value, sizes: Sequence[Value], *, nested: bool) -> Value:
    """`base.view(*sizes)`; with `nested` the sizes replace the last dim only."""
    if len(sizes) == 1 and sizes[0].items is not None:
        sizes = sizes[0].items
    cut = base.cut
    if cut is not None:
        kinds = [_kind(size) for size in sizes]
        if nested:
            kinds = ["tokens", *kinds]
        cut = None if "unknown" in kinds else _viewed(walk, cut, kinds)
    const = TENSOR if base.const is TENSOR or base.shape is not None else UNKNOWN
    return Value(const, base.labels, alias=base.alias, cut=cut, shape=base.shape, path=base.path if base.shape else "")


def _kind(size: Value) -> str | int:
    if isinstance(size.const, int) and not isinstance(size.const, bool):
        return "rest" if size.const == -1 else size.const
    if size.const is SHAPE or (size.const is UNKNOWN and size.labels & _TOKENS):
        return "tokens"
    return "unknown"


def _viewed(walk: Walk, cut: Cut, kinds: list[str | int]) -> Cut | None:
    """What a view makes of a cut: kept, moved to the head dim, or broken by whole sizes."""
    start = next((i for i, kind in enumerate(kinds) if kind != "tokens"), len(kinds))
    tail = kinds[start:]
    if "tokens" in tail or not tail:
        return None
    product = 1
    for kind in tail:
        product *= kind if isinstance(kind, int) else 1
    if "rest" not in tail:
        if start and product == cut.width:
            split_whole(walk, cut)
        return None
    position = tail.index("rest")
    if position == 0:
        return _rest_first(walk, cut, tail, product, tokens=start)
    before = 1
    for kind in tail[:position]:
        before *= kind if isinstance(kind, int) else 1
    if before == 1:
        return None
    if position == len(tail) - 1 and cut.width % before == 0:
        split_whole(walk, cut)
    elif cut.heads is None and start:
        for origin in sorted(cut.origins):
            walk.recorder.tensor_fault("chunks-fused-output", origin)
    return None


def _rest_first(walk: Walk, cut: Cut, tail: list[str | int], product: int, *, tokens: int) -> Cut | None:
    """A view whose first dim after the tokens is inferred: the number of heads, or the width itself."""
    if product == cut.width and len(tail) > 1:
        if cut.heads is None or len(tail) > 2 or product // max(cut.heads, 1) != product:
            split_whole(walk, cut)
        return None
    if len(tail) == 1:
        return Cut(None, cut.width, cut.origins) if tokens else None
    if len(tail) == 2 and cut.width % product == 0:
        return Cut(cut.width // product, cut.width, cut.origins)
    return None
