"""What kinds of layers a config names: attention, or something that carries a state along the sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["attends", "names_recurrent_layers"]

_PATTERNS: Final = ("layers_block_type", "hybrid_override_pattern")
_MAMBA: Final = ("M", "mamba", "mamba2")


def attends(kind: str) -> bool:
    """`full_attention` and its windowed kin do; `linear_attention` carries a state along the sequence instead."""
    return kind == "attention" or (kind.endswith("_attention") and not kind.startswith("linear"))


def names_recurrent_layers(read: Callable[[str], Any]) -> bool:
    """Whether a config names layers that are no attention.

    Args:
        read: attribute name -> its value; anything that is no value where there is none.
    """
    if read("is_hybrid_model") is True:
        return True
    for name in _PATTERNS:
        pattern = read(name)
        if isinstance(pattern, str) and "M" in pattern:
            return True
        if isinstance(pattern, list | tuple) and any(kind in _MAMBA for kind in pattern):
            return True
    kinds = read("layer_types")
    return isinstance(kinds, list | tuple) and any(isinstance(kind, str) and not attends(kind) for kind in kinds)
