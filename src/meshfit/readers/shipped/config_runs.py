"""Recording what the code of a configuration class makes of its fields: in many ways, each attribute with its guard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from meshfit.readers.shipped.config_classes import annotation, part_specs, saved_config
from meshfit.readers.shipped.expressions import Expr, kind_of, same
from meshfit.readers.shipped.flips import Path, changed, decided_keys, others
from meshfit.readers.shipped.guards import kinds_of, leaves, loops_in
from meshfit.readers.shipped.recorder import Recorder, expression
from meshfit.readers.shipped.recording import (
    Group,
    SymbolicConfig,
    fixed,
    general,
    guard_of,
    is_plain,
    leads,
    plain_tree,
)
from meshfit.readers.shipped.settling import BASE_FIELDS, EXTRAS, PARTS, REST
from meshfit.readers.shipped.symbols import SymbolicDict, SymbolicList
from meshfit.readers.source import calls, configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.index import ClassSource
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Symbolic

__all__ = ["Run", "encoded", "explored", "variants"]

_MOST: Final = 32
"""Recordings of one class's `__post_init__`."""
_TRIES: Final = 100
"""Configs that are tried for them."""
_ABSENT: Final = object()
_SAMPLES: Final[Mapping[str, Any]] = {"int": 4, "list": [1, 2], "float": 0.5}
"""A value of each type, for fields that may be of several."""
_KEPT: Final = ("unset",)
"""What is stored of an attribute that the code leaves as it is."""
_GONE: Final = ("gone",)
"""What is stored of a key that the code does not hand on."""


class PartEvaluator(Evaluator):
    """Builds the parts of a composite configuration apart: their own decisions are recorded with their own class."""

    def _construct(self, cls: ClassSource, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if not configs.is_config_class(cls):
            return super()._construct(cls, args, kwargs)
        recorder, Recorder.current = Recorder.current, None
        try:
            given = {name: _plain(value) for name, value in kwargs.items()}
            if recorder is not None:
                recorder.forget_spread(given)
            built = configs.build_config(Frame(Evaluator(), cls.module), cls, given)
        finally:
            Recorder.current = recorder
        part = Part(built)
        part.given = given
        return part


class _Own(SymbolicConfig):
    """A configuration whose own `__post_init__` runs; what the base class does is left to others, its parts made."""

    base_apart = True
    extras: SymbolicDict | None = None

    def __init__(self, config: ConfigObject) -> None:
        super().__init__(config)
        self.replaced: dict[str, Any] = {}
        """What the class's own code gave the base class to make a part of."""

    def by_base(self, rest: Mapping[str, Any]) -> bool:
        """Make the parts, which code after the base class's turn reads."""
        recorder, Recorder.current = Recorder.current, None
        try:
            frame = Frame(Evaluator(), self.cls.module)
            plain = ConfigObject(self.cls, {name: _plain(self.values.raw(name)) for name in self.values.names()})
            plain.values.pop("layer_types", None)
            configs.build_parts(frame, plain)
        finally:
            Recorder.current = recorder
        for name in part_specs(frame, self.cls):
            part = plain.values.get(name)
            if isinstance(part, ConfigObject) and not isinstance(part, SymbolicConfig):
                if name in self.values.own:
                    self.replaced[name] = self.values.own[name]
                self.values.own[name] = BasePart(part, (PARTS, name))
        self.values.behind = self.extras
        return super().by_base(rest)

    def layer(self, index: int) -> Any:  # noqa: ARG002 - whichever it is
        """Nothing is known of layers once the base class has had its turn, which is left to others."""
        return UNKNOWN if self.reached else self


class BasePart(SymbolicConfig):
    """A part that the base class makes."""


class Part(SymbolicConfig):
    """A part that a `__post_init__` built, with what it was built from."""

    given: Mapping[str, Any] = {}


class _Extras(SymbolicDict):
    """The keys of a file that are no fields: they are handed on as they are, and asked for by name."""

    def keys(self) -> Any:
        """As a dict's; handing all of them on decides nothing."""
        return dict.fromkeys(self.names()).keys()

    def items(self) -> Any:
        """As a dict's; nor do their types."""
        recorder, Recorder.current = Recorder.current, None
        try:
            return super().items()
        finally:
            Recorder.current = recorder


def _plain(value: Any) -> Any:
    if isinstance(value, SymbolicList):
        return value.plain()
    if isinstance(value, SymbolicDict):
        return {name: _plain(value.raw(name)) for name in value.names()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return getattr(value, "bare", value) if isinstance(value, Symbolic) else value


class Run(NamedTuple):
    """One recording of a `__post_init__`: what it set, and the values and parts it was given."""

    group: Group
    values: Mapping[str, Any]
    parts: Mapping[str, Any]


def explored(cls: ClassSource, fields: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """What the class's own `__post_init__` sets, by guard, and whether the base class's was reached.

    Two configs are begun with: one that gives nothing, and one that gives everything, as saved files do.

    Args:
        cls: a configuration class.
        fields: its defaults, by the names they are kept under.
    """
    if cls.method("__post_init__") is None:
        return [], True
    found = _Exploration(cls, fields)
    found.explore()
    return list(variants(found.runs, found.loose())), found.base


class _Exploration:
    """Recordings of a class's `__post_init__`, and which values each attribute hangs on."""

    def __init__(self, cls: ClassSource, fields: Mapping[str, Any]) -> None:
        self.runs: list[Run] = []
        self.base = True
        self._cls, self._names = cls, frozenset(fields)
        self._given = [_apart(one, fields) for one in (fields, {**fields, **(saved_config(cls) or {})})]
        self._tried: set[Path] = set()
        self._bound: dict[str, set[Path]] = {}

    def explore(self) -> None:
        """Record, and follow every decision the other way, as far as there is room."""
        waiting: deque[tuple[Mapping[str, Any], Run | None, Path]] = deque()
        waiting.extend((values, None, ()) for values in self._given)
        known: set[str] = set()
        tries = 0
        while waiting and len(self.runs) < _MOST and tries < _TRIES:
            values, parent, path = waiting.popleft()
            tries += 1
            run, reached = _recorded(self._cls, values, self._names)
            if run is None:
                continue
            self.base = self.base and reached
            if parent is not None:
                self._compare(parent, run, path)
            guard = repr(sorted(run.group.answers.items(), key=repr))
            if guard in known:
                continue
            known.add(guard)
            self.runs.append(run)
            for key, exprs in decided_keys(run.group.answers).items():
                waiting.extend((_changed(values, key, one), run, key) for one in self._others(key, run, exprs))

    def loose(self) -> dict[str, frozenset[Path]]:
        """Attribute -> the values that were changed without a change of it."""
        names = {name for run in self.runs for name in run.group.facts}
        return {name: frozenset(self._tried - self._bound.get(name, set())) for name in names}

    def _compare(self, parent: Run, run: Run, path: Path) -> None:
        self._tried.add(path)
        before, after = parent.group.facts, run.group.facts
        for name in (*before, *after):
            if before.get(name, _KEPT) != after.get(name, _KEPT):
                self._bound.setdefault(name, set()).add(path)

    def _others(self, path: Path, run: Run, exprs: list[Expr]) -> Iterator[Any]:
        """Other values of a key: those that take a decision the other way, and those of the other config."""
        hint = annotation(self._cls, path[0])
        yield from others(path, run.group.answers, exprs, run.values, hint)
        if len(path) != 1 + (path[0] == EXTRAS):
            return
        now = _at(run.values, path)
        for values in self._given:
            other = _at(values, path)
            if not same(other, now) and (other is not _ABSENT or path[0] == EXTRAS):
                yield other
        for kind, sample in _SAMPLES.items():
            if kind in hint and kind != kind_of(now):
                yield sample


def _apart(values: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A config, what the class has no field for apart."""
    taken = {name: value for name, value in values.items() if name in fields or name in BASE_FIELDS}
    return {**taken, EXTRAS: {name: value for name, value in values.items() if name not in taken}}


def _at(values: Mapping[str, Any], path: Path) -> Any:
    for part in path:
        values = values.get(part, _ABSENT)
    return values


def _changed(values: Mapping[str, Any], path: Path, value: Any) -> Mapping[str, Any]:
    if value is not _ABSENT:
        return changed(values, path, value)
    return {**values, EXTRAS: {name: kept for name, kept in values[EXTRAS].items() if name != path[-1]}}


def _recorded(cls: ClassSource, values: Mapping[str, Any], fields: frozenset[str]) -> tuple[Run | None, bool]:
    method = cls.method("__post_init__")
    assert method is not None
    taken = {name: value for name, value in values.items() if name != EXTRAS}
    rest = values[EXTRAS]
    recorder = Recorder()
    with recorder:
        config = _Own(ConfigObject(cls, taken))
        config.values.declared = fields
        config.extras = _Extras(rest, ("k", EXTRAS))
        try:
            calls.run(PartEvaluator(), Bound(method, config), [], config.extras.copy())
        except (RaisedError, BudgetError, RecursionError):
            return None, True
        made = {name: value for name, value in config.values.own.items() if not isinstance(value, BasePart)}
        made.update(config.replaced)
        handed = {name: value for name, value in config.handed.items() if not _untouched(name, value, rest)}
        made.update({f"{REST}{name}": value for name, value in handed.items()})
        for name, part in config.values.own.items():
            if isinstance(part, SymbolicConfig):
                made.update({f"{name}.{inner}": value for inner, value in part.values.own.items()})
        facts = {name: encoded(value, recorder, values) for name, value in made.items()}
        if config.reached:
            facts.update({f"{REST}{name}": _GONE for name in rest if name not in config.handed})
        group = Group(facts, dict(recorder.answers), list(recorder.loops))
    parts = {name: plain_tree(part) for name, part in config.values.own.items() if isinstance(part, BasePart)}
    return Run(group, values, parts), config.reached


def _untouched(name: str, value: Any, given: Mapping[str, Any]) -> bool:
    """Whether a key is handed on as the file has it."""
    return name in given and (value is given[name] or expression(value) == ("k", EXTRAS, name))


def variants(runs: list[Run], loose: Mapping[str, frozenset[Path]]) -> Iterator[Any]:
    """The attributes of recordings by guard: `[guard, {attribute: value}]`; the first that holds counts.

    Args:
        runs: the recordings.
        loose: attribute -> the values it does not hang on.
    """
    names = dict.fromkeys(name for run in runs for name in run.group.facts)
    known: set[str] = set()
    for run in runs:
        apart: dict[frozenset[Expr], dict[str, Any]] = {}
        for name in names:
            free = loose.get(name, frozenset())
            dropped = frozenset(expr for expr in run.group.answers if free and _hangs_on(expr, free))
            apart.setdefault(dropped, {})[name] = run.group.facts.get(name, _KEPT)
        for dropped, facts in apart.items():
            guard, told = _guarded(run, facts, dropped)
            new = {name: value for name, value in told.items() if repr((guard, name)) not in known}
            known.update(repr((guard, name)) for name in new)
            if new:
                yield [guard, new]


def _hangs_on(expr: Expr, paths: frozenset[Path]) -> bool:
    """Whether an expression reads these values, and no others."""
    found = list(leaves(expr))
    return bool(found) and all(path in paths for path in found)


def _guarded(run: Run, facts: Mapping[str, Any], dropped: frozenset[Expr]) -> tuple[Any, dict[str, Any]]:
    """The guard of some attributes of a recording, and the attributes as they are stored."""
    group = run.group
    counts = [value[1] for value in group.facts.values() if _is_told(value)]
    free = {number for number, (count, _) in enumerate(group.loops) if count in counts}
    decided = {expr: answer for expr, answer in group.answers.items() if not set(loops_in(expr)) & free}
    counted = [(times if number in free else count, times) for number, (count, times) in enumerate(group.loops)]
    plain = {name: value for name, value in facts.items() if not _is_told(value)}
    guard = guard_of(Group(plain, decided, counted), {**run.values, PARTS: run.parts}, dropped)
    exact = set(loops_in(tuple(plain.values())))
    return list(guard), {
        name: ("k", "@odd") if value == ("odd",) else fixed(value, exact) if name in plain else value
        for name, value in facts.items()
    }


def _is_told(value: Any) -> bool:
    return isinstance(value, tuple) and value[:1] == ("told",)


def encoded(value: Any, recorder: Recorder, values: Mapping[str, Any]) -> Any:
    """An attribute as it is stored: an expression, a part with its class, a list told by its places, or odd."""
    if isinstance(value, Part):
        return ("part", value.cls.name, dict(value.given)) if is_plain(dict(value.given)) else ("odd",)
    if isinstance(value, list | tuple) and not isinstance(value, Symbolic):
        return _told(value, recorder, values)
    if isinstance(value, dict):
        numbered = any(isinstance(key, int) for key in dict.keys(value))  # by a loop, whose length is not in the value
        return expression(value) if is_plain(_plain(value)) and not numbered else ("odd",)
    if value is UNKNOWN or not (isinstance(value, Symbolic) or is_plain(value)):
        return ("odd",)
    return expression(value)


def _told(items: Any, recorder: Recorder, values: Mapping[str, Any]) -> Any:
    """A list that a loop made: what its questions tell of each place."""
    if not is_plain([getattr(item, "bare", item) for item in items]):
        return ("odd",)
    for number in range(len(recorder.loops) - 1, -1, -1):
        count, times = recorder.loops[number]
        if count[0] == "len" and times == len(items) and _is_copy(items, count[1], number):
            return count[1]
        if times != len(items) or times == 0 or any(map(leads, map(expression, items))):
            continue
        asked = dict.fromkeys(general(expr) for expr in recorder.answers if set(loops_in(expr)) == {number})
        kinds = kinds_of(tuple(asked), times, values)
        table: dict[str, Any] = {}
        if all(table.setdefault(repr(kind), (kind, item))[1] == item for kind, item in zip(kinds, items, strict=True)):
            return ("told", count, tuple(asked), tuple(table.values()))
    return ("list", *map(expression, items))


def _is_copy(items: Any, holder: Expr, number: int) -> bool:
    """Whether these are the items of a list, as they are."""
    return all(expression(item) == ("at", holder, ("i", number, place)) for place, item in enumerate(items))
