"""Calls from within a class, and overrides."""

from typing import Any

from torch import nn

from meshfit import CapabilityMixin, MeshSpec, Report

TP8 = MeshSpec(tp_size=8)


class Net(CapabilityMixin, nn.Module):
    """Subclasses may carry a plan, so what a method of it calls on itself is not judged."""

    def prepare(self) -> None:
        self.validate_for_mesh(TP8)

    def prepare_by_class(self) -> None:
        Net.validate_for_mesh(self, TP8)

    @classmethod
    def make(cls) -> None:
        cls().validate_for_mesh(TP8)


class Planned(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}


class Calling(Net):
    """An override that calls the one it overrides."""

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        print(mesh)
        return super().validate_for_mesh(mesh, engine=engine, strict=strict)


class CallingTheMixin(Net):
    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        return CapabilityMixin.validate_for_mesh(self, mesh, engine=engine, strict=strict)


class Own(Net):
    """An override that does something else."""

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        raise NotImplementedError


class Changing(Net):
    """An override that validates another mesh."""

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        return super().validate_for_mesh(MeshSpec(), engine=engine, strict=strict)


class ChangingSometimes(Net):
    """An override that may validate another mesh."""

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        if not strict:
            mesh = MeshSpec()
        return super().validate_for_mesh(mesh, engine=engine, strict=strict)


class CallingSometimes(Net):
    """An override that may end before it calls."""

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        if not strict:
            return Planned().validate_for_mesh(MeshSpec())
        return super().validate_for_mesh(mesh, engine=engine, strict=strict)


class AskingAnother(Net):
    """An override that asks a model of its own."""

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        return Planned().validate_for_mesh(mesh, engine=engine, strict=strict)


class Handing(Net):
    """Any mesh handed on is judged where it is known, not here."""

    def validate_all(self, mesh: Any) -> Report:
        return super().validate_for_mesh(TP8)


def overrides() -> None:
    Calling().validate_for_mesh(TP8)  # E: meshfit-tp
    CallingTheMixin().validate_for_mesh(TP8)  # E: meshfit-tp
    Own().validate_for_mesh(TP8)
    Changing().validate_for_mesh(TP8)
    ChangingSometimes().validate_for_mesh(TP8)
    CallingSometimes().validate_for_mesh(TP8)
    AskingAnother().validate_for_mesh(TP8)


class Child(Calling):
    """Inherits the override."""


def inherited() -> None:
    Child().validate_for_mesh(TP8)  # E: meshfit-tp
    Calling.validate_for_mesh(Child(), TP8)  # E: meshfit-tp
