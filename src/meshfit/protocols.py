"""Protocols that mean "is supported", not "has the attribute": `isinstance(model, SupportsTP)`.

For a type checker each `Supports...` is a nominal class, so that `isinstance` narrows to an intersection and leaves the
other branch reachable. At run time it is a Protocol whose metaclass asks the rules, through the wrappers that `check`
sees through. On a class, `issubclass` answers from the class alone; where an instance decides it raises
`UndecidedError` when asked directly, and is False inside a combined protocol: Python asks those while it answers for
other protocols, and an error there would surface in code that never named one of these.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from meshfit.errors import UndecidedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HasPPPlan",
    "HasTPPlan",
    "SupportsCP",
    "SupportsEP",
    "SupportsGenerate",
    "SupportsGradientCheckpointing",
    "SupportsPP",
    "SupportsSequencePacking",
    "SupportsTP",
]


@runtime_checkable
class HasTPPlan(Protocol):
    """A class or model that carries a tensor-parallel plan; structural, for annotating functions."""

    @property
    def _tp_plan(self) -> Mapping[str, str]:
        """Module name -> style."""


@runtime_checkable
class HasPPPlan(Protocol):
    """A class or model that carries a pipeline plan; structural, for annotating functions."""

    @property
    def _pp_plan(self) -> Mapping[str, Any]:
        """Module name -> names of its inputs and outputs."""


if TYPE_CHECKING:

    class SupportsTP:
        """A model that a mesh with `tp_size > 1` can run."""

        @property
        def tp_plan(self) -> Mapping[str, str]:
            """Module name -> style."""

    class SupportsPP:
        """A model that a mesh with `pp_size > 1` can run."""

        @property
        def pp_plan(self) -> Mapping[str, Any]:
            """Module name -> names of its inputs and outputs."""

    class SupportsCP:
        """A model that a mesh with `cp_size > 1` can run."""

    class SupportsEP:
        """A model that a mesh with `ep_size > 1` can run."""

        @property
        def ep_plan(self) -> Mapping[str, str]:
            """Module name -> style."""

    class SupportsSequencePacking:
        """A model that keeps several documents in one row apart."""

    class SupportsGenerate:
        """A model that generates."""

        def generate(self, *args: Any, **kwargs: Any) -> Any:
            """Token ids that continue the input."""

    class SupportsGradientCheckpointing:
        """A model that can trade compute for activation memory."""

else:

    class _Verdict(type(Protocol)):
        """Metaclass that asks for the capability instead of the attributes."""

        def __instancecheck__(cls, instance):  # noqa: ANN001, ANN204 - `type` fixes both
            name = _CAPABILITY.get(cls)
            if name is None:
                return _combined(cls, instance)
            return _read(instance, name)

        def __subclasscheck__(cls, other):  # noqa: ANN001, ANN204 - `type` fixes both
            name = _CAPABILITY.get(cls)
            if name is None:
                return _combined_class(cls, other)
            if not isinstance(other, type):
                raise TypeError("issubclass() arg 1 must be a class")
            from meshfit.answers import decided

            return other is cls or cls in other.__mro__ or (_is_model(other) and decided(other, name))

        # `abc.ABCMeta` hashes classes by identity; the lookup above needs the same.
        __hash__ = type.__hash__

    @runtime_checkable
    class SupportsTP(Protocol, metaclass=_Verdict):
        """A model that a mesh with `tp_size > 1` can run."""

        @property
        def tp_plan(self) -> Mapping[str, str]:
            """Module name -> style."""

    @runtime_checkable
    class SupportsPP(Protocol, metaclass=_Verdict):
        """A model that a mesh with `pp_size > 1` can run."""

        @property
        def pp_plan(self) -> Mapping[str, Any]:
            """Module name -> names of its inputs and outputs."""

    @runtime_checkable
    class SupportsCP(Protocol, metaclass=_Verdict):
        """A model that a mesh with `cp_size > 1` can run."""

    @runtime_checkable
    class SupportsEP(Protocol, metaclass=_Verdict):
        """A model that a mesh with `ep_size > 1` can run."""

        @property
        def ep_plan(self) -> Mapping[str, str]:
            """Module name -> style."""

    @runtime_checkable
    class SupportsSequencePacking(Protocol, metaclass=_Verdict):
        """A model that keeps several documents in one row apart."""

    @runtime_checkable
    class SupportsGenerate(Protocol, metaclass=_Verdict):
        """A model that generates."""

        def generate(self, *args: Any, **kwargs: Any) -> Any:
            """Token ids that continue the input."""

    @runtime_checkable
    class SupportsGradientCheckpointing(Protocol, metaclass=_Verdict):
        """A model that can trade compute for activation memory."""


def _read(instance: Any, name: str) -> bool:
    """Replaced by what it finds at the first call, so that importing this module loads no more than it needs."""
    global _read  # noqa: PLW0603 - see above
    from meshfit.answers import model_supports

    _read = model_supports
    return model_supports(instance, name)


_CAPABILITY: Final[dict[type, str]] = {
    SupportsTP: "tp",
    SupportsPP: "pp",
    SupportsCP: "cp",
    SupportsEP: "ep",
    SupportsSequencePacking: "sequence_packing",
    SupportsGenerate: "generate",
    SupportsGradientCheckpointing: "gradient_checkpointing",
}


_INTERNAL: Final = ("__", "_abc_", "_is_")


def _is_model(cls: type) -> bool:
    return any(base.__name__ == "Module" and base.__module__ == "torch.nn.modules.module" for base in cls.__mro__)


def _combined(cls: Any, instance: object) -> bool:
    """A protocol made from the ones above: every part of it, and the members it adds."""
    if not _is_protocol(cls):
        return type.__instancecheck__(cls, instance)
    if not all(isinstance(instance, part) for part in _parts(cls)):
        return False
    return all(hasattr(instance, name) for name in _members(cls))


def _combined_class(cls: Any, other: Any) -> bool:
    """The same for a class, where what only an instance can tell counts as no."""
    if not _is_protocol(cls):
        return type.__subclasscheck__(cls, other)
    if cls in getattr(other, "__mro__", ()):
        return True
    # By members, not by `issubclass` of a plain part: Python asks this very class while it answers that.
    parts = [part for part in (cls, *_parts(cls)) if part not in _CAPABILITY]
    if not all(hasattr(other, name) for part in parts for name in _members(part)):
        return False
    try:
        return all(issubclass(other, part) for part in _parts(cls) if part in _CAPABILITY)
    except UndecidedError:
        return False


def _members(cls: type) -> list[str]:
    """The attributes a protocol names in its own body, those it only annotates too."""
    return [name for name in {**vars(cls), **inspect.get_annotations(cls)} if not name.startswith(_INTERNAL)]


def _is_protocol(cls: type) -> bool:
    return bool(getattr(cls, "_is_protocol", False))


def _parts(cls: type) -> list[type]:
    """The protocols among the bases, Protocol itself left out."""
    return [base for base in cls.__mro__[1:] if base is not Protocol and _is_protocol(base)]
