"""What a sequence, a vocabulary and a number of experts are padded to a multiple of on a mesh.

The rules hold the formulas. What the rules of a mesh ask of a length is found by asking them: the least length that
they let through is what every other is a multiple of.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lcm
from typing import Final, NamedTuple

from meshfit.facts import ModelFacts
from meshfit.fitting.search import all_divisors
from meshfit.mesh import MeshSpec
from meshfit.report import UnknownFact, Violation
from meshfit.rules.judge import axis_engine, run_rule
from meshfit.rules.padding import vocabulary_multiple
from meshfit.rules.registry import Rule, rules_for

__all__ = ["Multiples", "multiples"]

SEVERAL: Final = 3
"""Multiples of the least length that are asked about too, before it is called the one that all are multiples of."""


class Multiples(NamedTuple):
    """The multiples that a mesh needs; None where it needs none or what it needs is not known."""

    seq_len: int | None
    num_experts: int | None
    vocab_size: int | None


def multiples(facts: ModelFacts, mesh: MeshSpec, engine: str) -> Multiples:
    """The multiples that a legal mesh needs of the model's lengths.

    Args:
        facts: the model, with its world.
        mesh: a legal mesh.
        engine: who runs it.
    """
    rules = _rules(facts, mesh, engine)
    reading = [rule for rule in rules if _lacks(rule, facts.without("seq_len"), mesh, "seq_len")]
    experts = [rule for rule in rules if rule.axis == "ep"]
    return Multiples(
        seq_len=_least(lambda length: facts.replace(seq_len=length), reading, mesh),
        num_experts=_least(lambda count: _with_experts(facts, count), experts, mesh) if _has_experts(facts) else None,
        vocab_size=vocabulary_multiple(mesh, engine),
    )


def _rules(facts: ModelFacts, mesh: MeshSpec, engine: str) -> list[Rule]:
    return [rule for axis in ("mesh", *mesh.used) for rule in rules_for(axis_engine(facts, engine, axis), axis)]


def _lacks(rule: Rule, facts: ModelFacts, mesh: MeshSpec, fact: str) -> bool:
    found = list(run_rule(rule, facts, mesh))
    return any(isinstance(one, UnknownFact) and one.fact == fact for one in found)


def _least(model: Callable[[int], ModelFacts], rules: list[Rule], mesh: MeshSpec) -> int | None:
    """The least length above 1 that the rules let through, where it is what the others are multiples of."""
    if not rules:
        return None

    def passes(length: int) -> bool:
        changed = model(length)
        return not any(isinstance(one, Violation) for rule in rules for one in run_rule(rule, changed, mesh))

    sizes = [mesh.size(axis) for axis in mesh.used]
    bound = 2 * mesh.world_size * lcm(*sizes)
    least = next((length for length in all_divisors(bound) if passes(length)), None)
    if least in (None, 1) or not all(passes(least * times) for times in range(2, SEVERAL + 1)):
        return None
    return least


def _has_experts(facts: ModelFacts) -> bool:
    return facts.knows("num_experts") and bool(facts.num_experts)


def _with_experts(facts: ModelFacts, count: int) -> ModelFacts:
    """The model with so many experts: in the config, and in the tensors that hold one after the other."""
    if not facts.knows("parameters"):
        return facts.replace(num_experts=count)
    held = facts.num_experts
    shapes = {
        name: (count, *shape[1:]) if len(shape) == 3 and shape[0] == held else shape
        for name, shape in facts.parameters.items()
    }
    return facts.replace(num_experts=count, parameters=shapes)
