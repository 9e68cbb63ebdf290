"""How many parameters of each name and shape a model has, counted over the tree that the evaluator built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshfit.readers.layer_names import wildcard
from meshfit.readers.source.structure import walk
from meshfit.readers.source.values import Node

__all__ = ["weight_shapes"]


def weight_shapes(model: Node) -> Mapping[str, Any]:
    """The fact `weight_shapes`; left out where a part of the model, or a size in it, is not known."""
    counts: dict[str, dict[tuple[int, ...], int]] = {}
    for name, module in walk(model):
        if not module.complete or module.unseen:
            return {}
        for own, parameter in module.parameters():
            shape = parameter.shape
            if shape is None or not all(isinstance(size, int) for size in shape):
                return {}
            of_name = counts.setdefault(wildcard(f"{name}.{own}" if name else own), {})
            plain = tuple(map(int, shape))
            of_name[plain] = of_name.get(plain, 0) + 1
    return {"weight_shapes": counts}
