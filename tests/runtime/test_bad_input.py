"""Mistakes of the caller on live models: each its own clear error."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from runtime_models import PLAN, MyLlama, NemoNet, Net, PlainNet, llama

from meshfit import (
    MeshError,
    MeshSpec,
    ModelSupports,
    PlanError,
    TargetError,
    UnsupportedMeshError,
    check,
    validate_for_mesh,
)

pytestmark = pytest.mark.torch

ASKING: list[Callable[[Any, object], object]] = [
    check,
    validate_for_mesh,
    ModelSupports,
    lambda model, mesh: model.validate_for_mesh(mesh),
]


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("size", [0, -1, True, 2.0, "2"])
def test_a_size_is_a_positive_int(ask: Callable[[Any, object], object], size: object) -> None:
    """Whoever is asked."""
    with pytest.raises(MeshError, match="tp"):
        ask(Net(), {"tp_size": size})


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("mesh", [object(), 3, "tp", {}, {"tpp": 2}, SimpleNamespace(name="mesh"), MeshSpec])
def test_a_mesh_without_sizes_is_no_mesh(ask: Callable[[Any, object], object], mesh: object) -> None:
    """Never read as "all sizes 1"."""
    with pytest.raises(MeshError):
        ask(Net(), mesh)


@pytest.mark.parametrize("plan", [["layers"], "colwise", 3, {1: "colwise"}])
def test_a_plan_is_a_mapping_of_names(plan: object) -> None:
    """The error names the model and what was found."""
    net = Net()
    net._tp_plan = plan
    for ask in (lambda: net.supports_tp, lambda: check(net, MeshSpec(tp_size=2)), lambda: ModelSupports(net).tp):
        with pytest.raises(PlanError, match=r"Net\._tp_plan"):
            ask()


def test_a_plan_of_the_class_is_checked_on_the_class() -> None:
    """Before there is an instance."""

    class Planned(PlainNet):
        _tp_plan = ("layers",)

    with pytest.raises(PlanError, match=r"Planned\._tp_plan"):
        check(Planned, MeshSpec(tp_size=2))


@pytest.mark.parametrize("target", [int, object, type("NotAModule", (), {})])
def test_a_class_that_is_no_module(target: type) -> None:
    """Named in the error."""
    with pytest.raises(TargetError, match=target.__name__):
        check(target, None)


def test_a_config_class_is_no_config() -> None:
    """Its values are missing."""
    with pytest.raises(TargetError, match="pass an instance"):
        check(type(llama().config), None)


def test_a_config_object_is_a_target() -> None:
    """Once it names its class."""
    config = llama().config
    with pytest.raises(TargetError, match="architectures"):
        check(config, None)
    config.architectures = ["LlamaForCausalLM"]
    assert not check(config, MeshSpec(tp_size=8)).ok


@pytest.mark.parametrize("value", ["four", 4.0, True, -4, None, {"heads": 4}, ["4"]])
def test_a_config_number_of_the_wrong_type_is_unknown(value: object) -> None:
    """A rule without its fact says nothing, and the report says what it was."""
    net = NemoNet(num_attention_heads=value)
    net._tp_plan = dict(PLAN)
    report = check(net, MeshSpec(tp_size=3))
    assert "tp-heads" not in {violation.slug for violation in report.violations}


@pytest.mark.parametrize("model", [Net, NemoNet, PlainNet, lambda: llama(MyLlama)])
@pytest.mark.parametrize("mesh", [None, MeshSpec(), {"tp": 1, "pp": 1}, SimpleNamespace(tp_size=1, cp_size=1)])
def test_sizes_of_one_pass_on_anything(model: Callable[[], Any], mesh: object) -> None:
    """There is nothing to check."""
    assert check(model(), mesh).ok
    assert validate_for_mesh(model(), mesh).ok


def test_an_unknown_capability_is_named() -> None:
    """An undeclared `supports_*` is False, any other name a mistake."""
    supports = Net().supports
    assert supports.supports_speculative_decoding is False
    with pytest.raises(AttributeError, match="no capability 'tpp'"):
        _ = supports.tpp


def test_every_violation_is_raised_at_once() -> None:
    """One error, a bullet for each axis."""
    with pytest.raises(UnsupportedMeshError) as refused:
        Net().validate_for_mesh(MeshSpec(tp_size=2, pp_size=2, cp_size=2, ep_size=2))
    text = str(refused.value)
    assert text.startswith("Unsupported mesh for Net:\n- ")
    for words in ("Tensor parallelism (tp_size=2)", "_pp_plan", "_supports_sdpa", "MoE model"):
        assert words in text
    assert all(violation.help for violation in refused.value.report.violations)
