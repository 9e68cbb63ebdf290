"""Where and how a class is written makes no difference."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar, final

from torch import nn

import meshfit as mf
from meshfit import CapabilityMixin, MeshSpec

T = TypeVar("T")
TP8 = MeshSpec(tp_size=8)


class Net(CapabilityMixin, nn.Module):
    """Direct."""

    class Inner(CapabilityMixin, nn.Module):
        """Nested."""


class Child(Net):
    """Indirect."""


class Grandchild(Child):
    """More so."""


class Shared(CapabilityMixin):
    """The mixin at second hand."""


class Mixed(Shared, nn.Module):
    """A class by it."""


class Box(CapabilityMixin, nn.Module, Generic[T]):
    """Generic."""


class Filled(Box[int]):
    """Of a generic."""


class ByModule(mf.CapabilityMixin, nn.Module):
    """Bases named through modules."""


@final
class Last(CapabilityMixin, nn.Module):
    """With a decorator that changes nothing."""


class Abstract(CapabilityMixin, nn.Module, ABC):
    """No instance is of this very class."""

    @abstractmethod
    def width(self) -> int: ...


class Concrete(Abstract):
    def width(self) -> int:
        return 8


class WithLayers(CapabilityMixin, nn.Module):
    scale: ClassVar[int] = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(2)])

    def forward(self, x: object) -> object:
        return x


Alias = Net
Renamed = Alias


def all_of_them() -> None:
    Net().validate_for_mesh(TP8)  # E: meshfit-tp
    Net.Inner().validate_for_mesh(TP8)  # E: meshfit-tp
    Child().validate_for_mesh(TP8)  # E: meshfit-tp
    Grandchild().validate_for_mesh(TP8)  # E: meshfit-tp
    Mixed().validate_for_mesh(TP8)  # E: meshfit-tp
    Box[int]().validate_for_mesh(TP8)  # E: meshfit-tp
    Filled().validate_for_mesh(TP8)  # E: meshfit-tp
    ByModule().validate_for_mesh(mf.MeshSpec(tp_size=8))  # E: meshfit-tp
    Last().validate_for_mesh(TP8)  # E: meshfit-tp
    Concrete().validate_for_mesh(TP8)  # E: meshfit-tp
    WithLayers(8).validate_for_mesh(TP8)  # E: meshfit-tp
    Renamed().validate_for_mesh(TP8)  # E: meshfit-tp


def a_generic_parameter(box: Box[T]) -> None:
    box.validate_for_mesh(TP8)  # E: meshfit-tp


def a_local_class() -> None:
    class Local(CapabilityMixin, nn.Module):
        """In a function."""

    class Planned(Local):
        _tp_plan = {"up": "colwise"}

    Local().validate_for_mesh(TP8)  # E: meshfit-tp
    Planned().validate_for_mesh(TP8)
