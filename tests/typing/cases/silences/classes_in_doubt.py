"""Classes of which it cannot be told whether they carry a plan."""

import random
import sys
from collections.abc import Callable
from typing import Any

from torch import nn

from meshfit import CapabilityMixin, MeshSpec

PLAN = {"up": "colwise", "down": "rowwise"}
TP8 = MeshSpec(tp_size=8)


class OnlyAnnotated(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str]


class Merged(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}
    _tp_plan |= PLAN


class Updated(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}
    _tp_plan.update(PLAN)


class WrittenTo(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}
    _tp_plan["up"] = "colwise"


class Base(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] | None = PLAN


class Deleted(Base):
    _tp_plan = None
    del _tp_plan


class Computed(CapabilityMixin, nn.Module):
    @property
    def _tp_plan(self) -> dict[str, str]:
        return PLAN


class SetByInit(CapabilityMixin, nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self._tp_plan: Any = PLAN


class SetByAMethod(CapabilityMixin, nn.Module):
    _tp_plan: Any = {}

    def prepare(self) -> None:
        self._tp_plan = PLAN


class SetAfterwards(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}


SetAfterwards._tp_plan = PLAN


class SetByName(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}


setattr(SetByName, "_tp_plan", PLAN)


class Undecided(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}
    if random.random() > 0.5:
        _tp_plan = PLAN


class UndecidedByPlatform(CapabilityMixin, nn.Module):
    if hasattr(sys, "gettotalrefcount"):
        _tp_plan = PLAN


class Looped(CapabilityMixin, nn.Module):
    for _tp_plan in ({}, PLAN):
        pass


class Tried(CapabilityMixin, nn.Module):
    try:
        _tp_plan = dict(random.choice([PLAN, PLAN]))
    except IndexError:
        _tp_plan = {}


class Answering(CapabilityMixin, nn.Module):
    def __getattr__(self, name: str) -> Any:
        return PLAN if name == "_tp_plan" else super().__getattr__(name)


def with_plan(cls: type[nn.Module]) -> type[Any]:
    cls._tp_plan = PLAN  # type: ignore[attr-defined]
    return cls


@with_plan
class Decorated(CapabilityMixin, nn.Module):
    """Its decorator may do anything."""


def keeps(plan: Any) -> Callable[[type[Base]], type[Base]]:
    return lambda cls: cls


class Meta(type):
    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        return super().__new__(mcs, name, bases, {**body, "_tp_plan": PLAN})


class Made(CapabilityMixin, nn.Module, metaclass=Meta):
    """Its metaclass may do anything."""


class Called(CapabilityMixin, nn.Module):
    _tp_plan = dict(zip(PLAN, PLAN.values()))


def all_of_them() -> None:
    OnlyAnnotated().validate_for_mesh(TP8)
    Merged().validate_for_mesh(TP8)
    Updated().validate_for_mesh(TP8)
    WrittenTo().validate_for_mesh(TP8)
    Deleted().validate_for_mesh(TP8)
    Computed().validate_for_mesh(TP8)
    SetByInit().validate_for_mesh(TP8)
    SetByAMethod().validate_for_mesh(TP8)
    SetAfterwards().validate_for_mesh(TP8)
    SetByName().validate_for_mesh(TP8)
    Undecided().validate_for_mesh(TP8)
    UndecidedByPlatform().validate_for_mesh(TP8)
    Looped().validate_for_mesh(TP8)
    Tried().validate_for_mesh(TP8)
    Answering().validate_for_mesh(TP8)
    Decorated().validate_for_mesh(TP8)
    Made().validate_for_mesh(TP8)
    Called().validate_for_mesh(TP8)
