"""Recording configuration classes: fields, defaults, parts, and what a class's own `__post_init__` makes of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshfit.readers.config_view import ABSENT, EXPERT_COUNTS, ConfigView, view_facts
from meshfit.readers.shipped.config_classes import annotation, inherited, part_specs
from meshfit.readers.shipped.config_runs import Run, encoded, explored, variants
from meshfit.readers.shipped.recorder import Recorder
from meshfit.readers.shipped.recording import Group, SymbolicConfig, is_plain
from meshfit.readers.shipped.settling import PARTS
from meshfit.readers.source import attributes as at, configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.given import SIZES
from meshfit.readers.source.index import ClassSource, FunctionNode
from meshfit.readers.source.values import ConfigObject

__all__ = ["VIEWED", "config_entry", "derived_values"]


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
    made, base = explored(cls, {mapping.get(name, name): value for name, value in fields.items()})
    return {
        "name": cls.name,
        "type": cls.constant("model_type"),
        "fields": fields,
        "odd": [name for name in defaults if name not in fields],
        "map": mapping,
        "variants": made,
        "base": base,
        "after": PARTS in repr(made),
        "parts": part_specs(frame, cls),
        "rope_type": kind if isinstance(kind, str) else None,
        "inherited": inherited(cls),
        "setters": sorted(_setters(cls)),
        "derived": {},
        "unsure": [],
        "allows": _allowed(cls),
        "lines": _lines(cls),
    }


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
            stored = encoded(value, recorder, values)
        run = Run(Group({name: stored}, dict(recorder.answers), list(recorder.loops)), values, {})
        found[name] = [[guard, made[name]] for guard, made in variants([run], {})]
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
        text = annotation(cls, name)
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
