"""Classes that declare what they support."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class No(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}

    @dataclass(frozen=True)
    class ModelCapabilities:
        supports_tp: bool = False


class Yes(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}

    @dataclass(frozen=True)
    class ModelCapabilities:
        supports_tp: bool = True


class Partly(CapabilityMixin, nn.Module):
    """What is not declared is observed."""

    @dataclass(frozen=True)
    class ModelCapabilities:
        supports_cp: bool = False


class Asked(CapabilityMixin, nn.Module):
    """Only a config tells."""

    @classmethod
    def get_capabilities(cls, config: Any) -> dict[str, bool]:
        return {"supports_tp": bool(config)}


class Child(No):
    """A declaration is inherited."""


def all_of_them() -> None:
    No().validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp "declares supports_tp = False"
    Child().validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    Yes().validate_for_mesh(MeshSpec(tp_size=8))
    Partly().validate_for_mesh(MeshSpec(cp_size=2))  # E: meshfit-cp "declares supports_cp = False"
    Partly().validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp "has no TP plan"
    Asked().validate_for_mesh(MeshSpec(tp_size=8))
    Asked().validate_for_mesh(MeshSpec(pp_size=8))
