"""Examples of rules: the least that a rule must know to refuse a mesh, and what it then says.

A rule that lacks a fact is silent, so an example holds the facts of its rule and no others: it breaks that rule alone.
The message is not written down anywhere: it comes from judging the example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Violation
from meshfit.rules.judge import judge
from meshfit.rules.registry import Rule

__all__ = ["Example", "broken", "example_of", "examples"]

_MODULES: Final = ("tensor_examples", "other_examples", "engine_examples", "executed_examples")
"""The modules of this package that hold examples, loaded when one is asked for."""


class Example(NamedTuple):
    """One model and one mesh that break one rule.

    Args:
        code, engine: the rule, and under which engine it is broken.
        mesh: as `MeshSpec.parse` reads it.
        given: the facts in words, as a reader would find them in a config or a class.
        facts: the same for the rule.
        settings: what the mesh says beside its sizes.
    """

    code: str
    engine: str
    mesh: str
    given: str
    facts: Mapping[str, Any] = MappingProxyType({})
    settings: Mapping[str, Any] = MappingProxyType({})


def examples() -> tuple[Example, ...]:
    """Every example, in the order of the files that hold them."""
    return tuple(e for name in _MODULES for e in import_module(f"meshfit.rules.{name}").EXAMPLES)


def example_of(rule: Rule) -> Example | None:
    """The first example of the rule's code under one of its engines; rules of other packages may have none."""
    return next((e for e in examples() if e.code == rule.code and e.engine in rule.engines), None)


def broken(example: Example) -> Violation:
    """What the rule says of its example.

    Raises:
        ValueError: the example does not break its rule.
    """
    mesh = replace(MeshSpec.parse(example.mesh), settings=example.settings)
    report = judge(ModelFacts(**example.facts), mesh, engine=example.engine)
    for violation in report.violations:
        if violation.code == example.code:
            return violation
    raise ValueError(f"the example of {example.code} under {example.engine} breaks {report.codes}")
