"""Facts of what the forward bodies do, gathered from the modules that were built."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from meshfit.readers.source.values import Instance

__all__ = ["TENSOR_FACTS", "body_facts", "body_gathers"]

_PREFIX: Final = ast.parse("self.base_model_prefix", mode="eval").body
TENSOR_FACTS: Final = ("inplace_outputs", "raw_weight_reads", "dataflow", "linear_inputs", "tensor_faults")
"""The facts that one walk over the forward bodies gives for tensor parallelism."""


def body_gathers(model: Instance) -> dict[str, Callable[[], Mapping[str, Any]]]:
    """Fact of the forward bodies -> the function that gathers it, with the others of its analysis.

    An analysis that meets code it was not made for leaves its facts unknown; `MESHFIT_DEBUG=1` shows what stopped it.
    """

    def tensor() -> Mapping[str, Any]:
        from meshfit.readers.source.tensor import tensor_facts

        return _attempt(lambda: tensor_facts(model))

    def conversions() -> Mapping[str, Any]:
        from meshfit.readers.source.conversions import model_conversions

        return _attempt(lambda: {"conversions": model_conversions(model)})

    def context() -> Mapping[str, Any]:
        from meshfit.readers.source.context import context_faults

        return _attempt(lambda: {"context_faults": context_faults(model, _base_model(model) or model)})

    def pipeline() -> Mapping[str, Any]:
        from meshfit.readers.source.pipeline import pipeline_faults

        base = _base_model(model)
        return {} if base is None else _attempt(lambda: {"pipeline_faults": pipeline_faults(model, base)})

    def loading() -> Mapping[str, Any]:
        from meshfit.readers.source.loading import loading_faults

        return _attempt(lambda: {"loading_faults": loading_faults(model)})

    return {
        **dict.fromkeys(TENSOR_FACTS, tensor),
        "loading_faults": loading,
        "conversions": conversions,
        "context_faults": context,
        "pipeline_faults": pipeline,
    }


def body_facts(model: Instance) -> dict[str, Any]:
    """The facts of the forward bodies of `model` that could be decided, all at once."""
    gathers = body_gathers(model)
    return {name: fact for gather in dict.fromkeys(gathers.values()) for name, fact in gather().items()}


def _attempt(analysis: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    from meshfit.readers.source.values import UNKNOWN

    try:
        return {name: fact for name, fact in analysis().items() if fact is not UNKNOWN}
    except Exception:
        if os.environ.get("MESHFIT_DEBUG"):
            raise
        return {}


def _base_model(model: Instance) -> Instance | None:
    prefix = model.evaluate(_PREFIX, {})
    base = model.attributes.get(prefix) if isinstance(prefix, str) else None
    return cast("Instance", base) if isinstance(getattr(base, "attributes", None), Mapping) else None
