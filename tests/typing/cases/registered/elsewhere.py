"""The same for a class of another module than the one that registers."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Other(CapabilityMixin, nn.Module):
    """Carries no plan of its own."""


def all_of_them(other: Other) -> None:
    other.validate_for_mesh(MeshSpec(tp_size=8))
    other.validate_for_mesh(MeshSpec(cp_size=2))  # E: meshfit-cp
