"""One function out of many conditions, for a comparison that runs at every read of a capability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Check", "Comparison"]

Check = Callable[[Any], bool]
"""Whether a model is still what it was."""


class Comparison:
    """Conditions on a `model` and on the `state` that is its `__dict__`, joined by `and`, cheap ones first.

    A call for each condition would cost more than the conditions themselves.
    """

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._bound: dict[str, Any] = {}

    def require(self, condition: str, *values: Any) -> None:
        """Add a condition; each `{}` in its text stands for the next of `values`."""
        names = []
        for value in values:
            names.append(f"_{len(self._bound)}")
            self._bound[names[-1]] = value
        self._conditions.append(condition.format(*names))

    def compiled(self) -> Check:
        """The conjunction of all conditions as a function of the model."""
        text = " and ".join(("(state := model.__dict__) is not None", *self._conditions))
        check: Check = eval(f"lambda model: {text}", self._bound)  # noqa: S307 - made of the literals of `fingerprint`
        return check
