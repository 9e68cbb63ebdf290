"""`isinstance` narrows to both classes at once, and either branch can be reached."""

from torch import nn
from transformers import LlamaForCausalLM
from typing_extensions import assert_type

from meshfit import CapabilityMixin, SupportsEP, SupportsGenerate, SupportsPP, SupportsTP


class Net(CapabilityMixin, nn.Module):
    def own(self) -> int:
        return 1


class Plain(nn.Module):
    def own(self) -> int:
        return 1


class MyLM(CapabilityMixin, LlamaForCausalLM):
    def own(self) -> int:
        return 1


def with_the_mixin(net: Net) -> None:
    if isinstance(net, SupportsTP):
        assert_type(net.own(), int)
        assert_type(net.supports_tp, bool)
        net.tp_plan["lm_head"].upper()
        net.tp_plan = {}  # error
        "" + 1  # error
    else:
        assert_type(net.own(), int)
        "" + 1  # error


def without(net: Plain) -> None:
    if isinstance(net, SupportsPP):
        assert_type(net.own(), int)
        net.pp_plan["lm_head"]
        net.pp_plan = {}  # error
        "" + 1  # error
    else:
        assert_type(net.own(), int)
        "" + 1  # error


def of_transformers(model: MyLM) -> None:
    if isinstance(model, SupportsTP):
        assert_type(model.own(), int)
        model.tp_plan["lm_head"].upper()
        "" + 1  # error
    else:
        assert_type(model.own(), int)
        "" + 1  # error


def any_module(module: nn.Module) -> None:
    if isinstance(module, SupportsEP):
        module.eval()
        module.ep_plan["experts"].upper()
        "" + 1  # error
    elif isinstance(module, SupportsGenerate):
        module.eval()
        module.generate()
        "" + 1  # error
    else:
        module.eval()
        "" + 1  # error


def after_leaving(net: Net) -> None:
    if not isinstance(net, SupportsTP):
        "" + 1  # error
        return
    net.tp_plan["lm_head"].upper()
    assert_type(net.own(), int)
    "" + 1  # error


def by_flag(net: Net) -> None:
    if net.supports_tp:
        "" + 1  # error
    else:
        "" + 1  # error
