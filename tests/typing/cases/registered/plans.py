"""A program that registers plans somewhere: whether a class has one cannot be told."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec, tp_plans


class Net(CapabilityMixin, nn.Module):
    """Carries no plan of its own."""


tp_plans[Net] = {"up": "colwise"}


def all_of_them(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))
    net.validate_for_mesh(MeshSpec(pp_size=2))  # E: meshfit-pp
