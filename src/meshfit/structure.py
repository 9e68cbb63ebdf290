"""Parts of a model's structure that facts hold."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Conversion", "ModuleInfo"]


class ModuleInfo(NamedTuple):
    """One module of the model; layer numbers in its name are `*`.

    Args:
        kind: class name ("Linear", "LlamaAttention").
        width: output features of a linear, embedding dim of an embedding; None when it is neither or unknown.
        heads: (config key, count) of the head count that `width` is a multiple of, when it was computed from one.
    """

    kind: str
    width: int | None = None
    heads: tuple[str, int] | None = None


class Conversion(NamedTuple):
    """A checkpoint conversion on load.

    Args:
        targets: parameter-name patterns of the model side.
        operations: (name, dim) in order, e.g. ("Chunk", 0), ("MergeModulelist", 0), ("Concatenate", 1). `Transpose`
            carries the first of its two neighbouring dims, None when it first compares shapes (`check_dims`): a slice
            never has the shape it compares with.
    """

    targets: tuple[str, ...]
    operations: tuple[tuple[str, int | None], ...]
