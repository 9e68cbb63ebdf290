"""What a configuration class makes of a `config.json`, from what the index recorded of the class."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from meshfit.readers.shipped.expressions import UNSURE, Unanswered, evaluate
from meshfit.readers.shipped.guards import first_of, holds, kinds_of
from meshfit.readers.source.base_config import current_layer_types, rope_parameters

__all__ = ["CLASS", "EXTRAS", "LAYERS", "PARTS", "REST", "Entries", "derived_value", "evaluated", "settled_config"]

CLASS: Final = "@class"
"""The key under which a part of a config names its class."""
LAYERS: Final = "@layers"
"""The key under which a config keeps what is said of single layers: number, as text -> values."""
PARTS: Final = "@parts"
"""The key under which a class's own code finds the parts that its base class made."""
EXTRAS: Final = "@rest"
"""The key under which a class's own code finds the keys of a file that are no fields."""
REST: Final = "@rest:"
"""What marks a key that a class's own code hands on to its base class."""
_KEPT: Final = ["unset"]
"""What is stored of an attribute that a class's own code leaves as it is."""
_GONE: Final = ["gone"]
"""What is stored of a key that a class's own code does not hand on."""
Entries = Callable[[str], Mapping[str, Any]]
"""Name of a configuration class, or "type:" and a model type -> its entry in the index. Raises Unanswered."""

BASE_FIELDS: Final = (
    "dtype",
    "chunk_size_feed_forward",
    "is_encoder_decoder",
    "return_dict",
    "output_hidden_states",
    "problem_type",
)
"""What the base class takes besides the fields of a class."""
_CHOICES: Final = (
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "_attn_implementation_internal",
    "_experts_implementation_internal",
)


def settled_config(
    entry: Mapping[str, Any], given: Mapping[str, Any], entries: Entries, tellers: dict[str, int] | None = None
) -> dict[str, Any]:
    """The values of `cls(**given)`, parts as mappings, each with the name of its class.

    Args:
        entry: what the index holds of the class.
        given: the decoded `config.json`, or the part of it.
        entries: finds the entries of parts.
        tellers: filled with the number of the recording that each attribute is from.
    """
    fields, aliases = entry["fields"], entry["map"]
    values = {aliases.get(name, name): copy.deepcopy(given.get(name, value)) for name, value in fields.items()}
    rest = {name: copy.deepcopy(value) for name, value in given.items() if name not in fields}
    for name in entry["odd"]:
        values[aliases.get(name, name)] = rest.pop(name, UNSURE)
    taken = {name: rest.pop(name) for name in BASE_FIELDS if name in rest}
    values.update(taken)
    patches: dict[str, Any] = {}
    if entry["variants"]:
        made = _own_part(entry, values, rest, given, entries, {} if tellers is None else tellers)
        patches = {name: value for name, value in made.items() if "." in name}
        rest = _handed(made, rest)
        values.update({n: value for n, value in made.items() if "." not in n and not n.startswith(REST)})
    if entry["base"]:
        _base_part(entry, values, rest, entries)
    for name in entry["setters"]:
        if name in values:
            values[name] = UNSURE
    for name, value in patches.items():
        _patch(values, name.split("."), value)
    for name in entry["unsure"]:
        _patch(values, name.split("."), UNSURE)
    return {CLASS: entry["name"], LAYERS: {}, **entry["inherited"], **values}


def _handed(made: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that the base class is handed: those of the file, as the class's own code has changed them."""
    found = dict(rest)
    for name, value in made.items():
        key = name.removeprefix(REST)
        if key != name and value == _GONE:
            found.pop(key, None)
        elif key != name and (value is not UNSURE or key not in found):
            found[key] = value
    return found


def _patch(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            return
        values = inner
    values[path[-1]] = value


def _own_part(
    entry: Mapping[str, Any],
    values: dict[str, Any],
    rest: dict[str, Any],
    given: Mapping[str, Any],
    entries: Entries,
    tellers: dict[str, int],
) -> dict[str, Any]:
    """What the class's own `__post_init__` sets; everything it may set is unsure where no recording fits."""
    scope = {**values, EXTRAS: rest}
    if entry["after"]:
        scope[PARTS] = _parts(entry, values, entries)
    found = _told(entry, scope, given, entries, tellers)
    replaced = {name: found[name] for name in entry["parts"] if found.get(name, _KEPT) != _KEPT}
    if entry["after"] and replaced:
        scope[PARTS] = _parts(entry, {**values, **replaced}, entries)
        found = _told(entry, scope, given, entries, tellers)
    unsure = {name: UNSURE for _, made in entry["variants"] for name in made if name not in found}
    return {name: value for name, value in {**found, **unsure}.items() if value != _KEPT}


def _parts(entry: Mapping[str, Any], values: Mapping[str, Any], entries: Entries) -> dict[str, Any]:
    """The parts as the base class makes them."""
    parts = {name: values.get(name) for name in entry["parts"]}
    _build_parts(entry, parts, entries)
    return {name: part for name, part in parts.items() if part is not None}


def _told(
    entry: Mapping[str, Any],
    scope: Mapping[str, Any],
    given: Mapping[str, Any],
    entries: Entries,
    tellers: dict[str, int],
) -> dict[str, Any]:
    """What the recordings that fit tell, the first of each attribute."""
    found: dict[str, Any] = {}
    for number, (guard, made) in enumerate(entry["variants"]):
        names = [name for name in made if name not in found]
        if names and holds(guard, scope):
            tellers.update(dict.fromkeys(names, number))
            found.update({name: _made(made[name], name, scope, given, entries) for name in names})
    return found


def _made(value: Any, name: str, scope: Mapping[str, Any], given: Mapping[str, Any], entries: Entries) -> Any:
    if value in (_KEPT, _GONE):
        return value
    try:
        if isinstance(value, list) and value and value[0] == "part":
            given_part = given.get(name)
            chosen = given_part if isinstance(given_part, Mapping) else value[2]
            return settled_config(entries(value[1]), chosen, entries)
        return evaluated(value, scope)
    except Unanswered:
        return UNSURE


def derived_value(entry: Mapping[str, Any], config: Mapping[str, Any], name: str) -> Any:
    """An attribute that is no value of its own; UNSURE where no recording fits."""
    for guard, value in entry["derived"][name]:
        try:
            if holds(guard, config):
                return evaluated(value, config)
        except Unanswered:
            break
    return UNSURE


def evaluated(value: Any, scope: Mapping[str, Any]) -> Any:
    """A recorded value: an expression, or a list told by what each of its places answers."""
    if isinstance(value, list) and value and value[0] == "told":
        _, count, questions, decided = value
        times = evaluate(count, scope)
        if type(times) is not int or times > 4096:
            raise Unanswered
        return first_of(decided, kinds_of(questions, times, scope))
    return evaluate(value, scope)


def _base_part(entry: Mapping[str, Any], values: dict[str, Any], rest: dict[str, Any], entries: Entries) -> None:
    """What transformers' base class does to every configuration."""
    _build_parts(entry, values, entries)
    dtype = rest.pop("torch_dtype", None)
    if values.get("dtype") is None and dtype is not None:
        values["dtype"] = dtype
    if isinstance(values.get("id2label", rest.get("id2label")), dict):
        rest.pop("num_labels", None)
    if "rope_parameters" in values or rest.get("rope_scaling"):
        rope = values.get("rope_parameters")
        if rope is not UNSURE:
            known = {**values, "rope_parameters": copy.deepcopy(rope)}
            settled = rope_parameters(known, rest, entry["rope_type"])
            values["rope_parameters"] = known["rope_parameters"] if settled is None else settled
    overrides = rest.pop("per_layer_config", None)
    chosen = rest.get("_attn_implementation")
    values["_attn_implementation"] = rest.get("attn_implementation", chosen)
    values["_experts_implementation"] = rest.get("experts_implementation")
    for name, value in rest.items():
        if name not in _CHOICES:
            values[entry["map"].get(name, name)] = value
    values[LAYERS] = _by_layer(overrides, values)
    for name in (entry["map"].get("layer_types", "layer_types"), "mtp_layer_types"):
        kinds = values.get(name)
        if isinstance(kinds, list | tuple):
            values[name] = current_layer_types(kinds)


def _by_layer(overrides: Any, values: Mapping[str, Any]) -> Any:
    """What differs in single layers; unsure where that is a mapping, or what it differs from is not known."""
    if overrides is UNSURE:
        return UNSURE
    found: dict[str, dict[str, Any]] = {}
    for index, changes in overrides.items() if isinstance(overrides, Mapping) else ():
        if not isinstance(changes, Mapping) or not str(index).isdigit():
            continue
        if any(values.get(name, UNSURE) is UNSURE or isinstance(values[name], Mapping) for name in changes):
            return UNSURE
        kept = {name: value for name, value in changes.items() if values[name] != value}
        if kept:
            found[str(index)] = kept
    return found


def _build_parts(entry: Mapping[str, Any], values: dict[str, Any], entries: Entries) -> None:
    for name, (cls, default_type, init, optional) in entry["parts"].items():
        _build_part(name, values, cls, default_type, init, optional=optional, entries=entries)


def _build_part(
    name: str,
    values: dict[str, Any],
    cls: str | None,
    default_type: str | None,
    init: Mapping[str, Any],
    *,
    optional: bool,
    entries: Entries,
) -> None:
    value = values.get(name)
    if value is UNSURE or (isinstance(value, dict) and CLASS in value) or (value is None and optional):
        return
    if value is not None and not isinstance(value, dict):
        values[name] = UNSURE
        return
    given = value if isinstance(value, dict) else dict(init)
    kind = given.get("model_type", default_type)
    try:
        entry = entries(cls or f"type:{kind}")
    except Unanswered:
        values[name] = UNSURE
    else:
        values[name] = settled_config(entry, given, entries)
