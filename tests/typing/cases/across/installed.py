"""The class or the mesh stands in an installed package."""

from model_zoo import WIDE, ZooNet, ZooSmall

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh


class Mixed(CapabilityMixin, ZooSmall):
    """Of a class of that package."""


class Planned(CapabilityMixin, ZooNet):
    """Of another."""


def all_of_them(small: ZooSmall, net: ZooNet, mixed: Mixed, planned: Planned) -> None:
    validate_for_mesh(small, MeshSpec(tp_size=8))  # E: meshfit-tp
    validate_for_mesh(net, MeshSpec(tp_size=8))
    mixed.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    planned.validate_for_mesh(MeshSpec(tp_size=8))
    mixed.validate_for_mesh(WIDE)  # E: meshfit-tp
    planned.validate_for_mesh(WIDE)
