"""The value of which nothing is known, for whoever computes with source text."""

from __future__ import annotations

from typing import Final

__all__ = ["UNKNOWN", "Unknown", "has_unknown"]


class Unknown:
    """The type of `UNKNOWN`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""The value of an expression that cannot be computed; every operation on it yields it again."""


def has_unknown(value: object) -> bool:
    """Whether a value, or anything in it, is unknown."""
    if isinstance(value, (list, tuple)):
        return any(has_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(has_unknown(item) for pair in value.items() for item in pair)
    return value is UNKNOWN
