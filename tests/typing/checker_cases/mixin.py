"""What the mixin gives has types, and what follows the model cannot be assigned."""

from torch import nn
from transformers import LlamaForCausalLM
from typing_extensions import assert_type

from meshfit import CapabilityMixin, MeshSpec, ModelSupports, Report


class Net(CapabilityMixin, nn.Module):
    supports_gradient_checkpointing = True


class MyLM(CapabilityMixin, LlamaForCausalLM):
    pass


class Pretrained(nn.Module):
    """As a PreTrainedModel declares them."""

    supports_gradient_checkpointing: bool = False

    @property
    def supports_tp_plan(self):  # type: ignore[no-untyped-def]
        return bool(self.tp_plan)

    @property
    def supports_pp_plan(self):  # type: ignore[no-untyped-def]
        return bool(self.tp_plan)

    @property
    def tp_plan(self) -> dict[str, str]:
        return {}


class OnPretrained(CapabilityMixin, Pretrained):
    supports_gradient_checkpointing = True


class Assigns(CapabilityMixin, nn.Module):
    supports_tp = True  # error: pyright, pyrefly, ty


def read(net: Net, model: MyLM, other: OnPretrained) -> None:
    assert_type(net.supports_tp, bool)
    assert_type(net.supports_pp, bool)
    assert_type(net.supports_cp, bool)
    assert_type(net.supports_ep, bool)
    assert_type(net.supports_sequence_packing, bool)
    assert_type(net.supports_cp_with_sequence_packing, bool)
    assert_type(net.supports_generate, bool)
    assert_type(net.supports_gradient_checkpointing, bool)
    assert_type(net.supports_tp_plan, bool)
    assert_type(net.supports_pp_plan, bool)
    assert_type(net.is_custom_model, bool)
    assert_type(model.supports_tp, bool)
    assert_type(other.supports_tp, bool)
    assert_type(other.supports_gradient_checkpointing, bool)
    assert_type(Net.supports_tp, bool)
    assert_type(MyLM.supports_ep, bool)
    net.supports_tp + ""  # error
    Net.supports_tp + ""  # error


def view(net: Net, model: MyLM) -> None:
    assert_type(net.supports, ModelSupports)
    assert_type(model.supports, ModelSupports)
    assert_type(net.supports.tp, bool)
    assert_type(net.supports.supports_tp, bool)
    assert_type(net.supports.supports_pp_plan, bool)
    assert_type(net.supports.cp_with_sequence_packing, bool)
    assert_type(net.supports.gradient_checkpointing, bool)
    assert_type(net.supports.is_hybrid, bool)
    assert_type(net.supports.tp_size, int)
    assert_type(ModelSupports(net, MeshSpec(tp_size=2)).dp_shard_size, int)
    Net.supports  # error


def judge(net: Net, model: MyLM) -> None:
    assert_type(net.validate_for_mesh(MeshSpec(tp_size=2)), Report)
    assert_type(model.validate_for_mesh(None, engine="transformers", strict=True), Report)
    net.validate_for_mesh()  # error
    net.validate_for_mesh(None, engin="nemo")  # error
    net.validate_for_mesh(None, strict="yes")  # error


def assign(net: Net, model: MyLM) -> None:
    net.supports_tp = True  # error
    model.supports_tp = True  # error
    net.is_custom_model = True  # error
    net.supports = net.supports  # error
    net.supports.tp = True  # error
    net.supports.tp_size = 2  # error
