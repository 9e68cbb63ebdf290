"""Classes that other modules use."""

from torch import nn
from transformers import GPT2LMHeadModel

from meshfit import CapabilityMixin

PLAN = {"up": "colwise"}


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


class Planned(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}


class Emptied(Planned):
    _tp_plan: dict[str, str] = {}


class Staged(CapabilityMixin, nn.Module):
    _pp_plan = {"layers": (["hidden_states"], ["hidden_states"])}


class MyGPT2(CapabilityMixin, GPT2LMHeadModel):
    """One of transformers, without a plan."""


class SetElsewhere(CapabilityMixin, nn.Module):
    _tp_plan: dict[str, str] = {}


SetElsewhere._tp_plan = PLAN


def make_net() -> Net:
    return Net()
