"""The values the evaluator computes with."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final, Protocol

from meshfit.readers.source.index import ClassSource

__all__ = ["UNKNOWN", "Instance", "Unknown"]


class Unknown:
    """The value of an expression that cannot be computed; every operation on it yields it again."""

    _instance: Unknown | None = None

    def __new__(cls) -> Unknown:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Instance(Protocol):
    """An object whose `__init__` was evaluated: what a forward body's `self` is."""

    @property
    def kind(self) -> str:
        """Plain class name ("LlamaModel", "Linear")."""

    @property
    def cls(self) -> ClassSource | None:
        """Its class as source; None for a class of torch."""

    @property
    def attributes(self) -> Mapping[str, object]:
        """Evaluated attributes; children are Instances, an absent name was never assigned."""

    def evaluate(self, expression: ast.expr, local: Mapping[str, object]) -> object:
        """The value of an expression of one of its methods, UNKNOWN where it cannot be computed."""
