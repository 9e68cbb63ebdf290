"""Facts of what the forward bodies do, gathered from the modules that were built."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from meshfit.readers.source.context import context_faults
from meshfit.readers.source.conversions import model_conversions
from meshfit.readers.source.pipeline import pipeline_faults
from meshfit.readers.source.tensor import tensor_facts
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.values import Instance

__all__ = ["body_facts"]

_PREFIX: Final = ast.parse("self.base_model_prefix", mode="eval").body


def body_facts(model: Instance) -> dict[str, object]:
    """The facts of the forward bodies of `model` that could be decided.

    An analysis that meets code it was not made for leaves its facts unknown; `MESHFIT_DEBUG=1` shows what stopped it.
    """
    base = _base_model(model)
    facts = dict(_attempt(lambda: tensor_facts(model), {}))
    facts["conversions"] = _attempt(lambda: model_conversions(model), UNKNOWN)
    facts["context_faults"] = _attempt(lambda: context_faults(model, base or model), UNKNOWN)
    if base is not None:
        facts["pipeline_faults"] = _attempt(lambda: pipeline_faults(model, base), UNKNOWN)
    return {name: fact for name, fact in facts.items() if fact is not UNKNOWN}


def _attempt(analysis: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return analysis()
    except Exception:
        if os.environ.get("MESHFIT_DEBUG"):
            raise
        return otherwise


def _base_model(model: Instance) -> Instance | None:
    prefix = model.evaluate(_PREFIX, {})
    base = model.attributes.get(prefix) if isinstance(prefix, str) else None
    return cast("Instance", base) if isinstance(getattr(base, "attributes", None), Mapping) else None
