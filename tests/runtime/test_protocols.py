"""`isinstance(model, SupportsTP)` is the verdict, and leaves other protocols alone."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import pytest
import torch
from runtime_models import PLAN, MyGPT2, MyLlama, MyMixtral, NemoNet, Net, PlainNet, gpt2, llama
from transformers import LlamaForCausalLM

from meshfit import (
    HasPPPlan,
    HasTPPlan,
    MeshfitError,
    SupportsCP,
    SupportsEP,
    SupportsGenerate,
    SupportsGradientCheckpointing,
    SupportsPP,
    SupportsSequencePacking,
    SupportsTP,
    UndecidedError,
)

pytestmark = pytest.mark.torch


@runtime_checkable
class HasLayers(Protocol):
    """A plain protocol of someone else's."""

    layers: Any


@runtime_checkable
class CanForward(Protocol):
    """Another, of methods only."""

    def forward(self, x: Any) -> Any:
        """Run."""


class Both(SupportsTP, HasLayers, Protocol):
    """A combination."""


class Runs(CanForward, SupportsTP, Protocol):
    """A combination that is a subclass of a plain protocol."""


def planned(cls: type = Net) -> Any:
    """A model with a plan."""
    net = cls()
    net._tp_plan = dict(PLAN)
    return net


def test_the_attribute_alone_is_not_enough() -> None:
    """GPT-2 has `tp_plan`, and it is empty."""
    model = gpt2()
    assert hasattr(model, "tp_plan")
    assert not isinstance(model, SupportsTP)
    assert isinstance(llama(), SupportsTP)


def test_a_model_without_the_mixin_is_judged_too() -> None:
    """The protocol asks the rules, whatever the class."""
    assert isinstance(planned(PlainNet), SupportsTP)
    assert not isinstance(PlainNet(), SupportsTP)
    assert isinstance(llama(LlamaForCausalLM), SupportsGradientCheckpointing)


@pytest.mark.parametrize("thing", [3, "model", None, object(), Net, type])
def test_what_is_no_model_supports_nothing(thing: object) -> None:
    """No error, no yes."""
    assert not isinstance(thing, SupportsTP)
    assert not isinstance(thing, SupportsGenerate)


def test_a_combination_asks_every_part() -> None:
    """Capability and attribute."""
    assert isinstance(planned(), Both)
    assert not isinstance(Net(), Both)
    assert isinstance(planned(), Runs)


def test_plain_protocols_are_not_poisoned() -> None:
    """Python asks the combined protocol while it answers for its plain base; no error may come from there."""
    assert issubclass(MyLlama, CanForward)
    assert isinstance(llama(), CanForward)
    assert not issubclass(int, CanForward)
    assert not isinstance(3, CanForward)
    assert issubclass(MyLlama, Runs) is False


def test_a_class_answers_what_it_can() -> None:
    """A class without any plan has none; experts are a matter of the class here."""
    assert issubclass(MyGPT2, SupportsTP) is False
    assert issubclass(MyLlama, SupportsEP) is False
    assert issubclass(MyLlama, SupportsGenerate)
    assert issubclass(MyLlama, SupportsGradientCheckpointing)
    assert issubclass(NemoNet, SupportsPP)
    assert issubclass(int, SupportsTP) is False
    assert MyGPT2.supports_tp is False
    assert NemoNet.supports_pp is True


def test_a_class_that_cannot_tell_says_who_can() -> None:
    """Never a truthy descriptor."""
    for ask in (lambda: MyLlama.supports_tp, lambda: issubclass(MyMixtral, SupportsTP), lambda: MyLlama.supports):
        with pytest.raises(UndecidedError, match=r"check\(My") as undecided:
            ask()
        assert isinstance(undecided.value, MeshfitError)


def test_a_plan_that_init_sets_is_the_instances() -> None:
    """The class does not know what its constructor will do."""

    class Planning(Net):
        def __init__(self) -> None:
            super().__init__()
            self._tp_plan = dict(PLAN)

    assert Planning().supports_tp
    with pytest.raises(UndecidedError):
        _ = Planning.supports_tp


def test_nested_wrappers_are_seen_through() -> None:
    """torch.compile around DataParallel around the model."""
    wrapped = torch.compile(torch.nn.DataParallel(planned()), backend="eager")
    assert isinstance(wrapped, SupportsTP)
    assert not isinstance(wrapped, SupportsSequencePacking)


def test_structural_protocols_mean_the_attribute() -> None:
    """They are for annotating functions."""
    assert isinstance(llama(), HasTPPlan)
    assert isinstance(llama(), HasPPPlan)
    assert not isinstance(Net(), HasTPPlan)


def test_a_class_that_names_the_protocol_is_a_class() -> None:
    """Subclassing a capability for annotation does not change what its instances are."""

    class Named(Net, SupportsCP):
        pass

    assert isinstance(Named(), Named)
    assert not isinstance(Net(), Named)
    assert issubclass(Named, Net)
