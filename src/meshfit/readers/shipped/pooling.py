"""A block of an index with everything that repeats in it kept once: questions, guards, facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["pooled", "unpooled_model"]


class _Pool:
    """Values by number, equal ones once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        """The number of a value."""
        key = json.dumps(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def pooled(classes: Mapping[str, Any], configs: Mapping[str, Any]) -> dict[str, Any]:
    """The block of one model type.

    Args:
        classes: model classes, each with its `config`, its `always` facts and its `variants` of [guard, facts].
        configs: configuration classes.
    """
    answers, loops, guards, facts = _Pool(), _Pool(), _Pool(), _Pool()
    stored = {}
    for name, entry in classes.items():
        variants = []
        for (asked, counted), found in entry["variants"]:
            guard = [[answers.number(one) for one in asked], [loops.number(one) for one in counted]]
            told = [facts.number([fact, value]) for fact, value in found.items()]
            variants.append([guards.number(guard), told])
        stored[name] = [entry["config"], [facts.number(list(fact)) for fact in entry["always"].items()], variants]
    pools = {"answers": answers, "loops": loops, "guards": guards, "facts": facts}
    return {"classes": stored, "configs": configs, **{name: pool.values for name, pool in pools.items()}}


def unpooled_model(block: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One class of a block as it was put in."""
    config, always, variants = block["classes"][name]
    answers, loops, guards, facts = (block[pool] for pool in ("answers", "loops", "guards", "facts"))

    def guard(number: int) -> list[Any]:
        asked, counted = guards[number]
        return [[answers[one] for one in asked], [loops[one] for one in counted]]

    return {
        "config": config,
        "always": dict(facts[number] for number in always),
        "variants": [[guard(number), dict(facts[one] for one in told)] for number, told in variants],
    }
