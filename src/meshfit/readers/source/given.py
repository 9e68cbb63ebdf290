"""Sizes as a config file gives them: a value of the wrong type is refused, as transformers' own classes refuse it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from meshfit.errors import TargetError
from meshfit.readers.source.values import ConfigObject

if TYPE_CHECKING:
    from meshfit.facts import Origin

__all__ = ["SIZES", "refuse_wrong_size", "refuse_wrong_sizes"]

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

_COUNTS: Final = frozenset({"num_hidden_layers", "vocab_size"})
"""Sizes that may be nothing, but not less."""


def refuse_wrong_sizes(config: ConfigObject, values: Mapping[str, Any], origin: Callable[[str], Origin]) -> None:
    """Check the sizes that the file gives, those of its parts included.

    Args:
        config: the configuration built from `values`.
        values: the file's mapping.
        origin: JSON pointer -> place in the file.

    Raises:
        TargetError: a size is no whole number, or is smaller than can be; the message names place and value.
    """
    mapping = _attribute_map(config)
    for size in SIZES:
        for name in dict.fromkeys((size, mapping.get(size, size))):
            if name in values:
                refuse_wrong_size(size, name, values[name], _declared_types(config, name), origin)
    for name, part in config.values.items():
        nested = values.get(name)
        if isinstance(part, ConfigObject) and isinstance(nested, Mapping):
            refuse_wrong_sizes(part, nested, lambda pointer, name=name: origin(f"/{name}{pointer}"))  # type: ignore[misc]


def refuse_wrong_size(
    size: str, name: str, value: Any, declared: frozenset[str] | None, origin: Callable[[str], Origin]
) -> None:
    """Check one size.

    Args:
        size: its name as transformers has it.
        name: its name in the file.
        value: what the file gives.
        declared: the types that the config class declares for the field; None where it declares none.
        origin: JSON pointer -> place in the file.

    Raises:
        TargetError: as `refuse_wrong_sizes`.
    """
    place = f"{origin(f'/{name}')}: {name}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    allowed = isinstance(value, list | tuple | dict) if declared is None else type(value).__name__ in declared
    if value is not None and not whole and not allowed:
        raise TargetError(f"{place} must be a whole number, got {value!r:.60} ({type(value).__name__})")
    if whole and value < 1 and size in _POSITIVE:
        raise TargetError(f"{place} must be at least 1, got {value}")
    if whole and value < 0 and size in _COUNTS:
        raise TargetError(f"{place} must be at least 0, got {value}")


def _declared_types(config: ConfigObject, name: str) -> frozenset[str] | None:
    """The types that the config class declares for a field (a list of one size per layer); None without a field."""
    found = config.cls.find(name)
    statement = found[0] if found is not None else None
    if not isinstance(statement, ast.AnnAssign):
        return None
    return frozenset(node.id for node in ast.walk(statement.annotation) if isinstance(node, ast.Name))


def _attribute_map(config: ConfigObject) -> Mapping[str, str]:
    found = config.cls.find("attribute_map")
    value = getattr(found[0], "value", None) if found is not None else None
    try:
        mapping = ast.literal_eval(value) if isinstance(value, ast.expr) else {}
    except ValueError:
        return {}
    return mapping if isinstance(mapping, dict) else {}
