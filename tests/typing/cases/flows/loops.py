"""Loops over literals."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def over_sizes(net: Net) -> None:
    for size in (2, 4, 8):
        net.validate_for_mesh(MeshSpec(tp_size=size))  # E: meshfit-tp
    for small in [1, 2]:
        net.validate_for_mesh(MeshSpec(tp_size=small))


def over_meshes(net: Net) -> None:
    for mesh in (MeshSpec(tp_size=2), MeshSpec(tp_size=4)):
        net.validate_for_mesh(mesh)  # E: meshfit-tp
    for other in [MeshSpec(tp_size=2), MeshSpec(pp_size=2)]:
        net.validate_for_mesh(other)


def over_pairs(net: Net) -> None:
    for tp, pp in ((2, 2), (4, 1)):
        net.validate_for_mesh(MeshSpec(tp_size=tp, pp_size=pp))  # E: meshfit-tp


def over_a_name(net: Net) -> None:
    sizes = (2, 4)
    for size in sizes:
        net.validate_for_mesh(MeshSpec(tp_size=size))  # E: meshfit-tp


def over_what_is_not_known(net: Net, sizes: list[int]) -> None:
    for size in sizes:
        net.validate_for_mesh(MeshSpec(tp_size=size))
    for index in range(8):
        net.validate_for_mesh(MeshSpec(tp_size=index + 1))


def over_models() -> None:
    for net in (Net(), Net()):
        net.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
