"""A file that turns one code off."""

# mypy: disable-error-code="meshfit-tp"

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def in_this_file(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))
    net.validate_for_mesh(MeshSpec(tp_size=8, pp_size=2))  # E: meshfit-pp
