"""The value of which nothing is known, for whoever computes with source text."""

from __future__ import annotations

from typing import Final

__all__ = ["UNKNOWN", "Unknown"]


class Unknown:
    """The type of `UNKNOWN`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""The value of an expression that cannot be computed; every operation on it yields it again."""
