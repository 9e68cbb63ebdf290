"""Can this model run on this mesh?

Every public name is loaded when it is first used: `import meshfit` itself loads no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from meshfit.capability import CapabilityMixin, ModelSupports, validate_for_mesh
    from meshfit.checking import check
    from meshfit.errors import MeshError, MeshfitError, PlanError, TargetError, UndecidedError
    from meshfit.evidence import Evidence
    from meshfit.mesh import MeshSpec
    from meshfit.proof.api import verify
    from meshfit.protocols import (
        HasPPPlan,
        HasTPPlan,
        SupportsCP,
        SupportsEP,
        SupportsGenerate,
        SupportsGradientCheckpointing,
        SupportsPP,
        SupportsSequencePacking,
        SupportsTP,
    )
    from meshfit.registries import custom_models, tp_plans
    from meshfit.report import Report, UnsupportedMeshError, Violation

__all__ = [
    "CapabilityMixin",
    "Evidence",
    "HasPPPlan",
    "HasTPPlan",
    "MeshError",
    "MeshSpec",
    "MeshfitError",
    "ModelSupports",
    "PlanError",
    "Report",
    "SupportsCP",
    "SupportsEP",
    "SupportsGenerate",
    "SupportsGradientCheckpointing",
    "SupportsPP",
    "SupportsSequencePacking",
    "SupportsTP",
    "TargetError",
    "UndecidedError",
    "UnsupportedMeshError",
    "Violation",
    "check",
    "custom_models",
    "tp_plans",
    "validate_for_mesh",
    "verify",
]

_HOMES: Final = {
    "capability": ("CapabilityMixin", "ModelSupports", "validate_for_mesh"),
    "checking": ("check",),
    "errors": ("MeshError", "MeshfitError", "PlanError", "TargetError", "UndecidedError"),
    "evidence": ("Evidence",),
    "mesh": ("MeshSpec",),
    "proof.api": ("verify",),
    "protocols": (
        *("HasPPPlan", "HasTPPlan", "SupportsCP", "SupportsEP", "SupportsGenerate"),
        *("SupportsGradientCheckpointing", "SupportsPP", "SupportsSequencePacking", "SupportsTP"),
    ),
    "registries": ("custom_models", "tp_plans"),
    "report": ("Report", "UnsupportedMeshError", "Violation"),
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'meshfit' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"meshfit.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
