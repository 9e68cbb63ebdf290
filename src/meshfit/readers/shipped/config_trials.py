"""Holding what the index says of a configuration class against the class itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Any, Final

from meshfit.readers.config_view import ABSENT
from meshfit.readers.shipped.config_classes import completed, saved_config
from meshfit.readers.shipped.config_entries import config_entry, derived_values
from meshfit.readers.shipped.expressions import UNSURE, Unanswered, same
from meshfit.readers.shipped.recording import plain_tree
from meshfit.readers.shipped.settling import CLASS, LAYERS, REST, derived_value, settled_config
from meshfit.readers.source import configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.index import ClassSource
from meshfit.readers.source.values import ConfigObject

__all__ = ["checked_entry", "differences"]

_TRIALS: Final = 8
_SHARES: Final = (0.25, 0.5, 0.9)
"""How much of a config a trial gives."""


def checked_entry(cls: ClassSource, entry: dict[str, Any] | None) -> dict[str, Any] | None:
    """The entry with what it tells wrongly marked as unsure, and the attributes that are no values.

    Parts are held against their own entries, so only what the class itself decides is judged here.
    """
    if entry is None:
        return None
    entry = json.loads(json.dumps(entry))
    stored = {name: _stored(part) for name, part in _part_classes(cls)}

    def entries(name: str) -> Mapping[str, Any]:
        kind = name.removeprefix("type:")
        found = stored.get(name) or next((one for one in stored.values() if one and one["type"] == kind), None)
        if found is None:
            raise Unanswered
        return found  # type: ignore[no-any-return]

    unsure: dict[str, None] = {}
    for number, given in enumerate(_trials(entry, saved_config(cls))):
        try:
            real = Evaluator().config(cls, copy.deepcopy(given))
        except (RaisedError, BudgetError, RecursionError):
            if number == 0:
                return None
            continue
        tellers: dict[str, int] = {}
        told = settled_config(entry, given, entries, tellers)
        for name in differences(plain_tree(completed(real)), told):
            if not _retracted(entry, tellers, name):
                unsure[name] = None
        full = completed(real)
        if number == 0:
            entry["derived"] = json.loads(json.dumps(derived_values(cls, full, plain_tree(full))))
        for name in entry["derived"]:
            value = configs.lookup(Frame(Evaluator(), cls.module), full, name)
            answer = derived_value(entry, plain_tree(full), name)
            if answer is not UNSURE and not _alike(value, answer):
                entry["derived"][name] = []  # never told
    entry["unsure"] = sorted(name for name in unsure if CLASS not in name)
    entry["unsure"] += sorted({name.rpartition(f".{CLASS}")[0] for name in unsure if name.endswith(f".{CLASS}")})
    return entry


def _retracted(entry: Mapping[str, Any], tellers: Mapping[str, int], name: str) -> bool:
    """Take back what one recording tells wrongly of an attribute; whether one told it."""
    for told in (name, f"{REST}{'per_layer_config' if name == LAYERS else name}"):
        if told in tellers:
            entry["variants"][tellers[told]][1][told] = ["k", "@odd"]
            return True
    return False


@cache
def _stored(cls: ClassSource) -> Any:
    return json.loads(json.dumps(config_entry(cls)))


def _part_classes(cls: ClassSource) -> Iterator[tuple[str, ClassSource]]:
    """The classes of the parts of the default configuration, theirs too."""
    try:
        config = Evaluator().config(cls, {})
    except (RaisedError, BudgetError, RecursionError):
        return
    waiting = [config]
    while waiting:
        one = waiting.pop()
        parts = [part for part in one.values.values() if isinstance(part, ConfigObject)]
        yield from ((part.cls.name, part.cls) for part in parts)
        waiting.extend(parts)


def _trials(entry: Mapping[str, Any], saved: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Configs that the entry is held against: none given, all given, as saved, in parts, of other sizes."""
    fields = entry["fields"]
    numbers = {name: value for name, value in fields.items() if type(value) is int and value > 1}
    yield {}
    yield copy.deepcopy({name: value for name, value in fields.items() if value is not None})
    if "num_hidden_layers" in numbers:
        yield {"num_hidden_layers": 5}
        yield {"num_hidden_layers": numbers["num_hidden_layers"] + 1}
    yield {name: value * 2 for name, value in numbers.items() if "size" in name or "head" in name}
    yield {name: not value for name, value in fields.items() if isinstance(value, bool)}
    yield {name: {} for name in entry["parts"]}
    if saved is None:
        return
    yield copy.deepcopy(dict(saved))
    chance = Random(entry["name"])  # noqa: S311 - no secret, and the same index each time
    for _ in range(_TRIALS):
        yield copy.deepcopy({name: value for name, value in saved.items() if chance.random() < chance.choice(_SHARES)})
        given = {name: value for name, value in saved.items() if chance.random() < chance.choice(_SHARES)}
        yield copy.deepcopy({**given, **_halved(numbers, chance)})


def _halved(numbers: Mapping[str, int], chance: Random) -> dict[str, int]:
    """Some of the numbers, smaller or larger."""
    some = {name: value for name, value in numbers.items() if chance.random() < _SHARES[0]}
    return {name: chance.choice((max(value // 2, 1), value * 2)) for name, value in some.items()}


def differences(real: Mapping[str, Any], told: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Where what the index makes of a config differs from what the class does: dotted names."""
    for name in dict.fromkeys((*real, *told)):
        left, right = real.get(name, ABSENT), told.get(name, ABSENT)
        if right is UNSURE:
            continue
        if isinstance(left, Mapping) and isinstance(right, Mapping) and CLASS in left and CLASS in right:
            yield from differences(left, right, f"{path}{name}.")
        elif not _alike(left, right):
            yield f"{path}{name}"


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_alike, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_alike(left[name], right[name]) for name in left)
    return same(left, right)
