"""Configurations as transformers makes them: fields, `__post_init__`, sub-configs, attribute_map, per-layer views."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import attributes as at, auto, calls, expressions as ex
from meshfit.readers.source.base_config import current_layer_types, rope_parameters
from meshfit.readers.source.frames import Frame
from meshfit.readers.source.index import ClassSource, FunctionNode, FunctionSource, Package
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Dim, Native, Signature, Symbolic

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "INHERITED",
    "PerLayerView",
    "base_method",
    "build_config",
    "build_parts",
    "defaults",
    "is_config_class",
    "lookup",
    "mapped",
    "signature",
    "store",
    "text_config",
]

_BASE_DEFAULTS: Final[Mapping[str, Any]] = {
    "attribute_map": {},
    "base_model_tp_plan": None,
    "base_model_ep_plan": None,
    "base_model_pp_plan": None,
    "base_model_fsdp_plan": None,
    "chunk_size_feed_forward": 0,
    "default_theta": 10000.0,
    "dtype": None,
    "has_no_defaults_at_init": False,
    "is_encoder_decoder": False,
    "model_type": "",
    "output_attentions": False,
    "output_hidden_states": False,
    "problem_type": None,
    "return_dict": True,
    "sub_configs": {},
    "sub_configs_defaults": {},
    "use_return_dict": True,
    "_attn_implementation": None,
    "_experts_implementation": None,
    "is_decoder": False,
    "cross_attention_hidden_size": None,
    "add_cross_attention": False,
    "pruned_heads": {},
    "torchscript": False,
}
"""What every configuration has before its class says otherwise (transformers' PreTrainedConfig, 4.57 to 5.23)."""

INHERITED: Final = (
    "chunk_size_feed_forward",
    "dtype",
    "is_encoder_decoder",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "problem_type",
    "return_dict",
    "use_return_dict",
)
"""Those of them that files repeat; giving one its default changes nothing."""

_LEGACY_ONLY: Final = frozenset(
    {"is_decoder", "cross_attention_hidden_size", "add_cross_attention", "pruned_heads", "torchscript"}
)
_UNFOLLOWED: Final = frozenset({"id2label", "label2id", "name_or_path", "_name_or_path"})


def is_config_class(cls: ClassSource) -> bool:
    """Whether the class derives from transformers' configuration base."""
    return any(base.rpartition(".")[2] in ("PreTrainedConfig", "PretrainedConfig") for base in cls.external_bases)


def build_config(frame: Frame, cls: ClassSource, values: Mapping[str, Any]) -> ConfigObject:
    """The configuration `cls(**values)`."""
    config = ConfigObject(cls)
    init = cls.method("__init__")
    if init is not None:
        calls.run(frame.engine, Bound(init, config), [], values)
        return config
    rest = dict(values)
    for name, (statement, owner) in _fields(cls).items():
        if name in rest:
            store(frame, config, name, rest.pop(name))
        else:
            store(frame, config, name, _default(frame, statement, owner))
    for name in (
        "dtype",
        "chunk_size_feed_forward",
        "is_encoder_decoder",
        "return_dict",
        "output_hidden_states",
        "problem_type",
    ):
        if name in rest:
            config.values[name] = rest.pop(name)
    post_init = cls.method("__post_init__")
    if post_init is not None:
        calls.run(frame.engine, Bound(post_init, config), [], rest)
    else:
        _base_post_init(frame, config, rest)
    return config


def _fields(cls: ClassSource) -> dict[str, tuple[ast.AnnAssign, ClassSource]]:
    """The dataclass fields, bases first; an unannotated assignment is a class attribute, not a field."""
    found: dict[str, tuple[ast.AnnAssign, ClassSource]] = {}
    for owner in reversed(cls.mro):
        for name, statement in owner.own.items():
            if isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation):
                found[name] = (statement, owner)
    return found


def defaults(frame: Frame, cls: ClassSource) -> dict[str, Any]:
    """The default of every field of a configuration class, as its source gives it."""
    return {name: _default(frame, statement, owner) for name, (statement, owner) in _fields(cls).items()}


def _default(frame: Frame, statement: ast.AnnAssign, owner: ClassSource) -> Any:
    value = statement.value
    inside = Frame(frame.engine, owner.module)
    if value is None:
        return None
    if isinstance(value, ast.Call):
        for keyword in value.keywords:
            if keyword.arg == "default":
                return ex.evaluate(inside, keyword.value)
            if keyword.arg == "default_factory":
                return calls.call(inside, ex.evaluate(inside, keyword.value), [], {})
    return ex.evaluate(inside, value)


def _base_post_init(frame: Frame, config: ConfigObject, kwargs: Mapping[str, Any]) -> None:
    """What the base class does last: sub-configs, rope parameters, the remaining keys, per-layer overrides."""
    rest = dict(kwargs)
    build_parts(frame, config)
    dtype = rest.pop("torch_dtype", None)
    if config.values.get("dtype") is None and dtype is not None:
        config.values["dtype"] = dtype
    if isinstance(config.values.get("id2label", rest.get("id2label")), dict):
        rest.pop("num_labels", None)
    if "rope_parameters" in config.values or rest.get("rope_scaling"):
        _rope(frame, config, rest)
    per_layer = rest.pop("per_layer_config", None)
    config.values["_attn_implementation"] = rest.pop("attn_implementation", rest.pop("_attn_implementation", None))
    config.values["_experts_implementation"] = rest.pop("experts_implementation", None)
    for name, value in rest.items():
        if name not in ("_attn_implementation_internal", "_experts_implementation_internal"):
            store(frame, config, name, value)
    if isinstance(per_layer, dict):
        _apply_per_layer(config, per_layer)
    for name in (mapped(frame, config, "layer_types"), "mtp_layer_types"):
        kinds = config.values.get(name)
        if isinstance(kinds, list | tuple):
            config.values[name] = current_layer_types(kinds)


def build_parts(frame: Frame, config: ConfigObject) -> None:
    """Make the parts of a composite configuration, each by its class."""
    for name, default in _sub_configs(frame, config).items():
        _build_sub_config(frame, config, name, default)


def _sub_configs(frame: Frame, config: ConfigObject) -> dict[str, Any]:
    declared = at.class_attribute(frame, config.cls, "sub_configs_defaults", None)
    if declared is at.MISSING:
        return {}
    return declared if isinstance(declared, dict) else {}


def _build_sub_config(frame: Frame, config: ConfigObject, name: str, spec: Any) -> None:
    value = config.values.get(name)
    init: Mapping[str, Any] = {}
    optional = False
    default_type: Any = None
    if isinstance(spec, auto.SubConfig):
        spec, default_type, init, optional = spec.config_class, spec.model_type, spec.init_kwargs, spec.optional
    if isinstance(value, ConfigObject) or (value is None and optional):
        return
    if value is not None and not isinstance(value, dict):
        config.values[name] = UNKNOWN
        return
    given = value if isinstance(value, dict) else dict(init)
    cls = spec
    if not (isinstance(spec, ClassSource) and is_config_class(spec)):
        kind = given.get("model_type", default_type)
        cls = auto.config_class(config.cls.module.package.shipped, kind) if isinstance(kind, str) else None
    config.values[name] = build_config(frame, cls, given) if isinstance(cls, ClassSource) else UNKNOWN


def _rope(frame: Frame, config: ConfigObject, rest: dict[str, Any]) -> None:
    kind = at.class_attribute(frame, config.cls, "default_rope_type", None)
    settled = rope_parameters(config.values, rest, kind if isinstance(kind, str) else None)
    if settled is not None:
        config.values["rope_parameters"] = settled


def _apply_per_layer(config: ConfigObject, overrides: Mapping[Any, Any]) -> None:
    for index, changes in overrides.items():
        if isinstance(changes, dict) and str(index).isdigit():
            kept = {key: value for key, value in changes.items() if config.values.get(key, at.MISSING) != value}
            if kept:
                config.per_layer[int(index)] = kept


def base_method(frame: Frame, config: ConfigObject, name: str, kwargs: dict[str, Any]) -> Any:
    """`super().<name>(...)` of a configuration, answered by transformers' base class."""
    if name in ("__post_init__", "__init__"):
        if name == "__init__" and _ties_by_default(config.cls.module.package.shipped):
            config.values.setdefault("tie_word_embeddings", True)
        if config.by_base(kwargs):
            _base_post_init(frame, config, kwargs)
        return None
    if name == "get_text_config":
        return text_config(config)
    if name == "to_dict":
        return config.values.copy()
    return UNKNOWN


@cache
def _ties_by_default(package: Package) -> bool:
    """Whether this version's base class ties embeddings where nobody says otherwise (4.x)."""
    path = package.root / "configuration_utils.py"
    return path.is_file() and "tie_word_embeddings: bool = True" in path.read_text(encoding="utf-8")


def mapped(frame: Frame, config: ConfigObject, name: str) -> str:
    """The name under which a configuration keeps an attribute."""
    mapping = at.class_attribute(frame, config.cls, "attribute_map", None)
    found = mapping.get(name, name) if isinstance(mapping, dict) else name
    return found if isinstance(found, str) else name


def lookup(frame: Frame, config: ConfigObject, name: str) -> Any:
    """`config.name`, MISSING when there is none."""
    name = mapped(frame, config, name)
    if name == "_attn_implementation":
        return config.values.get(name) or config.values.get("_attn_implementation_internal")
    if name in config.values:
        value = config.values[name]
        if type(value) is int and "head" in name and not any(word in name for word in ("dim", "size", "rank")):
            return Dim(value, (name, value))
        if isinstance(value, Symbolic) and "head" in name and not any(word in name for word in ("dim", "size", "rank")):
            return value.of_heads(name)
        return value
    if name == "per_layer_config":
        return PerLayerView(config)
    if name == "is_heterogeneous":
        return bool(config.per_layer)
    found = at.class_attribute(frame, config.cls, name, config)
    if name == "sub_configs_defaults" and isinstance(found, dict):
        return {part: auto.SubConfig(of) if isinstance(of, ClassSource) else of for part, of in found.items()}
    if found is not at.MISSING:
        return found
    if name == "num_labels":
        return _label_count(config.values.get("id2label"))
    if name in ("get_text_config", "to_dict"):
        return Native(name, lambda *_a, **_k: base_method(frame, config, name, {}))
    if name in _LEGACY_ONLY and config.cls.method("__init__") is None:
        return at.MISSING
    if name in _BASE_DEFAULTS:
        return _BASE_DEFAULTS[name]
    if name == "__class__":
        return config.cls
    return UNKNOWN if name in _UNFOLLOWED else at.MISSING


def _label_count(labels: Any) -> Any:
    """Two, where a config names no labels: hub files leave the default out."""
    if labels is None:
        return 2
    return len(labels) if isinstance(labels, dict) else UNKNOWN


def signature(cls: ClassSource) -> Signature:
    """The arguments of the constructor that a configuration class gets from its own fields."""
    return Signature(dict.fromkeys(_fields(cls)))


def store(frame: Frame, config: ConfigObject, name: str, value: Any) -> None:
    """`config.name = value`, through attribute_map and property setters."""
    name = mapped(frame, config, name)
    for owner in config.cls.mro:
        for statement in owner.node.body:
            if isinstance(statement, FunctionNode) and statement.name == name and _is_setter(statement, name):
                setter = Bound(FunctionSource(statement, owner.module, owner), config)
                calls.run(frame.engine, setter, [value], {})
                return
    config.values[name] = value.undimmed() if isinstance(value, Dim) else value


def _is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    return any(ast.unparse(d) == f"{name}.setter" for d in node.decorator_list)


def text_config(config: ConfigObject) -> ConfigObject | Any:
    """The part of a composite configuration that describes the text model; the configuration itself otherwise."""
    parts = [config.values.get(name) for name in ("text_encoder", "decoder", "generator", "text_config")]
    found = [part for part in parts if isinstance(part, ConfigObject)]
    if len(found) == 1:
        return found[0]
    return UNKNOWN if found else config


@dataclass(frozen=True, eq=False)
class PerLayerView:
    """`config.per_layer_config`: by index or layer type, the configuration with that layer's overrides."""

    config: ConfigObject

    def __getitem__(self, key: Any) -> Any:
        kinds = self.config.values.get("layer_types")
        if isinstance(key, str):
            if not isinstance(kinds, list | tuple) or key not in kinds:
                return UNKNOWN
            key = kinds.index(key)
        return self.config.layer(key) if isinstance(key, int) else UNKNOWN
