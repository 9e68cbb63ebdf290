"""What a configuration class says of itself: its default configuration, what it inherits, its parts."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from meshfit.readers.shipped.recording import plain_tree
from meshfit.readers.shipped.settling import CLASS, LAYERS
from meshfit.readers.source import attributes as at, auto, configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.index import ClassSource, FunctionNode
from meshfit.readers.source.values import ConfigObject

__all__ = ["annotation", "completed", "inherited", "part_specs", "saved_config"]


def saved_config(cls: ClassSource, given: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """The configuration `cls(**given)` as a saved file repeats it, with whatever the class derived; None if refused."""
    try:
        return _unmarked(plain_tree(completed(Evaluator().config(cls, dict(given or {})))))
    except (RaisedError, BudgetError, RecursionError):
        return None


def _unmarked(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A config without the names of its classes, and without what a file does not hold."""
    left = {name: value for name, value in tree.items() if not name.startswith(("@", "_"))}
    if tree.get(LAYERS):
        left["per_layer_config"] = tree[LAYERS]
    return {name: _unmarked(part) if isinstance(part, dict) and CLASS in part else part for name, part in left.items()}


def annotation(cls: ClassSource, name: str) -> str:
    """The annotation of a field, as text; empty where there is none."""
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


def part_specs(frame: Frame, cls: ClassSource) -> dict[str, Any]:
    """The parts that the base class makes: name -> class, model type, defaults, whether it may be missing."""
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
