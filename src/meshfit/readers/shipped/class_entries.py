"""Recording model classes: the facts of a class, each with the guard it holds under, in as many ways as matter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from meshfit.readers.shipped.expressions import Expr, Unanswered, evaluate, same
from meshfit.readers.shipped.flips import Path, decided_keys, others
from meshfit.readers.shipped.guards import leaves, loops_in
from meshfit.readers.shipped.recording import (
    Group,
    counted_names,
    fixed,
    guard_of,
    plain_tree,
    record_model,
)
from meshfit.readers.shipped.settling import CLASS
from meshfit.readers.shipped.texts import KINDS
from meshfit.readers.source import configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.index import ClassSource
from meshfit.readers.source.values import ConfigObject

__all__ = ["class_variants"]

_PIPELINE: Final = "pipeline_faults"
_ROPE: Final = "rope_parameters"
_ROPES: Final[tuple[Mapping[str, Any], ...]] = (
    {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0},
    {"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_type": "default"}},
)
"""Other rotary embeddings, flat and by kind of layer."""
_LAYERS: Final = "num_hidden_layers"
_FEW: Final = 4
_LOOP: Final = re.compile(r"\('i', \d+")
_ADOPTED: Final = 6
"""Questions that one way of deciding asks more than the other, at most."""
_MOST: Final = 24
"""Recordings of one class."""


Flip = tuple[Path, Any]
"""A value of the config and what it is changed to."""
Idle = dict[tuple[str, bool, str], frozenset[Expr]]
"""Configuration class, whether the model has a head, what was changed -> the decisions that change nothing."""


class _Run(NamedTuple):
    """One recording: its groups, and the config it is of."""

    groups: dict[str, Group]
    values: Mapping[str, Any]


def class_variants(
    cls: ClassSource, config: ConfigObject, kinds: Mapping[str, str], always: frozenset[str], idle: Idle
) -> list[Any]:
    """The facts of a class, grouped by guard: `[[guard, facts], ...]`; of several that hold, the first counts.

    Args:
        cls: a class of transformers.
        config: the default configuration of its class.
        kinds: name of an activation -> its class.
        always: facts that hold without a guard, and are kept elsewhere.
        idle: values that made no difference to other classes of the same configuration; those found here are added.
    """
    base = _run(cls, config, kinds)
    if base is None:
        return []
    short = _shortened(config)
    fewer = None if short is None else _run(cls, short, kinds)
    if short is not None and fewer is not None and _alike(base, fewer):
        base, config = fewer, short
    found = _Found(cls, config, kinds, base, idle)
    apart, together = _sorted(list(_flips(base, config)), base)
    for flips in together:
        if not found.try_all(flips):
            apart.extend(flip for flip in flips if _of_text(flip[0], base))
    for flip in apart[:_MOST]:
        found.try_one(flip)
    dropped, fitting = found.dropped, found.fitting
    told = list(_grouped(base, dropped, None))
    for path, run in fitting:
        told.extend(_grouped(run, dropped, base, path))
    for _, facts in told:
        for fact in [fact for fact, value in facts.items() if fact in always or counted_names(value)]:
            del facts[fact]
    return [[guard, facts] for guard, facts in told if facts]


class _Found:
    """What trying other values tells of a class: decisions that change nothing, and recordings that differ.

    Args:
        cls, config, kinds: as `class_variants` has them.
        base: the recording that others are held against.
        idle: as `class_variants` has it.
    """

    def __init__(
        self, cls: ClassSource, config: ConfigObject, kinds: Mapping[str, str], base: _Run, idle: Idle
    ) -> None:
        self.dropped: dict[str, set[Expr]] = {}
        self.fitting: list[tuple[Path, _Run]] = []
        self._cls, self._config, self._kinds, self._base, self._idle = cls, config, kinds, base, idle
        self._counts = _counted(base)
        self._headed = base.groups["tree"].facts.get("head_name") is not None

    def try_one(self, flip: Flip) -> None:
        """Change one value, and keep the recording where it differs."""
        run = self._tried([flip])
        if run is not None:
            self.fitting.append((flip[0], run))

    def try_all(self, flips: list[Flip]) -> bool:
        """Change several values at once; whether that made no difference to any fact."""
        return not flips or self._tried(flips) is None

    def _tried(self, flips: list[Flip]) -> _Run | None:
        """The recording with the values changed; None where it differs in nothing, or cannot be made."""
        name = (self._config.cls.name, self._headed, repr(flips))
        if name in self._idle:
            for group in self._base.groups.values():
                free = self._idle[name].intersection(group.answers)
                for fact in group.facts if free else ():
                    self.dropped.setdefault(fact, set()).update(free)
            return None
        config = self._config
        for path, other in flips:
            config = _with(config, path, other)
        run = _run(self._cls, config, self._kinds)
        if run is None:
            return None
        if any(isinstance(other, list) or path in self._counts for path, other in flips):
            return run  # other layers, or one of what is counted, are another case even where they say the same
        same_either_way = _compare(self._base, run, [path for path, _ in flips], self.dropped)
        if same_either_way is None:
            return run
        self._idle[name] = same_either_way
        return None


def _sorted(flips: list[Flip], base: _Run) -> tuple[list[Flip], list[list[Flip]]]:
    """The changes to try one by one, and those to try together: they seldom matter, or describe no text model."""
    apart: list[Flip] = []
    together: list[list[Flip]] = [[], []]
    counted = _counted(base)
    for path, other in flips:
        seen = {known for known, _ in together[0]}
        major = isinstance(other, bool) and not path[-1].startswith(("output_", "use_cache"))
        if _of_text(path, base) and (major or path[-1] in ("num_key_value_heads", "head_dim")):
            apart.append((path, other))
        elif isinstance(other, list):
            if not other or _of_text(path, base):
                apart.append((path, other))
        elif path in counted:
            if _of_text(path, base):
                apart.append((path, other))
        elif path not in seen:
            together[0].append((path, other))
        elif _ROPE in path:
            together[1].append((path, other))
        elif _of_text(path, base):
            apart.append((path, other))
    return apart, together


def _of_text(path: Path, base: _Run) -> bool:
    """Whether a value belongs to the text model, or to the whole."""
    text = tuple(base.groups["tree"].facts.get("@text") or ())
    inside = base.values.get(path[0])
    return not (isinstance(inside, Mapping) and CLASS in inside) or path[: len(text)] == text != ()


def _shortened(config: ConfigObject) -> ConfigObject | None:
    """The configuration with few layers, its parts too; None where it has no more, or lists what they are."""
    made = config.copy()
    changed = False
    for name, value in config.values.items():
        if isinstance(value, ConfigObject):
            part = _shortened(value)
            if part is not None:
                made.values[name], changed = part, True
    key = configs.mapped(Frame(Evaluator(), config.cls.module), config, _LAYERS)
    layers = config.values.get(key)
    listed = any(isinstance(value, list | tuple) and len(value) == layers for value in config.values.values())
    if type(layers) is int and layers > _FEW and not listed:
        made.values[key], changed = _FEW, True
    return made if changed else None


def _alike(left: _Run, right: _Run) -> bool:
    """Whether two recordings say the same of the same kinds of layers, however many there are."""
    if left.groups.keys() != right.groups.keys():
        return False
    for name, group in left.groups.items():
        other = right.groups[name]
        if group.facts != other.facts and _numberless(group.facts) != _numberless(other.facts):
            return False
        guards = [guard_of(one, run.values, halves=True)[1] for one, run in ((group, left), (other, right))]
        if guards[0] != guards[1]:
            return False
    return True


def _numberless(value: Any) -> str:
    """A value with the numbers of its loops left out, which count differently."""
    return _LOOP.sub("('i'", repr(value))


def _run(cls: ClassSource, config: ConfigObject, kinds: Mapping[str, str]) -> _Run | None:
    try:
        return _Run(record_model(cls, config), {**plain_tree(config), KINDS: kinds})
    except (RaisedError, BudgetError, RecursionError):
        return None


def _flips(base: _Run, config: ConfigObject) -> Iterator[tuple[Path, Any]]:
    """Values that take a decision the other way, one at a time."""
    answers = {expr: answer for group in base.groups.values() for expr, answer in group.answers.items()}
    for path, exprs in decided_keys(answers).items():
        if _ROPE in path:
            continue
        for other in others(path, answers, exprs, base.values, _hint(config, path)):
            yield path, other
    for path in _counted(base):
        yield path, 1
    ropes = dict.fromkeys(path[: path.index(_ROPE) + 1] for path in decided_keys(answers) if _ROPE in path)
    for path in ropes:
        for rope in _ROPES:
            yield path, dict(rope)


def _counted(run: _Run) -> dict[Path, None]:
    """What is counted to more than one, besides layers: where there is one, nothing follows another."""
    loops = [loop for group in run.groups.values() for loop in group.loops]
    counts = (count for count, times in loops if count[0] == "k" and times > 1)
    return dict.fromkeys(count[1:] for count in counts if "layers" not in count[-1])


def _hint(config: ConfigObject, path: Path) -> str:
    for part in path[:-1]:
        inner = config.values.get(part)
        if not isinstance(inner, ConfigObject):
            return ""
        config = inner
    found = config.cls.find(path[-1])
    return ast.unparse(found[0].annotation) if found is not None and isinstance(found[0], ast.AnnAssign) else ""


def _with(config: ConfigObject, path: Path, value: Any) -> ConfigObject:
    """The configuration with one value replaced."""
    made = config.copy()
    name, *rest = path
    inner = made.values.get(name)
    if rest and isinstance(inner, ConfigObject):
        made.values[name] = _with(inner, tuple(rest), value)
    elif rest:
        made.values[name] = {**(inner if isinstance(inner, dict) else {}), rest[0]: value}
    else:
        made.values[name] = value
    return made


def _compare(base: _Run, run: _Run, paths: list[Path], dropped: dict[str, set[Expr]]) -> frozenset[Expr] | None:
    """Find the decisions that make no difference to a fact: it is the same either way, and nothing else was asked.

    Returns:
        The decisions that make no difference to any fact; None where there is one that differs.
    """
    whole: set[Expr] = set()
    idle = True
    for name, group in base.groups.items():
        other = run.groups[name]
        news = [
            expr
            for expr, answer in other.answers.items()
            if (expr not in group.answers or not same(group.answers[expr], answer)) and not _of(expr, *paths)
        ]
        extra = {expr: other.answers[expr] for expr in news if expr not in group.answers}
        if len(extra) > _ADOPTED or not all(_holds(expr, answer, base.values) for expr, answer in extra.items()):
            idle = False
            continue
        idle = idle and not extra
        group.answers.update(extra)  # asked one way only, and answered: now it is asked of both
        either = (*group.answers, *other.answers)
        free = {e for e in either if _of(e, *paths) and not _agree(e, group.answers, other.answers)} | set(news)
        whole |= free
        idle = idle and group.facts.keys() == other.facts.keys()
        for fact, value in group.facts.items():
            if fact in other.facts and other.facts[fact] == value and not set(loops_in(value)):
                dropped.setdefault(fact, set()).update(free)
            else:
                idle = False
    return frozenset(whole) if idle else None


def _holds(expr: Expr, answer: Any, values: Mapping[str, Any]) -> bool:
    try:
        return not set(loops_in(expr)) and same(evaluate(expr, values), answer)
    except Unanswered:
        return False


def _agree(expr: Expr, left: Mapping[Expr, Any], right: Mapping[Expr, Any]) -> bool:
    return expr in left and expr in right and same(left[expr], right[expr])


def _of(expr: Expr, *paths: Path) -> bool:
    """Whether a decision was taken from these values alone; one of the rotary embedding's parameters means them all."""
    ends = [path[: path.index(_ROPE) + 1] if _ROPE in path else path for path in paths]
    return all(any(leaf[: len(end)] == end for end in ends) for leaf in leaves(expr))


def _grouped(run: _Run, dropped: Mapping[str, set[Expr]], base: _Run | None, path: Path | None = None) -> Iterator[Any]:
    """The facts of a recording by guard; beside a base recording, those that differ from its."""
    for name, group in run.groups.items():
        by_guard: dict[frozenset[Expr], dict[str, Any]] = {}
        for fact, value in group.facts.items():
            free = frozenset(expr for expr in dropped.get(fact, ()) if expr in group.answers)
            if base is not None and base.groups[name].facts.get(fact) == value and _covered(free, group, path):
                continue
            by_guard.setdefault(free, {})[fact] = value
        for free, facts in by_guard.items():
            part = Group(facts, group.answers, group.loops)
            guard = guard_of(part, run.values, free, halves=name == _PIPELINE)
            yield [guard, fixed(facts, range(len(group.loops)))]


def _covered(free: frozenset[Expr], group: Group, path: Path | None) -> bool:
    """Whether the base recording's guard leaves the changed value free, so that it stands for this recording too."""
    return (
        path is not None
        and not any(count == ("k", *path) for count, _ in group.loops)
        and all(
            expr in free
            for expr, answer in group.answers.items()
            if _of(expr, path) and expr[0] not in ("has", "type", "number")
        )
    )
