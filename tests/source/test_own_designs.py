"""`module:Class` of a model of one's own design: its config builds it from source, and what every config has counts."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from meshfit import MeshSpec, check
from meshfit.readers.source.own_classes import facts_of_own_class

HERE = Path(__file__).parent
PARTS = ("DesignConfig", "PlannedConfig", "Design", "MixingLayer", "LayerReplaced")
DESIGNS = [
    node.name
    for node in ast.parse((HERE / "own_designs.py").read_bytes()).body
    if isinstance(node, ast.ClassDef) and node.name not in PARTS
]


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def codes(name: str, **sizes: int) -> set[str]:
    """The rules that refuse a mesh for a design, read as source."""
    report = check(f"own_designs:{name}", MeshSpec(**sizes), evidence=False)
    return {violation.code for violation in report.errors}


@pytest.mark.torch
@pytest.mark.parametrize("name", DESIGNS)
def test_no_mesh_is_refused_that_the_live_model_takes(name: str) -> None:
    """However a plan or a part comes to the model."""
    import own_designs
    import torch

    cls = getattr(own_designs, name)
    with torch.device("meta"):
        model: Any = cls(cls.config_class())
    for axis in ("tp", "pp", "cp", "ep", "dp_shard"):
        live = check(model, MeshSpec(**{f"{axis}_size": 2}), evidence=False)
        assert codes(name, **{f"{axis}_size": 2}) <= {violation.code for violation in live.errors}, axis


def test_a_model_in_which_no_part_has_a_plan_is_refused() -> None:
    """Its constructor is followed to the end, under every config."""
    assert "TP001" in codes("Plain", tp_size=2)


def test_a_forward_that_mixes_tokens_is_refused_along_the_sequence() -> None:
    """Unless another config would not mix them."""
    assert "CP004" in codes("MixingHead", cp_size=2)
    assert "CP004" not in codes("MixingHeadByChoice", cp_size=2)


@pytest.mark.parametrize(
    "name", ["SetAtEnd", "SetLater", "SetByName", "OfDecorator", "OfSwitch", "OfHelper", "OfTable", "OfAuto"]
)
def test_a_plan_that_may_come_is_not_called_missing(name: str) -> None:
    """By another config, a method, or a part that nobody can tell."""
    assert not facts_of_own_class(f"own_designs:{name}").knows("tp_plan")


@pytest.mark.parametrize("name", ["ForwardReplaced", "ForwardDecorated", "PartReplacedHead"])
def test_nothing_is_known_of_a_forward_that_another_may_stand_in_for(name: str) -> None:
    """The one that is written need not be the one that runs."""
    facts = facts_of_own_class(f"own_designs:{name}")
    assert not facts.knows("context_faults")
    assert not facts.knows("pipeline_faults")


def test_the_prefix_of_the_base_is_the_one_that_the_class_names() -> None:
    """Pipelines ask for it."""
    assert facts_of_own_class("own_designs:Plain").base_model_prefix == "model"
