"""What each rule said so far, by the sizes it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from meshfit.facts import ModelFacts
from meshfit.fitting.watched import Sizes, WatchedFacts, WatchedMesh, Watcher
from meshfit.report import Severity, UnknownFact, Violation
from meshfit.rules.judge import run_rule
from meshfit.rules.registry import Rule

__all__ = ["Asked", "Outcome", "RuleMemory", "Watched"]


class Outcome(NamedTuple):
    """What one rule says of one mesh.

    Args:
        refuses: there is an error.
        warnings: the violations that are not.
        unknown: the facts it lacked.
    """

    refuses: bool
    warnings: int
    unknown: int


class Asked:
    """A point in the questions of a rule: the size it asks for next, or its outcome.

    Args:
        axis: the size that decides what comes next; None where the outcome is known, or where nobody ran the rule yet.
        answers: the size -> the point after that answer.
        outcome: None while it is not known.
    """

    __slots__ = ("answers", "axis", "outcome")

    def __init__(self) -> None:
        self.axis: str | None = None
        self.answers: dict[int, Asked] = {}
        self.outcome: Outcome | None = None


class Watched:
    """One model, asked about meshes whose sizes become known one after the other.

    Args:
        facts: the model; a world among them is not read.
        settings: what the meshes say besides sizes.
        strict: count warnings as errors.
    """

    def __init__(self, facts: ModelFacts, settings: Mapping[str, Any], *, strict: bool) -> None:
        self.watcher: Watcher = Watcher()
        self.facts: WatchedFacts = WatchedFacts(facts, self.watcher)
        self.mesh: WatchedMesh = WatchedMesh(self.watcher, settings)
        self.strict = strict


class RuleMemory:
    """One rule with one model, and what it said of each combination of the sizes that it asked for."""

    def __init__(self, rule: Rule, watched: Watched) -> None:
        self.start: Asked = Asked()
        self._rule = rule
        self._watched = watched

    def follow(self, point: Asked, sizes: Sizes) -> Asked:
        """The point that the known sizes lead to: one with an outcome, or one that asks for a size not known yet."""
        while point.outcome is None:
            axis = point.axis
            if axis is None:
                self._run(sizes)
                if point.axis is None and point.outcome is None:
                    raise self._impure()
                continue
            size = sizes.get(axis)
            if size is None:
                return point
            after = point.answers.get(size)
            if after is None:
                after = point.answers[size] = Asked()
            point = after
        return point

    def _run(self, sizes: Sizes) -> None:
        """Judge, and keep what was asked on the way."""
        watcher = self._watched.watcher
        watcher.begin(sizes)
        found = list(run_rule(self._rule, self._watched.facts, self._watched.mesh))
        point = self.start
        for axis, size in watcher.asked.items():
            if point.outcome is not None or point.axis not in (None, axis):
                raise self._impure()
            point.axis = axis
            point = point.answers.setdefault(size, Asked())
        if watcher.wanting is not None:
            point.axis = watcher.wanting
        else:
            point.outcome = self._outcome(found)

    def _impure(self) -> RuntimeError:
        return RuntimeError(f"rule {self._rule.code} ({self._rule.slug}) is no function of facts and mesh")

    def _outcome(self, found: list[Violation | UnknownFact]) -> Outcome:
        violations = [one for one in found if isinstance(one, Violation)]
        errors = sum(self._watched.strict or one.severity is Severity.ERROR for one in violations)
        return Outcome(errors > 0, len(violations) - errors, len(found) - len(violations))
