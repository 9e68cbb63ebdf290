"""Attributes, class bodies, enums, functions."""

import enum
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple, cast

from asking import ask, ask_values
from meshfit.mesh import MeshSpec
import meshfit.mesh as mesh_module
from meshfit import mesh as again

Alias = MeshSpec
ask(Alias(tp_size=2))  # -> tp=2
ask(mesh_module.MeshSpec(tp_size=2))  # -> tp=2
ask(again.MeshSpec.parse("tp=4,pp=2"))  # -> tp=4,pp=2
ask(Alias.parse("tp=4"))  # -> tp=4
ask(cast(MeshSpec, MeshSpec(tp_size=2)))  # -> tp=2


class Trainer:
    default = MeshSpec(tp_size=4)
    table = {"a": MeshSpec(tp_size=2)}
    typed: MeshSpec = MeshSpec(tp_size=16)
    only_declared: MeshSpec

    def __init__(self, given: MeshSpec, flag: bool) -> None:
        self.mesh = MeshSpec(tp_size=8)
        self.given = given
        self.two = MeshSpec(tp_size=2)
        if flag:
            self.two = MeshSpec(tp_size=4)
        self.a, self.b = MeshSpec(cp_size=2), MeshSpec(pp_size=2)
        self.inner = Inner()

    def fit(self) -> None:
        ask(self.mesh)  # -> tp=8
        ask(self.given)  # -> ?
        ask(self.two)  # -> tp=2 | tp=4
        ask(self.default)  # -> tp=4
        ask(self.b)  # -> pp=2
        ask(self.inner.mesh)  # -> ?
        ask(self.table["a"])  # -> tp=2
        ask(self.typed)  # -> tp=16
        ask(self.only_declared)  # -> ?
        ask(self.prop)  # -> ?
        ask(self.written_outside)  # -> tp=2 | tp=8

        def nested() -> None:
            ask(self.mesh)  # -> tp=8

    @classmethod
    def make(cls) -> None:
        ask(cls.default)  # -> tp=4

    @property
    def prop(self) -> MeshSpec:
        return MeshSpec(tp_size=8)

    @staticmethod
    def static(self: "Other") -> None:
        ask(self.mesh)  # -> pp=4

    written_outside = MeshSpec(tp_size=2)


class Inner:
    mesh = MeshSpec(cp_size=4)


class Other:
    mesh = MeshSpec(pp_size=4)


def outside(trainer: Trainer, unknown) -> None:
    trainer.written_outside = MeshSpec(tp_size=8)
    ask(trainer.mesh)  # -> tp=8
    ask(Trainer.default)  # -> tp=4
    ask(Inner.mesh)  # -> cp=4


class Base:
    shared = MeshSpec(tp_size=2)

    def fit(self) -> None:
        ask(self.shared)  # -> tp=2 | tp=4


class Derived(Base):
    shared = MeshSpec(tp_size=4)

    def fit(self) -> None:
        ask(self.shared)  # -> tp=2 | tp=4


class MixinOne:
    def fit(self) -> None:
        ask(self.mixed)  # type: ignore[attr-defined]  # -> ?


class MixinLeft:
    joint = MeshSpec(tp_size=2)

    def fit(self) -> None:
        ask(self.joint)  # -> tp=2 | tp=4


class MixinRight:
    joint = MeshSpec(tp_size=4)


class Joined(MixinLeft, MixinRight):
    pass


@dataclass
class Fields:
    mesh: MeshSpec = MeshSpec(tp_size=8)
    shared: ClassVar[MeshSpec] = MeshSpec(tp_size=2)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?
        ask(self.shared)  # -> tp=2


class Row(NamedTuple):
    mesh: MeshSpec = MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?


class Loose:
    mesh = MeshSpec(tp_size=2)

    def set(self, name: str) -> None:
        self.any = MeshSpec(tp_size=2)


class Size(enum.IntEnum):
    SMALL = 2
    LARGE = 8


class Axis(str, enum.Enum):
    TP = "tp"


ask(MeshSpec(tp_size=Size.LARGE.value))  # -> tp=8
ask_values(Axis.TP)  # -> 'tp'
ask_values(Size.LARGE)  # -> ?


def make() -> MeshSpec:
    return MeshSpec(tp_size=8)


def make_either(flag: bool) -> MeshSpec:
    if flag:
        return make()
    size = 4
    return MeshSpec(tp_size=size)


def untyped():
    return MeshSpec(tp_size=2)


def given(size: int = 8) -> MeshSpec:
    return MeshSpec(tp_size=size, pp_size=2)


def passed(mesh: MeshSpec) -> MeshSpec:
    return mesh


def ends(flag: bool):
    if flag:
        return MeshSpec(tp_size=2)
    else:
        raise ValueError


ask(make())  # -> tp=8
ask(make_either(True))  # -> tp=4 | tp=8
ask(untyped())  # -> tp=2
ask(given())  # -> pp=2,tp=?
ask(passed(MeshSpec(tp_size=2)))  # -> ?
ask(ends(True))  # -> tp=2
made = make()
ask(made)  # -> tp=8


class Holder:
    def build(self) -> MeshSpec:
        return MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.build())  # -> ?


def literal(size: Literal[2, 4], maybe: "Literal[8] | None") -> None:
    ask(MeshSpec(tp_size=size))  # -> tp=2 | tp=4
    ask_values(maybe)  # -> 8 | None
