"""How many parameters of each name and shape a model has, counted over the tree that the evaluator built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshfit.readers.layer_names import wildcard
from meshfit.readers.source.structure import parameter_names, walk
from meshfit.readers.source.values import Node

__all__ = ["weight_shapes"]


def weight_shapes(model: Node) -> Mapping[str, Any]:
    """The fact `weight_shapes`; left out where a part of the model, or a size in it, is not known.

    A parameter that is tied to another has no storage of its own, and is not counted.
    """
    if not all(module.complete and not module.unseen for _, module in walk(model)):
        return {}
    tied = model.attributes.get("all_tied_weights_keys")
    if not isinstance(tied, Mapping):
        return {}
    counts: dict[str, dict[tuple[int, ...], int]] = {}
    for name, shape in parameter_names(model):
        if name in tied:
            continue
        if shape is None or not all(isinstance(size, int) for size in shape):
            return {}
        of_name = counts.setdefault(wildcard(name), {})
        plain = tuple(map(int, shape))
        of_name[plain] = of_name.get(plain, 0) + 1
    return {"weight_shapes": counts}
