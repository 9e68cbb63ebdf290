"""The mesh comes out of a function or an attribute of this file."""

from dataclasses import dataclass, field

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def make() -> MeshSpec:
    return MeshSpec(tp_size=8)


def make_either(wide: bool) -> MeshSpec:
    if wide:
        return MeshSpec(tp_size=8)
    return MeshSpec(tp_size=2)


def make_or_not(wide: bool) -> MeshSpec:
    return MeshSpec(tp_size=8) if wide else MeshSpec()


def make_of(size: int) -> MeshSpec:
    return MeshSpec(tp_size=size)


def ranks() -> int:
    return 8


def returns(net: Net) -> None:
    net.validate_for_mesh(make())  # E: meshfit-tp
    net.validate_for_mesh(make_either(True))  # E: meshfit-tp
    net.validate_for_mesh(make_or_not(True))
    net.validate_for_mesh(MeshSpec(tp_size=ranks()))  # E: meshfit-tp


def what_depends_on_arguments_is_unknown(net: Net) -> None:
    net.validate_for_mesh(make_of(8))


def behind_a_name(net: Net) -> None:
    mesh = make()
    net.validate_for_mesh(mesh)  # E: meshfit-tp


class Trainer:
    mesh = MeshSpec(tp_size=8)
    shared = MeshSpec(tp_size=8)

    def __init__(self, net: Net) -> None:
        self.net = net
        self.own = MeshSpec(tp_size=8)
        self.changing = MeshSpec(tp_size=8)

    def run(self) -> None:
        self.net.validate_for_mesh(self.own)  # E: meshfit-tp
        # a subclass below has another one
        self.net.validate_for_mesh(self.mesh)
        self.net.validate_for_mesh(self.shared)  # E: meshfit-tp

    def change(self, size: int) -> None:
        self.changing = MeshSpec(tp_size=size)

    def run_changing(self) -> None:
        self.net.validate_for_mesh(self.changing)


def of_another_object(trainer: Trainer) -> None:
    trainer.net.validate_for_mesh(trainer.own)  # E: meshfit-tp
    trainer.net.validate_for_mesh(trainer.changing)


class Narrower:
    """An attribute of the same name is another attribute."""

    def __init__(self) -> None:
        self.own = MeshSpec()

    def run(self, net: Net) -> None:
        net.validate_for_mesh(self.own)


class Redefining(Trainer):
    mesh = MeshSpec()

    def run_own(self) -> None:
        self.net.validate_for_mesh(self.mesh)


@dataclass
class Settings:
    """Fields are defaults: whoever makes one may say otherwise."""

    mesh: MeshSpec = field(default_factory=lambda: MeshSpec(tp_size=8))
    tp_size: int = 8


def fields_are_unknown(net: Net, settings: Settings) -> None:
    net.validate_for_mesh(settings.mesh)
    net.validate_for_mesh(MeshSpec(tp_size=settings.tp_size))
