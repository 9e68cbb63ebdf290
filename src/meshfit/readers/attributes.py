"""Attributes of a user's model and config, read so that a bug in them surfaces as itself.

`nn.Module.__getattr__` turns an AttributeError inside a property into "object has no attribute", and `getattr` with a
default then hides the property altogether. `attribute` asks the class first and calls the property directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshfit.errors import PlanError
from meshfit.readers.config_view import ABSENT

__all__ = [
    "ABSENT",
    "AttributeFaultError",
    "as_plan",
    "attribute",
    "class_attribute",
    "config_value",
    "is_computed",
    "varying",
]


class AttributeFaultError(RuntimeError):
    """A property of the model raised AttributeError: a bug there, which must not look like a missing attribute."""


def class_attribute(cls: type, name: str) -> Any:
    """The raw entry of the MRO (`property` objects included), ABSENT when no class has one."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return ABSENT


def is_computed(raw: object) -> bool:
    """Whether an entry of a class is a descriptor (a property, a slot), so that only an instance has the value."""
    return hasattr(type(raw), "__get__")


def attribute(model: Any, name: str) -> Any:
    """`model.name`, or ABSENT.

    Raises:
        AttributeFaultError: the model has a property of that name and it raised AttributeError.
    """
    found = class_attribute(type(model), name)
    if isinstance(found, property):
        if found.fget is None:
            return ABSENT
        try:
            return found.fget(model)
        except AttributeError as bug:
            raise AttributeFaultError(f"{type(model).__name__}.{name} raised AttributeError: {bug}") from bug
    return getattr(model, name, ABSENT)


def config_value(config: Any, name: str) -> Any:
    """`config.name` or `config["name"]`, ABSENT when it is not there."""
    if isinstance(config, Mapping):
        return config.get(name, ABSENT)
    if name in varying(config):
        # transformers refuses to read from the whole config what differs by layer; the common value is still there
        return config.__dict__.get(getattr(config, "attribute_map", {}).get(name, name), ABSENT)
    return attribute(config, name)


def varying(config: Any) -> Mapping[str, tuple[Any, ...]]:
    """The attributes a transformers config overrides for some layers, and the values those layers have."""
    spec = getattr(config, "__dict__", {}).get("_heterogeneity_spec")
    overrides = getattr(spec, "per_layer_overrides", None)
    if not isinstance(overrides, Mapping):
        return {}
    found: dict[str, list[Any]] = {}
    for layer in overrides.values():
        for name, value in layer.items():
            found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def as_plan(value: Any, where: str) -> dict[str, Any]:
    """A plan as a dict; None and a missing attribute are the empty plan.

    Raises:
        PlanError: it is something else, or is not keyed by str.
    """
    if value is ABSENT or value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PlanError(
            f"{where} must be a mapping of module names to styles, got {value!r:.60} ({type(value).__name__}); "
            f'write {where} = {{"layers.*.mlp.up_proj": "colwise", ...}} or leave it out'
        )
    unnamed = next((key for key in value if not isinstance(key, str)), None)
    if unnamed is not None:
        raise PlanError(f"{where} names modules by str, got the key {unnamed!r} ({type(unnamed).__name__})")
    return dict(value)
