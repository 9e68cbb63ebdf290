"""Sizes are computed from constants."""

from typing import Final

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


TP: Final = 4
NODES: Final = 2
GPUS: Final[int] = 8
ONE: Final = NODES - 1
WORLD: Final = NODES * GPUS


def final_constants(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=TP))  # E: meshfit-tp "tp_size=4"
    net.validate_for_mesh(MeshSpec(tp_size=GPUS))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(tp_size=ONE))


def arithmetic(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=NODES * 4))  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(MeshSpec(tp_size=WORLD // 4))  # E: meshfit-tp "tp_size=4"
    net.validate_for_mesh(MeshSpec(tp_size=2**3))  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(MeshSpec(tp_size=TP + 4))  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(MeshSpec(tp_size=WORLD % 6))  # E: meshfit-tp "tp_size=4"
    net.validate_for_mesh(MeshSpec(tp_size=(TP - 3) * 1))
    net.validate_for_mesh(MeshSpec(tp_size=GPUS // GPUS))


def a_choice_of_sizes(net: Net, wide: bool) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8 if wide else 4))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(tp_size=8 if wide else 1))


class Sizes:
    TP: Final = 8
    PP = 2


def constants_of_a_class(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=Sizes.TP))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(pp_size=Sizes.PP))  # E: meshfit-pp


def division_by_zero_is_the_users_affair(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8 // (TP - 4)))
