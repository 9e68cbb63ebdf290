"""The registry of rules: how one is declared, found and ordered."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Final

from meshfit.facts import ModelFacts, Origin
from meshfit.mesh import AXES, MeshSpec
from meshfit.report import Consequence, Severity

__all__ = ["ENGINES", "Finding", "Rule", "add_rule", "all_rules", "engine_names", "find_rules", "rule", "rules_for"]

ENGINES: Final = ("generic", "nemo", "transformers", "accelerate", "torchtitan", "megatron", "vllm")
"""The engines meshfit knows, in the order help texts list them."""


class Finding:
    """What a rule yields: the part of a violation that the rule itself knows.

    Args:
        message: why the mesh is refused, with both numbers where numbers disagree.
        help: what to do instead, besides using one of the alternatives; empty only where there are some.
        alternatives: sizes of the rule's axis that would satisfy it, ascending, 1 included.
        facts: names of the facts the verdict rests on; their origins go into the violation.
        origins: further places to point at.
        consequence: where it differs from the rule's own.
    """

    __slots__ = ("alternatives", "consequence", "facts", "help", "message", "origins")

    def __init__(
        self,
        message: str,
        help: str,  # noqa: A002 - as the violation has it
        alternatives: tuple[int, ...] = (),
        facts: tuple[str, ...] = (),
        origins: tuple[Origin, ...] = (),
        consequence: Consequence | None = None,
    ) -> None:
        self.message: str = message
        self.help: str = help
        self.alternatives: tuple[int, ...] = alternatives
        self.facts: tuple[str, ...] = facts
        self.origins: tuple[Origin, ...] = origins
        self.consequence: Consequence | None = consequence


Judge = Callable[[ModelFacts, MeshSpec], Iterable[Finding]]


class Rule:
    """A judgement with its identity.

    Args:
        code: two or three letters and three digits (`TP002`). Engines that enforce one requirement differently share
            its code: there is one `Rule` for each way, and no engine has two of the same code.
        slug: the same in words (`tp-kv-heads`).
        axis: the axis it judges, run when that axis is larger than 1; `mesh` rules always run.
        engines: who enforces it.
        size_free: the verdict is the same for every size above 1 of the axis, so it decides `supports_<axis>`.
        judge: `(facts, mesh) -> findings`, pure.
    """

    __slots__ = ("axis", "code", "consequence", "engines", "judge", "severity", "size_free", "slug")

    def __init__(
        self,
        code: str,
        slug: str,
        axis: str,
        engines: tuple[str, ...],
        consequence: Consequence,
        severity: Severity,
        size_free: bool,
        judge: Judge,
    ) -> None:
        self.code: str = code
        self.slug: str = slug
        self.axis: str = axis
        self.engines: tuple[str, ...] = engines
        self.consequence: Consequence = consequence
        self.severity: Severity = severity
        self.size_free: bool = size_free
        self.judge: Judge = judge

    @property
    def doc(self) -> str:
        """The judge's docstring: the formula, why, and the source."""
        return self.judge.__doc__ or ""


_RULES: list[Rule] = []
_SELECTED: dict[tuple[str, str], tuple[Rule, ...]] = {}


def add_rule(new: Rule) -> None:
    """Register a rule.

    Raises:
        ValueError: its axis is unknown, its code has another slug or axis already, or an engine has that code already.
    """
    if new.axis not in (*AXES, "mesh"):
        raise ValueError(f"rule {new.code}: unknown axis {new.axis!r}")
    for old in [rule for rule in _RULES if rule.code == new.code or rule.slug == new.slug]:
        if (old.code == new.code) != (old.slug == new.slug) or (old.code == new.code and old.axis != new.axis):
            raise ValueError(f"rule {new.code} ({new.slug}) clashes with {old.code} ({old.slug})")
        shared = set(old.engines) & set(new.engines) if old.code == new.code else ()
        if shared:
            raise ValueError(f"rule {new.code} ({new.slug}) is already enforced by {', '.join(sorted(shared))}")
    insort(_RULES, new, key=lambda rule: rule.code)
    _SELECTED.clear()


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


def rules_for(engine: str, axis: str) -> tuple[Rule, ...]:
    """The rules of one engine for one axis, by code; the first call loads them and other packages'."""
    selected = _SELECTED.get((engine, axis))
    if selected is None:
        from meshfit.rules.loading import load

        load(engine, axis)
        selected = tuple(rule for rule in _RULES if rule.axis == axis and engine in rule.engines)
        _SELECTED[engine, axis] = selected
    return selected


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    from meshfit.rules.loading import load

    load()
    return tuple(_RULES)


def find_rules(name: str) -> tuple[Rule, ...]:
    """The rules with that code or slug, letter case ignored: one for each way engines enforce it; empty if unknown."""
    wanted = name.lower()
    return tuple(rule for rule in all_rules() if wanted in (rule.code.lower(), rule.slug))


def engine_names() -> tuple[str, ...]:
    """The engines meshfit knows and those that installed packages name under `meshfit.engines`."""
    from meshfit.rules.entry_points import advertised

    named = (entry.name for entry in advertised("meshfit.engines"))
    return (*ENGINES, *sorted(set(named) - set(ENGINES)))
