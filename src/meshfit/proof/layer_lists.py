"""Which layers of a deep model a small one keeps, and the lists of a config that speak of layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

__all__ = ["PER_LAYER", "LayerChoice", "choose_layers"]

_INDICES: Final = re.compile(r"(?:idxs?|ids|index(?:es)?|indices|layers)$")
"""Keys of lists that name layers by number."""
PER_LAYER: Final = "per_layer_config"
"""The key of a mapping from the number of a layer to what it has instead of the common values."""
_NOT_LAYERS: Final = re.compile(r"token|langs?$|adapter|spatial|look_")


class LayerChoice(NamedTuple):
    """The layers that stay.

    Args:
        kept: their numbers in the original, ascending.
        lists: key -> the config's list of that name, cut to those layers; `PER_LAYER` likewise.
    """

    kept: tuple[int, ...]
    lists: dict[str, Any]


def choose_layers(part: Mapping[str, Any], depth: int, *, modulus: int, least: int) -> LayerChoice:
    """The fewest layers that hold every kind, as many as `depth` modulo `modulus`.

    Args:
        part: the config whose lists speak of these layers.
        depth: layers of the original.
        modulus: stages over which they are spread.
        least: layers that should stay, where the original has as many.
    """
    per_layer = {
        key: list(value)
        for key, value in part.items()
        if isinstance(value, list | tuple) and len(value) == depth and depth > 1 and "label" not in key
    }
    indices = {
        key: list(value) for key, value in part.items() if key not in per_layer and _names_layers(key, value, depth)
    }
    ascending = {key for key, value in per_layer.items() if _names_layers(key, value, depth)}
    overrides = {int(layer): own for layer, own in (part.get(PER_LAYER) or {}).items()}
    kinds: dict[str, list[int]] = {}
    for layer in range(depth):
        own = [value[layer] for key, value in per_layer.items() if key not in ascending]
        own.append(overrides.get(layer))
        kinds.setdefault(repr((own, [layer in value for value in indices.values()])), []).append(layer)
    kept = _pick(list(kinds.values()), depth, modulus, least)
    place = {layer: number for number, layer in enumerate(kept)}
    lists: dict[str, Any] = {key: [value[layer] for layer in kept] for key, value in per_layer.items()}
    lists.update({key: [place[one] for one in value if one in place] for key, value in indices.items()})
    lists.update({key: [place[one] for one in per_layer[key] if one in place] for key in ascending})
    if overrides:
        lists[PER_LAYER] = {str(place[layer]): overrides[layer] for layer in kept if layer in overrides}
    return LayerChoice(kept, lists)


def _names_layers(key: str, value: Any, depth: int) -> bool:
    """Whether the list holds numbers of layers: ascending, different, below the depth."""
    if not isinstance(value, list | tuple) or not value or not _INDICES.search(key) or _NOT_LAYERS.search(key):
        return False
    numbers = all(type(one) is int and 0 <= one < depth for one in value)
    return numbers and all(before < after for before, after in pairwise(value))


def _pick(kinds: list[list[int]], depth: int, modulus: int, least: int) -> tuple[int, ...]:
    """The first layer of each kind, then the earliest others, until the count is right."""
    needed = max(len(kinds), min(depth, least), min(depth, modulus))
    count = next(number for number in range(needed, depth + 1) if (number - depth) % modulus == 0)
    kept = {layers[0] for layers in kinds}
    turn = 1
    while len(kept) < count:
        for layers in kinds:
            if len(kept) < count and turn < len(layers):
                kept.add(layers[turn])
        turn += 1
    return tuple(sorted(kept))
