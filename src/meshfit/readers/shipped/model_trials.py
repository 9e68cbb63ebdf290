"""Holding what an index tells of models against their source, on configs with random values.

Which questions of the source decide a fact is found by asking it of many configs, so it may be missed. What is wrong of
any config that is tried here is not told of any.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.facts import ModelFacts
from meshfit.readers.shipped.archive import Index, Section, read_index
from meshfit.readers.shipped.config_classes import saved_config
from meshfit.readers.shipped.facts import facts_from_index
from meshfit.readers.source import auto
from meshfit.readers.source.facts import facts_from_config
from meshfit.readers.source.index import Package, find_package

__all__ = ["as_saved", "contradictions", "facts_both_ways", "random_config", "without", "wrong_facts"]

TRIALS: Final = 8
"""Configs of each class; every other one as a saved file has it, the last with every count that a class leaves open."""
_COUNTS: Final = ("_heads", "_dim", "_size", "_rank", "_budget", "_ratio")
"""Words in the names of fields that count something."""
_TEXT: Final = "@text"
"""Where the text model's config stands: all that the config itself tells hangs on it."""


def wrong_facts(path: Path, place: Path, names: Iterable[str]) -> dict[str, dict[str, bool]]:
    """The facts of these classes that an index tells otherwise than the source, of any config that is tried.

    Args:
        path: the index.
        place: the folder that holds transformers.
        names: model classes of the index.

    Returns:
        Class -> fact -> whether its first recording tells it, that of the default config, or only another one.
    """
    index, package = read_index(path), find_package("transformers", place)
    found: dict[str, dict[str, bool]] = {}
    for name in names:
        chance = Random(name)  # noqa: S311 - no secret, and the same index each time
        model = index.model(name)
        assert model is not None
        wrong: dict[str, bool] = {}
        for number in range(TRIALS):
            values = random_config(index, name, chance)
            if number == TRIALS - 1:
                values = {**_open_counts(index, name), **values}
            if number % 2 and package is not None:
                values = as_saved(values, package)
            tellers: dict[str, int] = {}
            pair = facts_both_ways(index, values, name, package, tellers)
            for fact in contradictions(*pair) if pair is not None else ():
                told = model["variants"][: tellers.get(fact, 0)]
                wrong[fact] = wrong.get(fact, False) or not any(fact in facts for _, facts in told)
        if wrong:
            found[name] = wrong
    return found


def without(section: Section, wrong: Mapping[str, Mapping[str, bool]]) -> Section:
    """The section without facts that are wrong of a class, or of another one of the same configuration.

    Those that are right of the default config, and wrong only of other ones, are left to it.
    """
    shared: dict[str, dict[str, bool]] = {}
    for name, entry in section.classes.items():
        of_config = shared.setdefault(entry["config"], {})
        for fact, first in wrong.get(name, {}).items():
            of_config[fact] = of_config.get(fact, False) or first
    classes = {}
    for name, entry in section.classes.items():
        doubted = shared[entry["config"]]
        lost = {fact for fact, first in doubted.items() if first}
        told = {fact for _, facts in entry["variants"] for fact in facts}
        if lost - told - entry["always"].keys():
            lost.add(_TEXT)
        variants = []
        seen: set[str] = set()
        for guard, facts in entry["variants"]:
            gone = lost | (seen & doubted.keys())
            variants.append([guard, {fact: value for fact, value in facts.items() if fact not in gone}])
            seen.update(facts)
        always = {fact: value for fact, value in entry["always"].items() if fact not in lost}
        classes[name] = {**entry, "always": always, "variants": [one for one in variants if one[1]]}
    return Section(classes, section.configs)


def facts_both_ways(
    index: Index,
    values: Mapping[str, Any],
    name: str | None,
    package: Package | None = None,
    tellers: dict[str, int] | None = None,
) -> tuple[ModelFacts, ModelFacts] | None:
    """The facts of a config by the index and by the source; None where one of them refuses it."""
    try:
        real = facts_from_config(values, class_name=name, package=package)
        return facts_from_index(index, values, class_name=name, tellers=tellers), real
    except TargetError:
        return None


def contradictions(known: ModelFacts, real: ModelFacts) -> Iterator[str]:
    """Facts that the index tells otherwise than the source, or that the source does not tell."""
    for fact, value in known:
        if not real.knows(fact) or getattr(real, fact) != value:
            yield fact


def random_config(index: Index, name: str, chance: Random) -> dict[str, Any]:
    """A config of a class with some values changed, as its fields allow."""
    model = index.model(name)
    assert model is not None
    entry = index.config(model["config"])
    values: dict[str, Any] = {"model_type": entry["type"], "architectures": [name]}
    for field, value in entry["fields"].items():
        if chance.random() < 0.25:
            values.update(_other(field, value, chance))
    for part in entry["parts"]:
        if chance.random() < 0.5:
            values[part] = {"hidden_size": 64 * chance.randint(1, 8), "num_attention_heads": 2 ** chance.randint(1, 3)}
    return values


def _open_counts(index: Index, name: str) -> dict[str, int]:
    """A number for each count that the class has none for by default."""
    model = index.model(name)
    assert model is not None
    fields = index.config(model["config"])["fields"]
    return {field: 4 for field, value in fields.items() if value is None and any(word in field for word in _COUNTS)}


def as_saved(values: Mapping[str, Any], package: Package) -> dict[str, Any]:
    """The config as a model that was made of it saves it: defaults and what the class derives are given too."""
    cls = auto.config_class(package, values["model_type"]) if values.get("model_type") else None
    saved = None if cls is None else saved_config(cls, copy.deepcopy(dict(values)))
    return {**values, **(saved or {})}


def _other(field: str, value: Any, chance: Random) -> dict[str, Any]:
    if isinstance(value, bool):
        return {field: not value}
    if isinstance(value, int) and value > 1:
        if field == "num_hidden_layers":
            return {field: chance.randint(1, 12)}
        return {field: value * chance.choice((1, 2, 3))} if chance.random() < 0.7 else {field: max(value // 2, 1)}
    if value is None and field in ("num_key_value_heads", "head_dim", "pad_token_id", "sliding_window"):
        return {field: chance.choice((1, 2, 4))}
    if isinstance(value, float):
        return {field: chance.choice((0.0, value, value * 2))}
    if isinstance(value, str) and field == "hidden_act":
        return {field: chance.choice(("gelu", "silu", "relu"))}
    return {}
