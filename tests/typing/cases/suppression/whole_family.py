"""A file that turns the parent code off."""

# mypy: disable-error-code="meshfit"

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def in_this_file(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))
    net.validate_for_mesh(MeshSpec(pp_size=2))
    net.validate_for_mesh(MeshSpec(tp_size=0))
