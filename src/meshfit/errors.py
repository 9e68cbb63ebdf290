"""What can go wrong in a call, as opposed to what is wrong with a mesh."""

from __future__ import annotations

__all__ = ["MeshError", "MeshfitError", "MissingFact", "PlanError", "ProofError", "TargetError", "UndecidedError"]


class MeshfitError(Exception):
    """Base of every error meshfit raises for a mistake of its caller."""


class MeshError(MeshfitError, ValueError):
    """The mesh cannot be read: an unknown axis, a size that is not a positive int, an object without sizes."""


class TargetError(MeshfitError, ValueError):
    """The model, class, config or file cannot be read or resolved."""


class PlanError(MeshfitError, ValueError):
    """A parallel plan is not a mapping of names to styles."""


class ProofError(MeshfitError, RuntimeError):
    """A proof cannot be carried out at all, as opposed to one that ends badly."""


class UndecidedError(MeshfitError, TypeError, AttributeError):
    """The question has no answer for a class alone; the message names the call that does answer it.

    An AttributeError too, so that `inspect.getmembers(MyLM)`, and `torch.jit` with it, pass over the capability.
    """


class MissingFact(MeshfitError, LookupError):  # noqa: N818 - a signal between rule and engine, no user's mistake
    """A rule asked for a fact that nobody knows. The engine catches it and lists the fact as unknown."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
