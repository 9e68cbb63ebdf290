"""`tp_plans` and `custom_models`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshfit import PlanError, TargetError, custom_models, tp_plans
from meshfit.registries import edits

PLAN = {"layers.*.up_proj": "colwise"}


class Model:
    """Stands for a model class."""


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    tp_plans.clear()
    custom_models.clear()


@pytest.mark.parametrize("key", [Model, f"{Model.__module__}.Model", "Model"])
def test_a_plan_is_found_by_class_and_by_either_name(key: type | str) -> None:
    """The three spellings of a key mean the same class."""
    tp_plans[key] = PLAN
    assert tp_plans.find(Model) == PLAN


def test_the_class_itself_comes_before_its_names() -> None:
    """The most exact key wins."""
    tp_plans["Model"] = {"by_name": "colwise"}
    tp_plans[Model] = PLAN
    assert tp_plans.find(Model) == PLAN


def test_a_subclass_needs_its_own_entry() -> None:
    """A subclass may have other layers."""
    tp_plans[Model] = PLAN
    assert tp_plans.find(type("Sub", (Model,), {})) is None


def test_a_callable_plan_is_kept_as_it_is() -> None:
    """It is called by whoever applies the plan."""
    tp_plans[Model] = dict
    assert tp_plans.find(Model) is dict


def test_a_stored_plan_is_a_copy() -> None:
    """Editing the dict that was passed does not edit the registry behind its back."""
    plan = dict(PLAN)
    tp_plans[Model] = plan
    plan.clear()
    assert tp_plans.find(Model) == PLAN


@pytest.mark.parametrize("value", [["layers"], {}, {1: "colwise"}, "colwise", None])
def test_a_plan_that_is_no_plan_is_refused(value: object) -> None:
    """Not a mapping, empty, or not keyed by names."""
    with pytest.raises(PlanError, match=r"tp_plans\[Model\]"):
        tp_plans[Model] = value  # type: ignore[assignment]


@pytest.mark.parametrize("key", [3, "", None])
def test_a_key_is_a_class_or_a_name(key: object) -> None:
    """Anything else would never be found."""
    with pytest.raises(TargetError, match="keyed by a class or its name"):
        tp_plans[key] = PLAN  # type: ignore[index]


def test_an_implementation_is_a_class_or_a_name() -> None:
    """`custom_models` says which class implements the model."""
    custom_models[Model] = "my_package.FastModel"
    assert custom_models.find(Model) == "my_package.FastModel"
    with pytest.raises(TargetError, match="implementation"):
        custom_models[Model] = 3  # type: ignore[assignment]


def test_every_edit_is_counted() -> None:
    """A kept verdict notices additions, replacements and removals by this number."""
    before = edits[0]
    tp_plans[Model] = PLAN
    tp_plans[Model] = PLAN
    del tp_plans[Model]
    assert edits[0] == before + 3
    assert len(tp_plans) == 0
