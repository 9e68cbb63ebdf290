"""Sizes as a config file gives them: a value of the wrong type is refused, as transformers' own classes refuse it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from meshfit.errors import TargetError
from meshfit.readers.source.values import ConfigObject

if TYPE_CHECKING:
    from meshfit.facts import Origin

__all__ = ["SIZES", "refuse_wrong_sizes"]

SIZES: Final = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "num_hidden_layers",
    "vocab_size",
    "moe_intermediate_size",
    "linear_num_key_heads",
    "linear_num_value_heads",
)
"""The sizes of a model that rules read, by transformers' names."""

_POSITIVE: Final = frozenset({"hidden_size", "num_attention_heads", "num_key_value_heads"})


def refuse_wrong_sizes(config: ConfigObject, values: Mapping[str, Any], origin: Callable[[str], Origin]) -> None:
    """Check the sizes that the file gives, those of its parts included.

    Args:
        config: the configuration built from `values`.
        values: the file's mapping.
        origin: JSON pointer -> place in the file.

    Raises:
        TargetError: a size is no whole number, or a head count is below 1; the message names place and value.
    """
    mapping = _attribute_map(config)
    for size in SIZES:
        for name in dict.fromkeys((size, mapping.get(size, size))):
            if name in values:
                _refuse(config, size, name, values[name], origin)
    for name, part in config.values.items():
        nested = values.get(name)
        if isinstance(part, ConfigObject) and isinstance(nested, Mapping):
            refuse_wrong_sizes(part, nested, lambda pointer, name=name: origin(f"/{name}{pointer}"))  # type: ignore[misc]


def _refuse(config: ConfigObject, size: str, name: str, value: Any, origin: Callable[[str], Origin]) -> None:
    place = f"{origin(f'/{name}')}: {name}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not whole and not _allows(config, name, value):
        raise TargetError(f"{place} must be a whole number, got {value!r:.60} ({type(value).__name__})")
    if whole and value < 1 and size in _POSITIVE:
        raise TargetError(f"{place} must be at least 1, got {value}")


def _allows(config: ConfigObject, name: str, value: Any) -> bool:
    """Whether the config class itself declares the field with another type than int (a list of one size per layer)."""
    found = config.cls.find(name)
    statement = found[0] if found is not None else None
    if isinstance(statement, ast.AnnAssign):
        return type(value).__name__ in {
            node.id for node in ast.walk(statement.annotation) if isinstance(node, ast.Name)
        }
    return isinstance(value, list | tuple | dict)


def _attribute_map(config: ConfigObject) -> Mapping[str, str]:
    found = config.cls.find("attribute_map")
    value = getattr(found[0], "value", None) if found is not None else None
    try:
        mapping = ast.literal_eval(value) if isinstance(value, ast.expr) else {}
    except ValueError:
        return {}
    return mapping if isinstance(mapping, dict) else {}
