"""What a mesh says besides its sizes, as rules read it: a value of the wrong type says nothing."""

from __future__ import annotations

from meshfit.mesh import MeshSpec

__all__ = ["switched_on", "whole_number"]


def whole_number(mesh: MeshSpec, name: str, *, least: int = 1) -> int | None:
    """The int >= `least` that the setting holds; None where it is left out.

    Raises:
        MissingFact: the setting may have any value.
    """
    value = mesh.settings.get(name)
    return value if type(value) is int and value >= least else None


def switched_on(mesh: MeshSpec, name: str) -> bool:
    """Whether the setting is True. Raises MissingFact where it may have any value."""
    return mesh.settings.get(name) is True
