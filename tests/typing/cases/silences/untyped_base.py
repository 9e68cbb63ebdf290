"""A base of which nothing is known."""

from accelerate import UntypedModel
from torch import nn

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh


class Net(CapabilityMixin, UntypedModel):
    """Its base may carry a plan."""


class Mixed(CapabilityMixin, UntypedModel, nn.Module):
    """So may this one's."""


def all_of_them(net: Net, mixed: Mixed) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))
    mixed.validate_for_mesh(MeshSpec(tp_size=8))
    validate_for_mesh(UntypedModel(), MeshSpec(tp_size=8))
