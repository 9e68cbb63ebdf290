"""Recording configuration classes: fields, defaults, parts, and what a class's own `__post_init__` makes of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from meshfit.readers.config_view import ABSENT, EXPERT_COUNTS, ConfigView, view_facts
from meshfit.readers.shipped.flips import changed, decided_keys, others
from meshfit.readers.shipped.guards import kinds_of
from meshfit.readers.shipped.recorder import Recorder, expression
from meshfit.readers.shipped.recording import (
    Group,
    SymbolicConfig,
    fixed,
    general,
    guard_of,
    is_plain,
    leads,
    loops_in,
    plain_tree,
)
from meshfit.readers.shipped.settling import PARTS, REST
from meshfit.readers.shipped.symbols import SymbolicDict, SymbolicList
from meshfit.readers.source import attributes as at, auto, calls, configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.given import SIZES
from meshfit.readers.source.index import ClassSource, FunctionNode
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Symbolic

__all__ = ["VIEWED", "config_entry"]

_MOST: Final = 24
"""Recordings of one class's `__post_init__`."""


def _viewed() -> tuple[str, ...]:
    """The names that facts are read from."""
    seen: dict[str, None] = {}

    def read(name: str) -> Any:
        seen[name] = None
        return ABSENT

    view = ConfigView(read)
    view_facts(view, view)
    return tuple(seen)


VIEWED: Final = (*_viewed(), "moe_intermediate_size", *EXPERT_COUNTS)
"""The attributes of a config that facts are read from."""


class PartEvaluator(Evaluator):
    """Builds the parts of a composite configuration apart: their own decisions are recorded with their own class."""

    def _construct(self, cls: ClassSource, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if not configs.is_config_class(cls):
            return super()._construct(cls, args, kwargs)
        recorder, Recorder.current = Recorder.current, None
        try:
            given = {name: _plain(value) for name, value in kwargs.items()}
            built = configs.build_config(Frame(Evaluator(), cls.module), cls, given)
        finally:
            Recorder.current = recorder
        part = Part(built)
        part.given = given
        return part


class _Own(SymbolicConfig):
    """A configuration whose own `__post_init__` runs; what the base class does is left to others, its parts made."""

    base_apart = True

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
        for name in _part_specs(frame, self.cls):
            part = plain.values.get(name)
            if isinstance(part, ConfigObject) and not isinstance(part, SymbolicConfig):
                self.values.own[name] = BasePart(part, (PARTS, name))
        return super().by_base(rest)


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

    def copy(self) -> Any:
        """The same keys for another function."""
        made = _Extras(dict(dict.items(self)), self.expr)
        made.own, made.gone = dict(self.own), set(self.gone)
        return made


def _plain(value: Any) -> Any:
    if isinstance(value, SymbolicList):
        return value.plain()
    if isinstance(value, SymbolicDict):
        return {name: _plain(value.raw(name)) for name in value.names()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return getattr(value, "bare", value) if isinstance(value, Symbolic) else value


class _Run(NamedTuple):
    group: Group
    values: Mapping[str, Any]
    parts: Mapping[str, Any]


def config_entry(cls: ClassSource) -> dict[str, Any] | None:
    """What the index holds of a configuration class; None where its source cannot be followed."""
    frame = Frame(Evaluator(), cls.module)
    try:
        defaults = configs.defaults(frame, cls)
    except (RaisedError, BudgetError):
        return None
    mapping = at.class_attribute(frame, cls, "attribute_map", None)
    mapping = dict(mapping) if isinstance(mapping, dict) else {}
    fields = {name: value for name, value in defaults.items() if is_plain(value)}
    kind = at.class_attribute(frame, cls, "default_rope_type", None)
    runs, base = _explored(cls, {mapping.get(name, name): value for name, value in fields.items()})
    variants = _variants(runs)
    return {
        "name": cls.name,
        "type": cls.constant("model_type"),
        "fields": fields,
        "odd": [name for name in defaults if name not in fields],
        "map": mapping,
        "variants": variants,
        "base": base,
        "after": PARTS in repr(variants),
        "parts": _part_specs(frame, cls),
        "rope_type": kind if isinstance(kind, str) else None,
        "inherited": inherited(cls),
        "setters": sorted(_setters(cls)),
        "derived": {},
        "unsure": [],
        "allows": _allowed(cls),
        "lines": _lines(cls),
    }


def _explored(cls: ClassSource, fields: Mapping[str, Any]) -> tuple[list[_Run], bool]:
    """The recordings of the class's own `__post_init__`, and whether the base class's was reached."""
    if cls.method("__post_init__") is None:
        return [], True
    waiting: list[Mapping[str, Any]] = [fields]
    known: set[str] = set()
    runs: list[_Run] = []
    base = True
    while waiting and len(runs) < _MOST:
        values = waiting.pop(0)
        run, reached = _recorded(cls, values)
        if run is None:
            continue
        base = base and reached
        guard = repr(sorted(run.group.answers.items(), key=repr))
        if guard in known:
            continue
        known.add(guard)
        runs.append(run)
        for path, exprs in decided_keys(run.group.answers).items():
            hint = _annotation(cls, path[0])
            waiting.extend(changed(values, path, one) for one in others(path, run.group.answers, exprs, values, hint))
    return runs, base


def _recorded(cls: ClassSource, values: Mapping[str, Any]) -> tuple[_Run | None, bool]:
    method = cls.method("__post_init__")
    assert method is not None
    recorder = Recorder()
    with recorder:
        config = _Own(ConfigObject(cls, dict(values)))
        config.values.declared = frozenset(values)
        extras = _Extras({}, ("k",))
        try:
            calls.run(PartEvaluator(), Bound(method, config), [], extras)
        except (RaisedError, BudgetError, RecursionError):
            return None, True
        made = {name: value for name, value in config.values.own.items() if not isinstance(value, BasePart)}
        made.update({f"{REST}{name}": value for name, value in config.handed.items()})
        for name, part in config.values.own.items():
            if isinstance(part, SymbolicConfig):
                made.update({f"{name}.{inner}": value for inner, value in part.values.own.items()})
        facts = {name: _encoded(value, recorder, values) for name, value in made.items()}
        group = Group(facts, dict(recorder.answers), list(recorder.loops))
    parts = {name: plain_tree(part) for name, part in config.values.own.items() if isinstance(part, BasePart)}
    return _Run(group, values, parts), config.reached


def _encoded(value: Any, recorder: Recorder, values: Mapping[str, Any]) -> Any:
    if isinstance(value, Part):
        return ("part", value.cls.name, dict(value.given)) if is_plain(dict(value.given)) else ("odd",)
    if isinstance(value, list | tuple) and not isinstance(value, Symbolic):
        return _told(value, recorder, values)
    if isinstance(value, dict):
        return expression(value) if is_plain(_plain(value)) else ("odd",)
    if value is UNKNOWN or not (isinstance(value, Symbolic) or is_plain(value)):
        return ("odd",)
    return expression(value)


def _told(items: Any, recorder: Recorder, values: Mapping[str, Any]) -> Any:
    """A list that a loop made: what its questions tell of each place."""
    if not is_plain([getattr(item, "bare", item) for item in items]):
        return ("odd",)
    for number in range(len(recorder.loops) - 1, -1, -1):
        count, times = recorder.loops[number]
        if times != len(items) or times == 0 or any(map(leads, map(expression, items))):
            continue
        asked = dict.fromkeys(general(expr) for expr in recorder.answers if set(loops_in(expr)) == {number})
        kinds = kinds_of(tuple(asked), times, values)
        table: dict[str, Any] = {}
        if all(table.setdefault(repr(kind), (kind, item))[1] == item for kind, item in zip(kinds, items, strict=True)):
            return ("told", count, tuple(asked), tuple(table.values()))
    return ("list", *map(expression, items))


def _variants(runs: list[_Run]) -> list[Any]:
    made = []
    for run in runs:
        group = run.group
        told = [value[1] for value in group.facts.values() if isinstance(value, tuple) and value[:1] == ("told",)]
        free = {n for n, (count, _) in enumerate(group.loops) if count in told}
        decided = {expr: answer for expr, answer in group.answers.items() if not set(loops_in(expr)) & free}
        counted = [(times if n in free else count, times) for n, (count, times) in enumerate(group.loops)]
        plain = {
            name: value
            for name, value in group.facts.items()
            if not (isinstance(value, tuple) and value[:1] == ("told",))
        }
        answers, loops = guard_of(Group(plain, decided, counted), {**run.values, PARTS: run.parts})
        exact = set(loops_in(tuple(plain.values())))
        facts = {
            name: ("k", "@odd") if value == ("odd",) else fixed(value, exact) if name in plain else value
            for name, value in group.facts.items()
        }
        made.append([[answers, loops], facts])
    return made


def _annotation(cls: ClassSource, name: str) -> str:
    found = cls.find(name)
    return ast.unparse(found[0].annotation) if found is not None and isinstance(found[0], ast.AnnAssign) else ""


def inherited(cls: ClassSource) -> dict[str, Any]:
    """What a configuration reads as where neither file nor fields say it."""
    frame = Frame(Evaluator(), cls.module)
    config = ConfigObject(cls)
    found: dict[str, Any] = {}
    for name in configs.INHERITED:
        if configs.mapped(frame, config, name) == name and not isinstance((cls.find(name) or (None,))[0], FunctionNode):
            value = configs.lookup(frame, config, name)
            if value is None or isinstance(value, bool | int | str):
                found[name] = value
    return found


def completed(config: ConfigObject) -> ConfigObject:
    """The configuration and its parts with what they inherit written out, as files repeat it."""
    made = config.copy()
    for name, value in config.values.items():
        if isinstance(value, ConfigObject):
            made.values[name] = completed(value)
    made.values = {**inherited(config.cls), **made.values}
    return made


def derived_values(cls: ClassSource, config: ConfigObject, values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that facts are read from and that are no values: properties, defaults of the base class."""
    found = {}
    for name in VIEWED:
        recorder = Recorder()
        with recorder:
            symbolic = SymbolicConfig(config)
            frame = Frame(Evaluator(), cls.module)
            if dict.__contains__(symbolic.values, configs.mapped(frame, symbolic, name)):
                continue
            value = configs.lookup(frame, symbolic, name)
            if value is at.MISSING:
                continue
            encoded = _encoded(value, recorder, values)
        run = _Run(Group({name: encoded}, dict(recorder.answers), list(recorder.loops)), values, {})
        found[name] = [[guard, made[name]] for guard, made in _variants([run])]
    return found


def _part_specs(frame: Frame, cls: ClassSource) -> dict[str, Any]:
    declared = at.class_attribute(frame, cls, "sub_configs_defaults", None)
    found = {}
    for name, spec in declared.items() if isinstance(declared, dict) else ():
        kind: str | None = None
        init: Mapping[str, Any] = {}
        optional = False
        if isinstance(spec, auto.SubConfig):
            spec, kind, init, optional = spec.config_class, spec.model_type, spec.init_kwargs, spec.optional  # noqa: PLW2901
        fixed_class = isinstance(spec, ClassSource) and configs.is_config_class(spec)
        found[name] = [spec.name if fixed_class else None, kind, dict(init), bool(optional)]
    return found


def _setters(cls: ClassSource) -> Iterator[str]:
    for owner in cls.mro:
        for node in owner.node.body:
            if isinstance(node, FunctionNode) and any(ast.unparse(d).endswith(".setter") for d in node.decorator_list):
                yield node.name


def _allowed(cls: ClassSource) -> dict[str, list[str]]:
    """The types that a class declares for a size."""
    found = {}
    for name in (*SIZES, *_mapped_sizes(cls)):
        text = _annotation(cls, name)
        if text:
            found[name] = sorted({n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)})
    return found


def _mapped_sizes(cls: ClassSource) -> list[str]:
    mapping = at.class_attribute(Frame(Evaluator(), cls.module), cls, "attribute_map", None)
    return [mapping[size] for size in SIZES if size in mapping] if isinstance(mapping, dict) else []


def _lines(cls: ClassSource) -> dict[str, list[Any]]:
    """Where the class defaults what reports point at: file, line, class."""
    found = {}
    for name in (*SIZES, *EXPERT_COUNTS, "layer_types", "sliding_window", "tie_word_embeddings", *_mapped_sizes(cls)):
        place = cls.find(name)
        if place is not None:
            statement, owner = place
            found[name] = [owner.module.path.name, getattr(statement, "lineno", None), owner.name]
    return found
