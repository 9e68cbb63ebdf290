"""The registry of rules: how one is declared, found and ordered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from meshfit.facts import ModelFacts, Origin
from meshfit.mesh import AXES, MeshSpec
from meshfit.report import Consequence, Severity

__all__ = ["ENGINES", "Finding", "Rule", "add_rule", "find_rule", "rule", "rules_for"]

ENGINES: Final = ("generic", "nemo", "transformers", "accelerate", "torchtitan")
"""The engines meshfit knows, in the order help texts list them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule yields: the part of a violation that the rule itself knows.

    Args:
        message: why the mesh is refused, with both numbers where numbers disagree.
        help: what to set instead.
        alternatives: sizes of the rule's axis that would satisfy it, ascending.
        facts: names of the facts the verdict rests on; their origins go into the violation.
        origins: further places to point at.
        consequence: where it differs from the rule's own.
    """

    message: str
    help: str
    alternatives: tuple[int, ...] = ()
    facts: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    consequence: Consequence | None = None


Judge = Callable[[ModelFacts, MeshSpec], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A judgement with its identity.

    Args:
        code: two or three letters and three digits (`TP002`).
        slug: the same in words (`tp-kv-heads`).
        axis: the axis it judges, run when that axis is larger than 1; `mesh` rules always run.
        engines: who enforces it.
        size_free: the verdict is the same for every size above 1 of the axis, so it decides `supports_<axis>`.
        judge: `(facts, mesh) -> findings`, pure.
    """

    code: str
    slug: str
    axis: str
    engines: tuple[str, ...]
    consequence: Consequence
    severity: Severity
    size_free: bool
    judge: Judge

    @property
    def doc(self) -> str:
        """The judge's docstring: the formula, why, and the source."""
        return self.judge.__doc__ or ""


_RULES: dict[str, Rule] = {}


def add_rule(new: Rule) -> None:
    """Register a rule. Raises ValueError when its code or slug is taken or its axis is unknown."""
    if new.axis not in (*AXES, "mesh"):
        raise ValueError(f"rule {new.code}: unknown axis {new.axis!r}")
    taken = next((old for old in _RULES.values() if old.code == new.code or old.slug == new.slug), None)
    if taken is not None:
        raise ValueError(f"rule {new.code} ({new.slug}) repeats {taken.code} ({taken.slug})")
    _RULES[new.code] = new


def rule(
    code: str,
    slug: str,
    *,
    axis: str,
    engines: tuple[str, ...],
    consequence: Consequence,
    severity: Severity = Severity.ERROR,
    size_free: bool = False,
) -> Callable[[Judge], Judge]:
    """Declare the decorated function as a rule."""

    def declare(judge: Judge) -> Judge:
        add_rule(
            Rule(
                code=code,
                slug=slug,
                axis=axis,
                engines=engines,
                consequence=consequence,
                severity=severity,
                size_free=size_free,
                judge=judge,
            )
        )
        return judge

    return declare


def find_rule(name: str) -> Rule | None:
    """The rule with that code or slug, letter case ignored."""
    wanted = name.lower()
    return next((r for r in _RULES.values() if wanted in (r.code.lower(), r.slug)), None)


def rules_for(engine: str, axis: str) -> Iterator[Rule]:
    """The rules of one engine for one axis, by code."""
    for code in sorted(_RULES):
        candidate = _RULES[code]
        if candidate.axis == axis and engine in candidate.engines:
            yield candidate


def all_rules() -> tuple[Rule, ...]:
    """Every registered rule, by code."""
    return tuple(_RULES[code] for code in sorted(_RULES))
