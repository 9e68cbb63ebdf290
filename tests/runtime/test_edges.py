"""What users do to a model between two questions, and models that are odd in one way each."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

import pytest
import torch
from light_models import PLAN, Net, PlainNet
from runtime_models import MyLlama, llama_config
from torch import nn

from meshfit import (
    CapabilityMixin,
    ModelSupports,
    SupportsGradientCheckpointing,
    SupportsTP,
    TargetError,
    UndecidedError,
    check,
    tp_plans,
)
from meshfit.readers.model import facts_of

pytestmark = pytest.mark.torch


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads that hand over as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("impatient")
def test_threads_that_ask_at_once() -> None:
    """Neither an error, nor an answer that is kept longer than what it rests on."""
    names = ("supports_tp", "supports_pp", "supports_cp", "supports_ep", "supports_generate")
    faults: list[BaseException] = []
    assert not Net().supports_tp  # the rules are loaded by now

    def ask(net: Any, first: int, start: threading.Barrier) -> None:
        start.wait()
        try:
            for name in (*names[first:], *names[:first]):
                getattr(net, name)
        except Exception as fault:  # noqa: BLE001 - an error in a thread is lost otherwise
            faults.append(fault)

    for _ in range(40):
        net = Net()
        net._tp_plan = dict(PLAN)
        start = threading.Barrier(4)
        threads = [threading.Thread(target=ask, args=(net, first, start)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert net.supports_tp
        net._tp_plan = {}
        assert not net.supports_tp
    assert not faults


def test_one_attribute_for_another() -> None:
    """The number of attributes stays, the plan is new."""
    net = Net()
    net.note = 1
    assert not net.supports_tp
    del net.note
    net._tp_plan = dict(PLAN)
    assert net.supports_tp


class ByMode:
    """A descriptor that is no property."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else dict(PLAN) if instance.mode == "on" else {}


def test_a_plan_from_a_descriptor() -> None:
    """What it gives out is asked for each time."""

    class Own(Net):
        mode = "off"
        _tp_plan = ByMode()

    net = Own()
    assert not net.supports_tp
    net.mode = "on"
    assert net.supports_tp
    with pytest.raises(UndecidedError, match="tp_plan"):
        _ = Own.supports_tp


def test_a_plan_in_a_slot() -> None:
    """It never shows in the instance's dict."""

    class Own(Net):
        __slots__ = ("_tp_plan",)

    net = Own()
    assert not net.supports_tp
    net._tp_plan = dict(PLAN)
    assert net.supports_tp


def test_the_config_of_a_language_model() -> None:
    """Replaced, and with the module that holds it."""
    net = Net()
    net.language_model = nn.Linear(2, 2)
    net.language_model.config = SimpleNamespace()
    assert not net.supports.is_hybrid
    net.language_model.config = SimpleNamespace(layers_block_type=["M"])
    assert net.supports.is_hybrid
    net.language_model = nn.Linear(2, 2)
    assert not net.supports.is_hybrid


def test_layers_of_a_long_list_replaced_one_by_one() -> None:
    """The list and its length stay; the plan finds nothing in it any more."""
    with torch.device("meta"):
        model = MyLlama(llama_config(num_hidden_layers=12))
        assert model.supports_tp
        for number in range(12):
            model.model.layers[number] = nn.Sequential(nn.Linear(4, 4))
    assert check(model, {"tp": 2}).ok is False
    assert model.supports_tp is False


@pytest.mark.parametrize("how", ["instance", "property"])
def test_a_flag_that_an_instance_has(how: str) -> None:
    """A flag of the instance counts as one of the class does; the class leaves it open."""

    class Own(Net):
        def __init__(self) -> None:
            super().__init__()
            if how == "instance":
                self._supports_sdpa = True
                self.supports_gradient_checkpointing = True

    if how == "property":
        Own._supports_sdpa = property(lambda _: True)
        Own.supports_gradient_checkpointing = property(lambda _: True)
    net = Own()
    assert net.supports_cp
    assert net.supports.cp
    assert check(net, {"cp": 2}).ok
    assert net.supports_gradient_checkpointing
    assert net.supports.gradient_checkpointing
    assert isinstance(net, SupportsGradientCheckpointing)
    with pytest.raises(UndecidedError, match="supports_sdpa"):
        _ = Own.supports_cp


def test_a_flag_given_to_an_instance_and_taken_away() -> None:
    """It shadows that of the class as long as it is there."""
    net = Net()
    assert not net.supports_cp
    net._supports_sdpa = True
    assert net.supports_cp
    net._supports_sdpa = False
    assert not net.supports_cp
    del net._supports_sdpa
    assert not net.supports_cp


def test_flattened_parameters_tell_no_names() -> None:
    """FSDP1 joins a module's parameters into one; a plan that finds nothing then means nothing."""
    model = MyLlama(llama_config())
    for module in model.model.layers[0].modules():
        for name in list(module._parameters):
            del module._parameters[name]
    model.model.layers[0].register_parameter("_flat_param", nn.Parameter(torch.zeros(8)))
    assert not facts_of(model).knows("parameters")
    assert model.supports_tp


def test_lazy_parameters_have_no_shape_yet() -> None:
    """What needs shapes is unknown; nothing is refused for it, and nothing fails."""

    class Own(CapabilityMixin, nn.Module):
        _tp_plan = {"up": "colwise"}  # noqa: RUF012 - as models write it

        def __init__(self) -> None:
            super().__init__()
            self.up = nn.LazyLinear(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.up(x)

    net = Own()
    assert net.supports_tp
    assert check(net, {"tp": 2}).ok
    net(torch.zeros(1, 2))
    assert net.supports_tp


def test_a_question_before_the_module_is_begun() -> None:
    """`nn.Module.__init__` makes the dicts that everything is read from."""

    class Own(Net):
        def __init__(self) -> None:
            _ = self.supports_tp
            super().__init__()

    with pytest.raises(TargetError, match=r"call super\(\).__init__\(\)"):
        Own()
    with pytest.raises(TargetError, match=r"call super\(\).__init__\(\)"):
        check(Net.__new__(Net), {"tp": 2})


def test_modules_that_hold_each_other() -> None:
    """Every one of them is looked at once."""
    net = Net()
    net.inner = PlainNet()
    net.inner.back = SimpleNamespace()
    net.inner._modules["outer"] = net
    assert not net.supports_cp
    assert not check(net, {"tp": 2}).ok


def test_configs_that_hold_each_other() -> None:
    """Every one is watched once, so that the time grows with their number alone."""
    net, config = Net(), SimpleNamespace()
    config.layers = [SimpleNamespace(parent=config) for _ in range(300)]
    config.own = [config.layers]
    config.own.append(config.own)
    net.config = config
    began = time.thread_time()
    assert not net.supports_cp
    assert time.thread_time() - began < 1


def test_a_base_before_the_mixin() -> None:
    """Its attribute would hide the verdict."""

    class Legacy:
        supports_tp = True

    with pytest.raises(TargetError, match="Legacy, before CapabilityMixin among the bases of Own, assigns supports_tp"):
        type("Own", (Legacy, Net), {})
    assert not type("Own", (Net, Legacy), {})().supports_tp


@pytest.mark.parametrize(
    "decide",
    [lambda _self, _config: {"supports_tp": True}, classmethod(lambda _cls: {"supports_tp": True}), {"tp": True}],
)
def test_capabilities_that_take_no_config(decide: Any) -> None:
    """Asked for on the class, with the config."""
    net = type("Own", (Net,), {"get_capabilities": decide})()
    with pytest.raises(TargetError, match=r"write @classmethod def get_capabilities\(cls, config\)"):
        _ = net.supports_tp


def test_a_type_error_inside_get_capabilities_is_the_users() -> None:
    """It surfaces as it is."""
    net = type("Own", (Net,), {"get_capabilities": classmethod(lambda _cls, config: {"supports_tp": config + 1})})()
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = net.supports_tp


def test_supports_is_of_models_and_read_only() -> None:
    """A class has none of its own, and a model's cannot be given away."""
    with pytest.raises(TargetError, match="Net is a class"):
        ModelSupports(Net)
    net = Net()
    with pytest.raises(AttributeError, match="cannot be assigned"):
        del net.supports


@runtime_checkable
class Configured(SupportsTP, Protocol):
    """A member that is only annotated."""

    config: Any


def test_a_combination_asks_for_annotated_members_too() -> None:
    """As Python does for protocols of its own."""
    net = Net()
    net._tp_plan = dict(PLAN)
    assert not isinstance(net, Configured)
    net.config = None
    assert isinstance(net, Configured)


def test_a_key_that_is_a_model_is_shown_in_short() -> None:
    """The text of a large model fills pages."""
    with pytest.raises(TargetError, match=r"got the PlainNet object; write") as refused:
        tp_plans[PlainNet()] = dict(PLAN)  # type: ignore[index]
    assert "\n" not in str(refused.value)


def test_what_a_declaration_inherits_or_is() -> None:
    """The base of a nested class is edited, and an object in its place."""

    class Shared:
        supports_tp = False

    own = SimpleNamespace(supports_tp=False)
    for declaring, edited in ((type("ModelCapabilities", (Shared,), {}), Shared), (own, own)):
        net = type("Own", (Net,), {"ModelCapabilities": declaring})()
        assert not net.supports_tp
        edited.supports_tp = True
        assert net.supports_tp


def test_a_class_for_a_config() -> None:
    """Its attributes are the config."""

    class Config:
        layers_block_type: tuple[str, ...] = ()

    net = Net()
    net.config = Config
    assert not net.supports.is_hybrid
    Config.layers_block_type = ("M",)
    assert net.supports.is_hybrid
