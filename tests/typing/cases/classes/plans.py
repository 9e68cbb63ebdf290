"""What a class carries decides."""

from typing import ClassVar, Final

from torch import nn

from meshfit import CapabilityMixin, MeshSpec

TP8 = MeshSpec(tp_size=8)
PP2 = MeshSpec(pp_size=2)
CP2 = MeshSpec(cp_size=2)
EP2 = MeshSpec(ep_size=2)
PLAN: Final = {"up": "colwise"}


class Planned(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise", "down": "rowwise"}


class Annotated(CapabilityMixin, nn.Module):
    _tp_plan: ClassVar[dict[str, str]] = {"up": "colwise"}


class Named(CapabilityMixin, nn.Module):
    _tp_plan = PLAN


class Empty(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}


class Nothing(CapabilityMixin, nn.Module):
    _tp_plan = None


class Pipelined(CapabilityMixin, nn.Module):
    _pp_plan = {"layers": (["hidden_states"], ["hidden_states"])}


class Attending(CapabilityMixin, nn.Module):
    _supports_sdpa = True


class NotAttending(CapabilityMixin, nn.Module):
    _supports_sdpa = False


class Expert(CapabilityMixin, nn.Module):
    _ep_plan = {"layers.*.experts": "ep_dispatch_experts"}


class Everything(Planned):
    _pp_plan = {"layers": (["hidden_states"], ["hidden_states"])}
    _ep_plan = {"layers.*.experts": "ep_dispatch_experts"}
    _supports_sdpa = True


def tensor_parallelism() -> None:
    Planned().validate_for_mesh(TP8)
    Annotated().validate_for_mesh(TP8)
    Named().validate_for_mesh(TP8)
    Everything().validate_for_mesh(TP8)
    Empty().validate_for_mesh(TP8)  # E: meshfit-tp
    Nothing().validate_for_mesh(TP8)  # E: meshfit-tp
    Pipelined().validate_for_mesh(TP8)  # E: meshfit-tp


def the_other_axes() -> None:
    Pipelined().validate_for_mesh(PP2)
    Attending().validate_for_mesh(CP2)
    Expert().validate_for_mesh(EP2)
    Everything().validate_for_mesh(MeshSpec(tp_size=8, pp_size=2, cp_size=2, ep_size=2))
    Planned().validate_for_mesh(PP2)  # E: meshfit-pp "_pp_plan"
    Planned().validate_for_mesh(CP2)  # E: meshfit-cp
    Planned().validate_for_mesh(EP2)  # E: meshfit-ep
    NotAttending().validate_for_mesh(CP2)  # E: meshfit-cp
    Planned().validate_for_mesh(MeshSpec(tp_size=8, pp_size=2))  # E: meshfit-pp


class Cleared(Planned):
    """A subclass may take the plan away."""

    _tp_plan: dict[str, str] = {}


class Added(Empty):
    """Or add one."""

    _tp_plan = {"up": "colwise"}


class Inherited(Planned):
    """Or leave it."""


class SecondBase(Empty, Planned):
    """The first base that has it counts."""


def inheritance() -> None:
    Cleared().validate_for_mesh(TP8)  # E: meshfit-tp
    Added().validate_for_mesh(TP8)
    Inherited().validate_for_mesh(TP8)
    SecondBase().validate_for_mesh(TP8)  # E: meshfit-tp


class SelfPlanned(CapabilityMixin, nn.Module):
    """A child's plan is no plan of a model that transformers does not load."""

    def __init__(self) -> None:
        super().__init__()
        self.child = Planned()


def children() -> None:
    SelfPlanned().validate_for_mesh(TP8)  # E: meshfit-tp
