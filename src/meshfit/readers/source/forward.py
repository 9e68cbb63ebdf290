"""Facts of what the forward bodies do, gathered from the modules that were built."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from meshfit.readers.source.pipeline import pipeline_faults
from meshfit.readers.source.values import UNKNOWN

if TYPE_CHECKING:
    from meshfit.readers.source.values import Instance

__all__ = ["body_facts"]

_PREFIX: Final = ast.parse("self.base_model_prefix", mode="eval").body


def body_facts(model: Instance) -> dict[str, object]:
    """The facts of the forward bodies of `model` that could be decided."""
    facts: dict[str, object] = {}
    base = _base_model(model)
    if base is not None:
        facts["pipeline_faults"] = pipeline_faults(model, base)
    return {name: fact for name, fact in facts.items() if fact is not UNKNOWN}


def _base_model(model: Instance) -> Instance | None:
    prefix = model.evaluate(_PREFIX, {})
    base = model.attributes.get(prefix) if isinstance(prefix, str) else None
    return cast("Instance", base) if isinstance(getattr(base, "attributes", None), Mapping) else None
