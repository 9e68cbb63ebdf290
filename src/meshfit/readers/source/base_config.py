"""What transformers' base class does to every configuration, on plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["current_layer_types", "rope_parameters"]

_LEGACY_LAYER_TYPES: Final = {
    "attention": "full_attention",
    "mamba": "linear_attention",
    "deepseek_sparse_attention": "indexed_attention",
    "qwen_sparse_attention": "indexed_attention",
}
"""transformers 5.23 configuration_utils.py, `_LEGACY_LAYER_TYPE_REMAP`."""


def current_layer_types(kinds: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Layer kinds by the names transformers 5 gives them."""
    return [_LEGACY_LAYER_TYPES.get(kind, kind) if isinstance(kind, str) else kind for kind in kinds]


def rope_parameters(values: Mapping[str, Any], rest: dict[str, Any], default_type: str | None) -> dict[str, Any] | None:
    """`rope_scaling`, `rope_theta` and `partial_rotary_factor` become `rope_parameters`, nested ones as they are.

    Args:
        values: the configuration's values.
        rest: the keys of the file that are no fields; those that are used up leave it.
        default_type: the kind of rotary embedding that the class means by "default".

    Returns:
        The parameters; None where what is given is no mapping.
    """
    scaling = rest.pop("rope_scaling", None)
    parameters = scaling or values.get("rope_parameters") or {}
    if not isinstance(parameters, dict):
        return None
    theta = rest.pop("rope_theta", values.get("rope_theta", 10000.0))
    factor = rest.pop("partial_rotary_factor", values.get("partial_rotary_factor"))
    nested = [value for value in parameters.values() if isinstance(value, dict)]
    for one in nested or [parameters]:
        one.setdefault("rope_theta", theta)
        one.setdefault("rope_type", one.get("type", "default"))
        if one["rope_type"] == "default" and default_type is not None:
            one["rope_type"] = default_type
        if factor is not None:
            one.setdefault("partial_rotary_factor", factor)
    return parameters
