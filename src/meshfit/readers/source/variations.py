"""The configurations a class may have, varied one switch at a time, so that what holds for all of them can be told.

A switch is a value of the default configuration that chooses between ways to build or to run the model: a bool, a name
that the code compares, an optional value, a factor, a list of layer kinds. Sizes are none. Only switches that were read
are varied.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from meshfit.readers.source import attributes as at, auto, configs
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.index import Assignment, ClassSource, ModuleSource
from meshfit.readers.source.values import UNKNOWN, ConfigObject

__all__ = ["WatchedConfig", "default_config", "shortened", "varied"]

_FULL: Final = "full_attention"
_DEPTH: Final = 3
_LAYERS: Final = "num_hidden_layers"
_FEW: Final = 8
_NO_FACTORS: Final = ("drop", "eps", "range", "coef", "theta")
"""Words in the names of floats that no hidden state is multiplied by."""


class WatchedConfig(ConfigObject):
    """A configuration that remembers, with its copies and parts, which of its values were read.

    Args:
        config: the configuration to watch.
        read: where to remember them, as names.
    """

    def __init__(self, config: ConfigObject, read: set[str]) -> None:
        self.read = read
        parts = {k: WatchedConfig(v, read) if isinstance(v, ConfigObject) else v for k, v in config.values.items()}
        super().__init__(config.cls, parts, config.per_layer)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "values":
            value = _Watched(value, self.read)
        super().__setattr__(name, value)

    def copy(self) -> ConfigObject:
        """A shallow copy, watched like this one."""
        return WatchedConfig(ConfigObject(self.cls, dict(self.values), dict(self.per_layer)), self.read)


class _Watched(dict[str, Any]):
    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(values)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's, remembered."""
        self._read.add(name)
        return super().get(name, default)


def default_config(cls: ClassSource, given: Mapping[str, Any] | None = None) -> ConfigObject | None:
    """The configuration `cls(**given)`; parts whose class the configuration chooses are UNKNOWN. None where refused."""
    frame = Frame(Evaluator(), cls.module)
    try:
        return configs.build_config(frame, cls, {**_open_parts(frame, cls), **(given or {})})
    except (RaisedError, BudgetError, RecursionError):
        return None


def _open_parts(frame: Frame, cls: ClassSource) -> dict[str, Any]:
    """Parts that may be of any class: the defaults name one, another configuration another."""
    specs = at.class_attribute(frame, cls, "sub_configs_defaults", None)
    found = {}
    for name, spec in specs.items() if isinstance(specs, dict) else ():
        of = spec.config_class if isinstance(spec, auto.SubConfig) else spec
        if not (isinstance(of, ClassSource) and configs.is_config_class(of)):
            found[name] = UNKNOWN
    return found


def varied(
    default: ConfigObject, read: set[str], modules: frozenset[ModuleSource], *, factors: bool
) -> Iterator[tuple[str, ConfigObject]]:
    """The configurations that differ from the default one in one switch, and in a value that was read.

    Args:
        default: the default configuration.
        read: names of the values that were read; it may grow while this runs.
        modules: the files whose comparisons tell which names a value may have.
        factors: vary factors too: what a forward multiplies by, which builds no other modules.

    Returns:
        (what was changed, the configuration) of each.
    """
    names = _compared(modules)
    given: dict[str, Any] = {}
    if _LAYERS in default.values and isinstance(default.values[_LAYERS], int):
        given[_LAYERS] = default.values[_LAYERS]
    for changed in _switched(default, names, _DEPTH, factors=factors):
        config = default_config(default.cls, {**given, **changed})
        if config is not None and read.intersection(_different(default, config)):
            yield repr(changed), config


def shortened(default: ConfigObject) -> ConfigObject | None:
    """The default configuration with few layers, where it has many."""
    layers = default.values.get(_LAYERS)
    return default_config(default.cls, {_LAYERS: _FEW}) if isinstance(layers, int) and layers > _FEW else None


def _switched(
    default: ConfigObject, names: Mapping[str, frozenset[str]], depth: int, *, factors: bool
) -> Iterator[dict[str, Any]]:
    for name in _arguments(default.cls):
        value = default.values.get(name, UNKNOWN)
        if isinstance(value, ConfigObject) and depth:
            for given in _switched(value, names, depth - 1, factors=factors):
                yield {name: given}
        elif not isinstance(value, float) or (factors and not any(word in name for word in _NO_FACTORS)):
            for other in _others(value, _annotation(default.cls, name), names.get(name, frozenset())):
                yield {name: other}


def _arguments(cls: ClassSource) -> Iterator[str]:
    init = cls.method("__init__")
    if init is None:
        yield from configs.signature(cls).parameters
    else:
        spec = init.node.args
        yield from (arg.arg for arg in (*spec.args, *spec.kwonlyargs) if arg.arg != "self")


def _annotation(cls: ClassSource, name: str) -> str:
    found = cls.find(name)
    return ast.unparse(found[0].annotation) if found is not None and isinstance(found[0], ast.AnnAssign) else ""


def _others(value: Any, annotation: str, names: frozenset[str]) -> Iterator[Any]:
    """Other values of a switch."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield from sorted(names - {value})
    elif isinstance(value, float):
        yield from (factor for factor in (0.0, 1.0) if factor != value)
    elif isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        kinds = dict.fromkeys([*value, *([_FULL] if any("attention" in item for item in value) else [])])
        yield from ([kind] * len(value) for kind in kinds if set(value) != {kind})
    elif value is None:
        yield from (sample for kind, sample in _SAMPLES.items() if kind in annotation)
        yield from sorted(names)


_SAMPLES: Final[Mapping[str, Any]] = {"int": 4, "float": 0.5, "bool": True}


@cache
def _compared(modules: frozenset[ModuleSource]) -> Mapping[str, frozenset[str]]:
    """Name of a variable or an attribute -> the texts that code compares it with, or looks up by it."""
    found: dict[str, set[str]] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Compare):
                for name in filter(None, map(_name, (node.left, *node.comparators))):
                    texts = (_texts(side) for side in (node.left, *node.comparators))
                    found.setdefault(name, set()).update(*texts)
            elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and _name(node.slice):
                table = module.lookup(node.value.id)
                if isinstance(table, Assignment) and isinstance(table.value, ast.Dict):
                    keys = (key for key in table.value.keys if key is not None)
                    found.setdefault(_name(node.slice), set()).update(*map(_texts, keys))
    return {name: frozenset(texts) for name, texts in found.items() if texts}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _texts(node: ast.expr) -> set[str]:
    nodes = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return {one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _different(left: ConfigObject, right: ConfigObject) -> Iterator[str]:
    """Names of the values, of parts too, in which two configurations differ."""
    for name in left.values.keys() | right.values.keys():
        old, new = left.values.get(name, UNKNOWN), right.values.get(name, UNKNOWN)
        if isinstance(old, ConfigObject) and isinstance(new, ConfigObject):
            yield from _different(old, new)
        elif type(old) is not type(new) or old != new:
            yield name
