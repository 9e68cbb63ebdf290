"""The ways to ask."""

import meshfit
import meshfit.capability
from torch import nn

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh
from meshfit import validate_for_mesh as validate

TP8 = MeshSpec(tp_size=8)


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


class Plain(nn.Module):
    """Without the mixin."""


class Planned(nn.Module):
    _tp_plan = {"up": "colwise"}


def the_method(net: Net) -> None:
    net.validate_for_mesh(TP8)  # E: meshfit-tp
    net.validate_for_mesh(mesh=TP8)  # E: meshfit-tp
    net.validate_for_mesh(engine=None, mesh=TP8)  # E: meshfit-tp


def the_function(net: Net, plain: Plain, planned: Planned) -> None:
    validate_for_mesh(net, TP8)  # E: meshfit-tp
    validate_for_mesh(plain, TP8)  # E: meshfit-tp
    validate_for_mesh(model=plain, mesh=TP8)  # E: meshfit-tp
    validate_for_mesh(mesh=TP8, model=plain)  # E: meshfit-tp
    validate_for_mesh(planned, TP8)
    validate(plain, TP8)  # E: meshfit-tp
    meshfit.validate_for_mesh(plain, TP8)  # E: meshfit-tp
    meshfit.capability.validate_for_mesh(plain, TP8)  # E: meshfit-tp


def the_method_of_the_class(net: Net) -> None:
    Net.validate_for_mesh(net, TP8)  # E: meshfit-tp
    Net.validate_for_mesh(net, mesh=TP8)  # E: meshfit-tp
    CapabilityMixin.validate_for_mesh(net, TP8)  # E: meshfit-tp


def a_class_as_target() -> None:
    validate_for_mesh(Plain, TP8)  # E: meshfit-tp
    validate_for_mesh(Planned, TP8)


def instances_of_a_class_at_hand(cls: type[Net], choose: bool) -> None:
    cls().validate_for_mesh(TP8)  # E: meshfit-tp
    other = Net if choose else Net
    other().validate_for_mesh(TP8)  # E: meshfit-tp


def used_as_a_value(net: Net) -> bool:
    report = net.validate_for_mesh(TP8)  # E: meshfit-tp
    return report.ok and net.validate_for_mesh(TP8).ok  # E: meshfit-tp


async def awaited(net: Net) -> None:
    net.validate_for_mesh(TP8)  # E: meshfit-tp


def in_expressions(net: Net) -> list[object]:
    (lambda: net.validate_for_mesh(TP8))()  # E: meshfit-tp
    return [*[net.validate_for_mesh(TP8) for _ in range(2)]]  # E: meshfit-tp


class Trainer:
    def __init__(self) -> None:
        self.net = Net()
        self.net.validate_for_mesh(TP8)  # E: meshfit-tp

    def make(self) -> Net:
        return self.net

    def run(self) -> None:
        self.net.validate_for_mesh(TP8)  # E: meshfit-tp
        self.make().validate_for_mesh(TP8)  # E: meshfit-tp


def out_of_a_container(nets: list[Net], by_name: dict[str, Net]) -> None:
    nets[0].validate_for_mesh(TP8)  # E: meshfit-tp
    by_name["a"].validate_for_mesh(TP8)  # E: meshfit-tp
    for net in nets:
        net.validate_for_mesh(TP8)  # E: meshfit-tp
