"""Model classes as users write them: read as source, by a type checker and live, they must say the same."""

# ruff: noqa: RUF012 - plans are dicts on classes

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

import torch
from torch import nn

from meshfit import CapabilityMixin

T = TypeVar("T")


def unheard_of(cls: Any) -> Any:
    """A decorator nobody knows."""
    return cls


class MoEFSDPSyncMixin:
    """Named as NeMo's is."""


class Bare(nn.Module):
    """Nothing is said."""


class Mixed(CapabilityMixin, nn.Module):
    """With the mixin."""


class Planned(Mixed):
    """Plans and flags, one of them of another value than True."""

    _tp_plan = {"up": "colwise", "down": "rowwise"}
    _pp_plan: ClassVar[dict[str, Any]] = {"layers": [["hidden_states"], ["hidden_states"]]}
    _ep_plan: ClassVar[dict[str, str]] = {}
    _supports_sdpa = True
    _owns_cp_attention = 1
    supports_gradient_checkpointing = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, width)

    def forward(self, x: Any, *rest: Any, seq_lens: Any = None, **kwargs: Any) -> Any:
        return self.up(x)

    def generate(self) -> None:
        """Callable."""


class Cleared(Planned):
    """Takes a plan away."""

    _tp_plan = None
    _supports_sdpa = False
    generate = None  # type: ignore[assignment]


class SecondBase(Cleared, Planned):
    """The first that has it counts."""


class Diamond(SecondBase, Generic[T]):
    """Generic."""


class Undecorated(Mixed):
    """Decorators that leave a signature alone."""

    @torch.no_grad()
    def forward(self, x: Any, seq_lens: Any) -> Any:
        return x


@final
class Final(Planned):
    """With a decorator that changes nothing."""


class Declares(Mixed):
    """By a dataclass: what is not annotated is no field."""

    @dataclass(frozen=True)
    class ModelCapabilities:
        """With an argument of the decorator: nobody looks closer."""

        supports_tp: bool = False


class DeclaresPlainly(Mixed):
    """By a dataclass without arguments."""

    @dataclass
    class ModelCapabilities:
        """Three fields, one of them none."""

        supports_tp: bool = False
        supports_cp: bool = True
        supports_pp = True
        cp_backend: str = "te"


class DeclaresLoosely(Mixed):
    """By a plain class."""

    class ModelCapabilities:
        """Attributes with the prefix count."""

        supports_tp = True
        other = True


class InheritsDeclaration(DeclaresLoosely):
    """From its base."""


class Asked(Mixed):
    """Only a config tells."""

    @classmethod
    def get_capabilities(cls, config: Any) -> dict[str, bool]:
        return {"supports_tp": bool(config)}


class Experts(Mixed, MoEFSDPSyncMixin):
    """NeMo's mixin is told by name."""


class Configured(Mixed):
    """A config tells whether it is hybrid."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config


class ConfiguredOnClass(Mixed):
    """A config on the class."""

    config = None


class Backed(Mixed):
    """A backend is the instance's."""

    def __init__(self, backend: Any) -> None:
        super().__init__()
        self.backend = backend


class Abstract(Mixed, ABC):
    """With a known metaclass."""


class AnnotatedOnly(Mixed):
    """Somebody sets it."""

    _tp_plan: dict[str, str]


class Joined(Mixed):
    """In place."""

    _tp_plan = {"a": "colwise"}
    _tp_plan |= {"b": "colwise"}


class Updated(Mixed):
    """By a call in the body."""

    _tp_plan = {"a": "colwise"}
    _tp_plan.update(b="colwise")


class ItemSet(Mixed):
    """By an item."""

    _tp_plan = {"a": "colwise"}
    _tp_plan["b"] = "colwise"


class Deleted(Mixed):
    """Again."""

    _tp_plan = {"a": "colwise"}
    del _tp_plan


class Computed(Mixed):
    """By a property."""

    @property
    def _tp_plan(self) -> dict[str, str]:
        return {}


class SetByInit(Mixed):
    """By the constructor."""

    _tp_plan = {"a": "colwise"}

    def __init__(self) -> None:
        super().__init__()
        self._tp_plan = {}


class SetByMethod(Mixed):
    """By a method, which the live class does not tell."""

    def prepare(self) -> None:
        self._tp_plan = {"a": "colwise"}


class SetByName(Mixed):
    """By a name in quotes."""

    def prepare(self) -> None:
        setattr(self, "_tp_plan", {"a": "colwise"})  # noqa: B010


class SetByComputedName(Mixed):
    """By any name."""

    def prepare(self, **given: Any) -> None:
        for name, value in given.items():
            setattr(self, name, value)


class SetByNamespace(Mixed):
    """By the instance's namespace."""

    def prepare(self, **given: Any) -> None:
        self.__dict__.update(given)


class UpdatedByMethod(Mixed):
    """In place."""

    _tp_plan = {"a": "colwise"}

    def prepare(self) -> None:
        self._tp_plan.update(b="colwise")


class ItemSetByMethod(Mixed):
    """By an item."""

    _tp_plan = {"a": "colwise"}

    def prepare(self) -> None:
        self._tp_plan["b"] = "colwise"


class SetAfterwards(Mixed):
    """After the class."""


SetAfterwards._tp_plan = {"a": "colwise"}  # type: ignore[attr-defined]


class Undecided(Mixed):
    """A branch."""

    if torch.__version__ > "2":
        _tp_plan = {"a": "colwise"}


class Looped(Mixed):
    """A loop."""

    for _kind in ("a", "b"):
        _tp_plan = {_kind: "colwise"}


class Tried(Mixed):
    """A try."""

    try:
        _tp_plan = {"a": "colwise"}
    except ValueError:
        _tp_plan = {}


class ForChecker(Mixed):
    """What only a checker sees."""

    if TYPE_CHECKING:
        _tp_plan: dict[str, str]


class CatchesMissing(Mixed):
    """An own `__getattr__`."""

    _pp_plan = {"layers": "x"}

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


class CatchesAll(Mixed):
    """An own `__getattribute__`."""

    _pp_plan = {"layers": "x"}

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


@dataclass
class Fields(Mixed):
    """Given to each instance."""

    _tp_plan: dict[str, str] | None = None
    _supports_sdpa: bool = False


@unheard_of
class Decorated(Mixed):
    """By a decorator nobody knows."""


class Maker(type):
    """A metaclass nobody knows."""


class Made(nn.Module, metaclass=Maker):
    """By it."""


class Registers(nn.Module):
    """Sees its subclasses."""

    def __init_subclass__(cls) -> None:
        cls._tp_plan = {"a": "colwise"}


class Seen(Registers):
    """One of them."""


class Spread(Mixed):
    """A plan that is no literal."""

    _tp_plan = {**Planned._tp_plan}


class Wrapped(Mixed):
    """A forward by a decorator nobody knows."""

    @unheard_of
    def forward(self, x: Any) -> Any:
        return x


class Replaced(Mixed):
    """A forward of the instance's."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = unheard_of(self.forward)  # type: ignore[method-assign]

    def forward(self, x: Any) -> Any:
        return x
