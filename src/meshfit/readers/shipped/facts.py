"""`ModelFacts` of a config from an index, where transformers itself is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.facts import ModelFacts, Origin
from meshfit.readers.config_view import ABSENT, EXPERT_COUNTS, ConfigView, view_facts
from meshfit.readers.shipped.archive import Index
from meshfit.readers.shipped.expressions import UNSURE, Unanswered, evaluate
from meshfit.readers.shipped.guards import holds
from meshfit.readers.shipped.settling import LAYERS, derived_value, settled_config
from meshfit.readers.source.given import SIZES, refuse_wrong_size
from meshfit.structure import Conversion, ModuleInfo

__all__ = ["facts_from_index"]

Locate = Callable[[str], Origin]
_KINDS: Final = "@kinds"
_SETS: Final = frozenset(
    {"head_children", "base_children", "inplace_outputs", "raw_weight_reads", "per_layer_attributes"}
)


def facts_from_index(
    index: Index,
    values: Mapping[str, Any],
    *,
    where: str = "config",
    origin: Locate | None = None,
    class_name: str | None = None,
    tellers: dict[str, int] | None = None,
) -> ModelFacts:
    """The facts of the model a config describes, as far as the index tells them.

    Args:
        index: where to look them up.
        values: the decoded `config.json`.
        where: its name in reports.
        origin: JSON pointer -> place in the file.
        class_name: the class; the first of `architectures` that the index has when None.
        tellers: filled with the number of the recording that each fact is from.

    Raises:
        TargetError: the config names no class that the index has, or a size is no whole number.
    """
    locate = origin or (lambda pointer: Origin(where, pointer=pointer))
    name = _class_name(index, values, class_name)
    model = index.model(name)
    assert model is not None
    entry = index.config(model["config"])
    own = _own_values(entry, values)
    config = settled_config(entry, own, index.config)
    _refuse(index, config, own, locate)
    scope = {**config, _KINDS: index.kinds}
    facts: dict[str, Any] = {}
    for number, (guard, found) in enumerate(model["variants"]):
        new = {fact: value for fact, value in found.items() if fact not in facts}
        if new and holds(guard, scope):
            facts.update(new)
            if tellers is not None:
                tellers.update(dict.fromkeys(new, number))
    known = dict(_decoded(facts, scope))
    _write(facts, config)
    text = _text(facts, config)
    origins: dict[str, Origin] = {}
    if text is not None:
        path, part = text
        whole = _view(index, config)
        known.update(view_facts(whole, whole if part is config else _view(index, part)))
        if known["is_hybrid"] is False and _layers_unsure(index, (config, part)):
            del known["is_hybrid"]
        if part[LAYERS] is UNSURE:
            for fact in ("heads_per_layer", "kv_heads_per_layer", "per_layer_attributes"):
                known.pop(fact, None)
        origins = _origins(index, path, part, own, locate)
    if known.get("num_experts"):
        if facts.get("@exchangeable") is False:
            known["experts_implementation"] = "eager"
        elif "@exchangeable" not in facts:
            known.pop("experts_implementation", None)
    return ModelFacts(origins=origins, **{**_always(model), **known})


def _always(model: Mapping[str, Any]) -> dict[str, Any]:
    return {fact: _tupled(value) for fact, value in model["always"].items()}


def _class_name(index: Index, values: Mapping[str, Any], class_name: str | None) -> str:
    names = [class_name] if class_name is not None else values.get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TargetError(f"`architectures` must be a list of class names, got {names!r}")
    if not names:
        raise TargetError("the config has no `architectures`, so no model class is known; add the class name to it")
    found: str | None = next((name for name in names if name in index.names), None)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(names[0], index.names, n=1)
        advice = (
            f"did you mean {near[0]}?" if near else "install transformers, if it defines it: pip install 'meshfit[hf]'"
        )
        raise TargetError(
            f"the index of transformers {index.version} has no class {' or '.join(map(repr, names))}; {advice}"
        )
    return found


def _own_values(entry: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the config that is the class's own: a text model may be loaded from a composite config."""
    wanted = entry["type"]
    if wanted is None or values.get("model_type") in (None, wanted):
        return values
    nested = (part for part in values.values() if isinstance(part, Mapping) and part.get("model_type") == wanted)
    return next(nested, values)


def _decoded(facts: Mapping[str, Any], scope: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Facts as rules read them, sizes computed; one that this config has no number for is left out."""
    for fact, value in facts.items():
        if not fact.startswith("@"):
            try:
                yield fact, _fact(fact, value, scope)
            except Unanswered:
                continue


def _fact(fact: str, value: Any, scope: Mapping[str, Any]) -> Any:
    if fact == "parameters":
        return {name: tuple(evaluate(size, scope) for size in shape) for name, shape in value.items()}
    if fact == "modules":
        return {name: _module(stored, scope) for name, stored in value.items()}
    if fact == "conversions":
        return tuple(Conversion(tuple(targets), tuple(map(tuple, steps))) for targets, steps in value)
    if fact == "dataflow":
        return {name: frozenset(sources) for name, sources in value.items()}
    if fact == "linear_inputs":
        return tuple((name, frozenset(sources)) for name, sources in value)
    if fact == "pp_plan":
        return {name: tuple(parts) if isinstance(parts, list) else parts for name, parts in value.items()}
    if fact in _SETS:
        return frozenset(value)
    return _tupled(value)


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _module(stored: Any, scope: Mapping[str, Any]) -> ModuleInfo:
    kind, width, name, count = stored
    heads = None if name is None else (name, evaluate(count, scope))
    return ModuleInfo(evaluate(kind, scope), evaluate(width, scope), heads)


def _write(facts: Mapping[str, Any], config: dict[str, Any]) -> None:
    """Set what the model's constructor sets in its config, which facts are read from afterwards."""
    for name, value in facts.get("@written", {}).items():
        *path, last = name.split(".")
        part: Any = config
        for step in path:
            part = part.get(step)
        if isinstance(part, dict):
            part[last] = UNSURE if value is None else value[0]


def _text(facts: Mapping[str, Any], config: dict[str, Any]) -> tuple[list[str], dict[str, Any]] | None:
    """The part of the config that describes the text model, and where it stands; None where it is not known."""
    path = facts.get("@text")
    part: Any = config
    for name in path or ():
        part = part.get(name)
    return None if path is None or not isinstance(part, dict) else (path, part)


def _view(index: Index, config: dict[str, Any]) -> ConfigView:
    entry = index.config(config["@class"])

    def read(name: str) -> Any:
        if name != "_attn_implementation":
            name = entry["map"].get(name, name)
        if name in config:
            return config[name]
        if name in entry["derived"]:
            return derived_value(entry, config, name)
        return None if name == "_attn_implementation" else ABSENT

    return ConfigView(read, _varying(config))


def _varying(config: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What single layers have of their own, by name."""
    varying: dict[str, tuple[Any, ...]] = {}
    for changes in config[LAYERS].values() if config[LAYERS] is not UNSURE else ():
        for name, value in changes.items():
            varying[name] = (*varying.get(name, ()), value)
    return varying


def _layers_unsure(index: Index, parts: Iterable[dict[str, Any]]) -> bool:
    """Whether the kinds of layers of a config, or what else makes it a hybrid, are not told."""
    names = ("layer_types", "layers_block_type", "hybrid_override_pattern", "is_hybrid_model")
    return any(_view(index, part).read(name) is UNSURE for part in parts for name in names)


def _refuse(index: Index, config: Mapping[str, Any], values: Mapping[str, Any], origin: Locate) -> None:
    """Refuse sizes of the wrong type, as the source reader does."""
    entry = index.config(config["@class"])
    for size in SIZES:
        for name in dict.fromkeys((size, entry["map"].get(size, size))):
            if name in values:
                allowed = entry["allows"].get(name)
                refuse_wrong_size(size, name, values[name], None if allowed is None else frozenset(allowed), origin)
    for name, part in config.items():
        nested = values.get(name)
        if isinstance(part, dict) and "@class" in part and isinstance(nested, Mapping):
            _refuse(index, part, nested, lambda pointer, name=name: origin(f"/{name}{pointer}"))  # type: ignore[misc]


def _origins(
    index: Index, path: list[str], text: Mapping[str, Any], values: Mapping[str, Any], origin: Locate
) -> dict[str, Origin]:
    """Where each size was read: in the given values, else the field of the config class that defaults it."""
    entry = index.config(text["@class"])
    given: Any = values
    for name in path:
        given = given.get(name) if isinstance(given, Mapping) else None
    given = given if isinstance(given, Mapping) else {}
    found: dict[str, Origin] = {}
    for name in (*SIZES, *EXPERT_COUNTS, "layer_types", "sliding_window", "tie_word_embeddings"):
        key = entry["map"].get(name, name)
        fact = "num_experts" if name in EXPERT_COUNTS else name
        if key in given:
            found[fact] = origin("".join(f"/{part}" for part in (*path, key)))
        elif fact not in found and key in entry["lines"]:
            file, line, owner = entry["lines"][key]
            found[fact] = Origin(file, line=line, pointer=f"{owner}.{key}")
    return found
