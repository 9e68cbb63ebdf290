"""`tp_plans` and `custom_models`: what is declared about a class from outside its code.

Both are mappings keyed by a class, its qualified name (`"my_package.models.MyLM"`) or its plain name (`"MyLM"`), and
are searched in that order. `edits` counts every change, so that a
kept verdict can notice one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Generic, TypeVar

from meshfit.errors import PlanError, TargetError

__all__ = ["ClassRegistry", "Plan", "custom_models", "edits", "tp_plans"]

Plan = Mapping[str, Any] | Callable[..., Any]
"""A tensor-parallel plan, or a callable that makes one for a model."""

V = TypeVar("V")

edits: Final = [0]
"""One number, in a list that a check can hold: it grows with every edit of either registry."""


class ClassRegistry(MutableMapping[type | str, V], Generic[V]):
    """A mapping from classes, or their names, to a declaration.

    Args:
        name: what the registry is called in an error text.
        validate: returns the value to store, or raises a `MeshfitError`.

    Raises:
        TargetError: a key is neither a class nor a non-empty str.
    """

    def __init__(self, name: str, validate: Callable[[object, str], V]) -> None:
        self._name = name
        self._validate = validate
        self._entries: dict[type | str, V] = {}

    def __getitem__(self, key: type | str) -> V:
        return self._entries[key]

    def __setitem__(self, key: type | str, value: V) -> None:
        self._entries[key] = self._validate(value, f"{self._name}[{self._label(key)}]")
        edits[0] += 1

    def _label(self, key: object) -> str:
        if isinstance(key, type):
            return key.__name__
        if isinstance(key, str) and key:
            return key
        # the repr of a model fills pages
        shown = repr(key) if isinstance(key, str | int | float | None) else f"the {type(key).__name__} object"
        raise TargetError(
            f"{self._name} is keyed by a class or its name, got {shown}; "
            f'write {self._name}["MyLM"] = ... or {self._name}[MyLM] = ...'
        )

    def __delitem__(self, key: type | str) -> None:
        del self._entries[key]
        edits[0] += 1

    def __iter__(self) -> Iterator[type | str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"{self._name}({self._entries!r})"

    def find(self, cls: type) -> V | None:
        """The entry of `cls`: by the class itself, by its qualified name, by its plain name; None when there is none.

        Bases are not searched: a subclass with other layers needs a plan of its own.
        """
        for key in (cls, f"{cls.__module__}.{cls.__qualname__}", cls.__name__):
            if key in self._entries:
                return self._entries[key]
        return None


def _plan(value: object, where: str) -> Plan:
    if callable(value):
        return value
    if not isinstance(value, Mapping):
        raise PlanError(
            f"{where} must be a mapping of module names to styles, or a callable that returns one, "
            f"got {type(value).__name__}"
        )
    if not value:
        raise PlanError(f"{where} is empty; name at least one module, or leave the entry out")
    unnamed = next((key for key in value if not isinstance(key, str)), None)
    if unnamed is not None:
        raise PlanError(f"{where} names modules by str, got the key {unnamed!r} ({type(unnamed).__name__})")
    return dict(value)


def _implementation(value: object, where: str) -> type | str:
    if isinstance(value, type) or (isinstance(value, str) and value):
        return value
    raise TargetError(f"{where} names the class of the implementation, or its name, got {type(value).__name__}")


tp_plans: Final[ClassRegistry[Plan]] = ClassRegistry("tp_plans", _plan)
"""Tensor-parallel plans of classes whose code declares none; they count under the engines `generic` and `nemo`."""

custom_models: Final[ClassRegistry[type | str]] = ClassRegistry("custom_models", _implementation)
"""Classes with an own implementation, each with the class that implements it or its name."""
