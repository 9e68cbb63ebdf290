"""A call that is only made of a model that was asked first."""

import logging

from torch import nn

from meshfit import CapabilityMixin, MeshSpec, SupportsTP, check


class NoPlan(CapabilityMixin, nn.Module):
    """Supports no axis; a subclass may."""


def inside_the_question(model: NoPlan, ready: bool) -> None:
    if model.supports_tp:
        model.validate_for_mesh(MeshSpec(tp_size=8))
        model.validate_for_mesh(MeshSpec(pp_size=8))  # E: meshfit-pp
    if ready and model.supports.tp:
        model.validate_for_mesh(MeshSpec(tp_size=8))
    while model.supports_tp:
        model.validate_for_mesh(MeshSpec(tp_size=8))
    if model.supports_tp:
        print("tensor parallel")
    elif model.supports_pp:
        model.validate_for_mesh(MeshSpec(pp_size=8))
        model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    else:
        model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    if not model.supports_tp:
        model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    else:
        model.validate_for_mesh(MeshSpec(tp_size=8))


def after_it(model: NoPlan) -> None:
    if model.supports_tp:
        print("tensor parallel")
    model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    if not model.supports_tp:
        logging.error("no tensor parallelism")
        return
    model.validate_for_mesh(MeshSpec(tp_size=8))


def asserted(model: NoPlan) -> None:
    model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    assert model.supports_tp, "wants a plan"
    model.validate_for_mesh(MeshSpec(tp_size=8))


def by_a_name(model: NoPlan) -> None:
    tensor = isinstance(model, SupportsTP)
    model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    if tensor:
        model.validate_for_mesh(MeshSpec(tp_size=8))


def in_the_expression(model: NoPlan, models: list[NoPlan]) -> None:
    print(model.supports_tp)
    model.validate_for_mesh(MeshSpec(tp_size=8) if model.supports_tp else MeshSpec())
    model.validate_for_mesh(MeshSpec(tp_size=8 if model.supports_tp else 4))
    _ = model.supports_tp and model.validate_for_mesh(MeshSpec(tp_size=8))
    _ = [one.validate_for_mesh(MeshSpec(tp_size=8)) for one in models if one.supports_tp]
    model.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp


def by_a_verdict(model: NoPlan) -> None:
    if not check(model, MeshSpec(tp_size=8)).ok:
        raise ValueError("does not fit")
    model.validate_for_mesh(MeshSpec(tp_size=8))


def by_a_plan(model: NoPlan) -> None:
    if getattr(model, "_tp_plan", None):
        model.validate_for_mesh(MeshSpec(tp_size=8))
