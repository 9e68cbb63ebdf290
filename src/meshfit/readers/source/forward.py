"""Facts of what the forward bodies do, gathered from the modules that were built."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshfit.readers.source.values import Instance

__all__ = ["body_facts"]


def body_facts(model: Instance) -> dict[str, object]:
    """The facts of the forward bodies of `model` that could be decided."""
    _ = model
    return {}
