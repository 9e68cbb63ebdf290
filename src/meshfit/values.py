"""What immutable values share. Written once, it spares each start the code that `dataclass` makes for each class."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

__all__ = ["Value"]


class Value:  # noqa: PLW1641 - whether a value can be hashed depends on its fields
    """Base of a frozen dataclass without a generated `__init__`, `__eq__` and `__repr__`: equal by its fields."""

    __slots__ = ()

    def _fill(self, **values: Any) -> None:
        """Set the fields, which nothing else can."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        compared: Any = self
        return all(getattr(self, f.name) == getattr(other, f.name) for f in fields(compared) if f.compare)

    def __repr__(self) -> str:
        shown: Any = self
        values = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(shown) if f.repr)
        return f"{type(self).__name__}({values})"
