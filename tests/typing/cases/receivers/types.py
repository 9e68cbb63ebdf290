"""What the receiver is known to be."""

from typing import Any, Optional, Protocol, TypeVar, Union

from torch import nn
from transformers import PreTrainedModel

from meshfit import CapabilityMixin, HasTPPlan, MeshSpec, Report, SupportsPP, SupportsTP, validate_for_mesh

TP8 = MeshSpec(tp_size=8)


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


class Other(CapabilityMixin, nn.Module):
    """Nor does this."""


class Planned(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}


class Validating(Protocol):
    def validate_for_mesh(self, mesh: object) -> Report: ...


N = TypeVar("N", bound=Net)
V = TypeVar("V", Net, Planned)


def unions(both: Net | Other, one: Net | Planned, old: Union[Net, Other], maybe: Optional[Net]) -> None:
    both.validate_for_mesh(TP8)  # E: meshfit-tp
    old.validate_for_mesh(TP8)  # E: meshfit-tp
    one.validate_for_mesh(TP8)
    validate_for_mesh(both, TP8)  # E: meshfit-tp
    validate_for_mesh(one, TP8)
    if maybe is not None:
        maybe.validate_for_mesh(TP8)  # E: meshfit-tp


def chosen(choose: bool) -> None:
    both: Net | Other = Net() if choose else Other()
    both.validate_for_mesh(TP8)  # E: meshfit-tp
    one: Net | Planned = Net() if choose else Planned()
    one.validate_for_mesh(TP8)


def narrowed(net: Net, other: Net | Planned, model: nn.Module) -> None:
    if isinstance(net, SupportsTP):
        net.validate_for_mesh(TP8)
    else:
        net.validate_for_mesh(TP8)  # E: meshfit-tp
    if isinstance(net, SupportsPP):
        net.validate_for_mesh(MeshSpec(pp_size=2))
    if isinstance(net, HasTPPlan):
        net.validate_for_mesh(TP8)
    if isinstance(other, Planned):
        other.validate_for_mesh(TP8)
    else:
        other.validate_for_mesh(TP8)  # E: meshfit-tp
    if isinstance(model, Net):
        model.validate_for_mesh(TP8)  # E: meshfit-tp
    assert isinstance(net, SupportsTP)
    net.validate_for_mesh(TP8)


def bases(model: nn.Module, mixin: CapabilityMixin, pretrained: PreTrainedModel) -> None:
    validate_for_mesh(model, TP8)
    mixin.validate_for_mesh(TP8)
    validate_for_mesh(pretrained, TP8)


def unknown(anything: Any, something: object) -> None:
    anything.validate_for_mesh(TP8)
    validate_for_mesh(anything, TP8)
    validate_for_mesh(something, TP8)


def structural(model: Validating) -> None:
    model.validate_for_mesh(TP8)


def bound_variables(net: N, value: V) -> N:
    net.validate_for_mesh(TP8)
    validate_for_mesh(net, TP8)
    # mypy checks the body once for each of these classes
    value.validate_for_mesh(TP8)  # E: meshfit-tp
    return net


def other_targets(path: str) -> None:
    validate_for_mesh("config.json", TP8)
    validate_for_mesh(path, TP8)
    validate_for_mesh({"architectures": ["LlamaForCausalLM"]}, TP8)


class Unrelated:
    """A method of the same name on a class that is no model."""

    def validate_for_mesh(self, mesh: object) -> None: ...


def unrelated(thing: Unrelated) -> None:
    thing.validate_for_mesh(TP8)
