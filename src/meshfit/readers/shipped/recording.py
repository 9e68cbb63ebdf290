"""Recording what a class is for every config like one: the source reader runs over symbols, its decisions are kept."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any, Final, NamedTuple

from meshfit.readers.shipped.expressions import UNSURE, Expr, Unanswered, evaluate
from meshfit.readers.shipped.guards import kinds_of, leaves, loops_in, pinned, sequence
from meshfit.readers.shipped.recorder import Recorder, bare, expression, settled, told
from meshfit.readers.shipped.settling import CLASS, LAYERS
from meshfit.readers.shipped.symbols import SymbolicDict, SymbolicLayer
from meshfit.readers.source import configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.facts import experts_are_exchangeable, tree_facts
from meshfit.readers.source.forward import body_gathers
from meshfit.readers.source.frames import Frame
from meshfit.readers.source.index import ClassSource
from meshfit.readers.source.values import UNKNOWN, ConfigObject, Dim, Symbolic
from meshfit.structure import Conversion, ModuleInfo

__all__ = [
    "Group",
    "SymbolicConfig",
    "encode",
    "fixed",
    "general",
    "guard_of",
    "is_plain",
    "leads",
    "plain_tree",
    "record_model",
]

_PLAIN: Final = (bool, int, float, str)
ROPE: Final = "rope_parameters"
_NUMBERED: Final = re.compile(r"(\w*[a-z_])(\d+)\b")
_STAGES: Final = 4
"""Numbers that a class may well write into names by hand."""


class Group(NamedTuple):
    """Facts that hold together.

    Args:
        facts: fact -> value, sizes as expressions.
        answers: what was decided on the way.
        loops: the loops that ran, by number.
    """

    facts: dict[str, Any]
    answers: dict[Expr, Any]
    loops: list[tuple[Expr, int]]


class SymbolicConfig(ConfigObject):
    """A configuration whose values are symbols."""

    values: SymbolicDict
    base_apart: bool = False
    reached: bool = False
    handed: Mapping[str, Any] = {}

    def __init__(self, config: ConfigObject, path: tuple[str, ...] = ()) -> None:
        parts = {
            name: SymbolicConfig(part, (*path, name)) if isinstance(part, ConfigObject) else part
            for name, part in config.values.items()
        }
        self.path = path
        super().__init__(config.cls, SymbolicDict(parts, ("k", *path)), dict(config.per_layer))

    def by_base(self, rest: Mapping[str, Any]) -> bool:
        """Whether the base class has its turn; that it was called is remembered, and with what."""
        self.reached = True
        self.handed = dict(rest)
        return not self.base_apart

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "values" and not isinstance(value, SymbolicDict):
            kept = self.values.copy()
            kept.own = dict(value)
            value = kept
        super().__setattr__(name, value)

    def copy(self) -> SymbolicConfig:
        """A copy that keeps account of itself too, its parts shared."""
        made = SymbolicConfig(ConfigObject(self.cls, {}, dict(self.per_layer)), self.path)
        made.values = self.values.copy()
        return made

    def layer(self, index: int) -> Any:
        """The configuration of one layer, whether anything of it differs or not."""
        made = SymbolicConfig(ConfigObject(self.cls), self.path)
        made.values = SymbolicLayer(self.values, self.per_layer.get(bare(index), {}), expression(index))
        return made

    def deep_copy(self, _copied: Any) -> ConfigObject:
        """A copy whose parts are copies."""
        made = self.copy()
        for name in made.values.names():
            part = made.values.raw(name)
            if isinstance(part, ConfigObject):
                made.values.own[name] = part.deep_copy(_copied)
        return made


def plain_tree(config: ConfigObject) -> dict[str, Any]:
    """The values of a configuration and its parts as mappings, each with the name of its class."""
    layers = {str(index): dict(changes) for index, changes in config.per_layer.items()}
    tree: dict[str, Any] = {CLASS: config.cls.name, LAYERS: layers if is_plain(layers) else UNSURE}
    for name, value in config.values.items():
        if isinstance(value, ConfigObject):
            tree[name] = plain_tree(value)
        elif is_plain(value):
            tree[name] = value
    return tree


def is_plain(value: Any) -> bool:
    """Whether JSON holds a value as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def record_model(cls: ClassSource, config: ConfigObject) -> dict[str, Group]:
    """Everything the reader finds of `cls(config)`, by the analysis that finds it.

    Args:
        cls: a class of transformers.
        config: its configuration, as its own class has settled it.
    """
    recorder = Recorder()
    groups: dict[str, Group] = {}
    with recorder:
        symbolic = SymbolicConfig(config)
        told(("k", CLASS), config.cls.name)
        text = configs.text_config(symbolic)
        model = Evaluator().model(cls, symbolic)
        frame = Frame(Evaluator(), cls.module)
        facts = tree_facts(frame, cls, model, text if isinstance(text, ConfigObject) else None)
        facts["@exchangeable"] = experts_are_exchangeable(model)
        facts["@text"] = list(text.path) if isinstance(text, SymbolicConfig) else None
        for part in _parts(symbolic):
            told(("k", *part.path, CLASS), part.cls.name)
        facts["@written"] = _written(symbolic)
        encoded = {name: encode(value) for name, value in facts.items() if value is not UNKNOWN}
        groups["tree"] = Group(encoded, dict(recorder.answers), list(recorder.loops))
        gathers = body_gathers(model)
        for gather in dict.fromkeys(gathers.values()):
            recorder.answers = {}
            names = [name for name, one in gathers.items() if one is gather]
            found = {name: encode(value) for name, value in gather().items() if value is not UNKNOWN}
            groups[names[0]] = Group(found, {**groups["tree"].answers, **recorder.answers}, list(recorder.loops))
    return groups


def _written(config: SymbolicConfig) -> dict[str, Any]:
    """What the model's constructor sets in its config, and is a plain value; None where it is not."""
    found = {}
    for part in (config, *_parts(config)):
        for name, value in part.values.own.items():
            if not name.startswith("_attn") and not isinstance(value, ConfigObject):
                found[".".join((*part.path, name))] = [value] if value is None or type(value) in _PLAIN else None
    return found


def _parts(config: SymbolicConfig) -> Iterator[SymbolicConfig]:
    for name in config.values.names():
        part = config.values.raw(name)
        if isinstance(part, SymbolicConfig):
            yield part
            yield from _parts(part)


def encode(value: Any) -> Any:
    """A fact as it is stored: tuples, sizes as numbers or expressions."""
    if isinstance(value, Conversion):
        return (encode(value.targets), encode(value.operations))
    if isinstance(value, ModuleInfo):
        name, count = value.heads or (None, None)
        return (expression(value.kind), expression(value.width), name, expression(count))
    if isinstance(value, Symbolic):
        return settled(value) if isinstance(value, str) else expression(value)
    if isinstance(value, Dim):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return tuple(sorted(encode(item) for item in value))
    if isinstance(value, list | tuple):
        return tuple(encode(item) for item in value)
    return value


def guard_of(
    group: Group, values: Mapping[str, Any], dropped: frozenset[Expr] = frozenset(), *, halves: bool = False
) -> tuple[Any, Any]:
    """The guard of a recording: its answers, and its loops by what told their numbers apart.

    Args:
        group: what was recorded.
        values: the plain values it was recorded for.
        dropped: expressions whose answers make no difference.
        halves: whether it matters in which half of the layers a kind appears.
    """
    exact = pinned(tuple(group.facts.values()), group.loops)
    for expr in group.answers:
        used = set(loops_in(expr))
        if len(used) > 1:
            exact |= used
    for count, _ in group.loops:
        exact |= set(loops_in(count))
    answers: dict[Expr, Any] = {}
    questions: dict[Any, dict[Expr, None]] = {}
    for expr, answer in group.answers.items():
        used = set(loops_in(expr)) - exact
        if expr in dropped:
            continue
        if used:
            questions.setdefault(used.pop(), {})[general(fixed(expr, exact))] = None
        else:
            answers[fixed(expr, exact)] = answer
    loops = []
    for number, (count, times) in enumerate(group.loops):
        counted = fixed(count, exact)
        if number in exact:
            answers[counted] = times
        elif number in questions:
            loops.append((counted, tuple(questions[number]), times))
        else:
            answers[("<", min(times, 2) - 1, counted)] = True
            if times < 2:
                answers[("<", times, counted)] = False
    loops.extend(_by_position(answers, values))
    settled_loops = []
    for count, asked, times in loops:
        loop = (count, asked, sequence(kinds_of(asked, times, values), halves=halves), halves)
        if loop not in settled_loops:
            settled_loops.append(loop)
    return [(expr, answer) for expr, answer in answers.items() if leads(expr) and not _rotary(expr)], settled_loops


def _by_position(answers: dict[Expr, Any], values: Mapping[str, Any]) -> Iterator[tuple[Expr, tuple[Expr, ...], int]]:
    """Questions that were asked of every item of a list, as a loop over it; they leave the answers."""
    found: dict[Expr, dict[Expr, list[Expr]]] = {}
    for expr in answers:
        places = set(_places(expr))
        if len(places) == 1:
            holder, _ = places.pop()
            found.setdefault(holder, {}).setdefault(_placeless(expr, holder), []).append(expr)
    for holder, questions in found.items():
        try:
            count = len(evaluate(holder, values))
        except (Unanswered, TypeError):
            continue
        asked = [question for question, exprs in questions.items() if len(exprs) > 1 or question[0] != "type"]
        if count > 1 and any(len(exprs) == count for exprs in questions.values()):
            for exprs in questions.values():
                for expr in exprs:
                    answers.pop(expr)
            yield ("len", holder), tuple(asked), count


def _places(expr: Expr) -> Iterator[tuple[Expr, int]]:
    """The items of lists, by number, that an expression reads."""
    if isinstance(expr, tuple) and expr:
        if expr[0] == "at" and type(expr[2]) is int and expr[2] >= 0 and leads(expr[1]):
            yield expr[1], expr[2]
        else:
            for part in expr[1:]:
                yield from _places(part)


def _placeless(expr: Expr, holder: Expr) -> Expr:
    if not isinstance(expr, tuple):
        return expr
    if expr[0] == "at" and expr[1] == holder and type(expr[2]) is int:
        return ("at", holder, ("i",))
    return tuple(_placeless(part, holder) for part in expr)


def counted_names(value: Any) -> bool:
    """Whether names in a fact were numbered by a loop (`expert_0` to `expert_127`): another count gives others."""
    numbers: dict[str, set[str]] = {}
    for prefix, number in _NUMBERED.findall(repr(value)):
        numbers.setdefault(prefix, set()).add(number)
    return any(len(found) > _STAGES for found in numbers.values())


def _rotary(expr: Expr) -> bool:
    """Whether a decision was taken from parameters of the rotary embedding alone: they make no other modules."""
    return all(ROPE in path[:-1] for path in leaves(expr))


def leads(expr: Expr) -> bool:
    """Whether an expression reads anything of the config."""
    return isinstance(expr, tuple) and (expr[0] in ("k", "has", "i") or any(map(leads, expr[1:])))


def fixed(expr: Any, loops: Container[int]) -> Any:
    """The same with the numbers of some loops as they were."""
    if isinstance(expr, tuple):
        if len(expr) == 3 and expr[0] == "i":
            return expr[2] if expr[1] in loops else expr
        return tuple(fixed(part, loops) for part in expr)
    if isinstance(expr, dict):
        return {key: fixed(part, loops) for key, part in expr.items()}
    return expr


def general(expr: Expr) -> Expr:
    """The question itself, whatever number it was asked of."""
    if isinstance(expr, tuple):
        return ("i",) if len(expr) == 3 and expr[0] == "i" else tuple(map(general, expr))
    return expr
