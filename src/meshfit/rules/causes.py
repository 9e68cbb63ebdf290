"""The causes that the readers find in forward bodies, in words: what happens, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from meshfit.report import Consequence

__all__ = ["Cause", "cause"]


class Cause(NamedTuple):
    """What one kind of fault means.

    Args:
        consequence: what happens to whoever runs it.
        why: the end of a sentence that began with where it was found.
        help: what to do instead.
    """

    consequence: Consequence
    why: str
    help: str


def cause(table: Mapping[str, Cause], kind: str, fallback: Cause) -> Cause:
    """The cause of that kind; one without an entry is told by its name, its words joined by dashes."""
    known = table.get(kind)
    return known or Cause(fallback.consequence, f"{kind.replace('-', ' ')}: {fallback.why}", fallback.help)
