"""`ModelFacts` of a configuration and a class of transformers, from source alone."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.facts import ModelFacts, Origin
from meshfit.readers.layer_kinds import names_recurrent_layers
from meshfit.readers.source import attributes as at
from meshfit.readers.source import auto, configs, plans
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.forward import body_gathers
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.given import SIZES, refuse_wrong_sizes
from meshfit.readers.source.index import ClassSource, Package, find_package
from meshfit.readers.source.structure import structure_facts, walk
from meshfit.readers.source.values import UNKNOWN, ConfigObject, Node

__all__ = ["BuiltModel", "build_model", "facts_from_class_name", "facts_from_config", "facts_of_built"]

Locate = Callable[[str], Origin]

_FLAGS: Final = {"supports_sdpa": "_supports_sdpa", "gradient_checkpointing": "supports_gradient_checkpointing"}
_EXPERT_KEYS: Final = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
_DTYPE_BYTES: Final = {
    "float32": 4,
    "float": 4,
    "float64": 8,
    "float16": 2,
    "half": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
}


@dataclass(frozen=True, eq=False)
class BuiltModel:
    """A model built from source: its class, its configuration, its tree."""

    cls: ClassSource
    config: ConfigObject
    model: Node
    package: Package


def build_model(
    values: Mapping[str, Any], *, class_name: str | None = None, package: Package | None = None
) -> BuiltModel:
    """Build the model a config describes.

    Args:
        values: the decoded `config.json`.
        class_name: the class to build; the first of `architectures` that the package defines when None.
        package: transformers' source; the installed one when None.

    Raises:
        TargetError: transformers is not installed, the config names no class, or the class cannot be found.
    """
    package = package or find_package("transformers")
    if package is None:
        raise TargetError("transformers is not installed, so its classes cannot be read; pip install 'meshfit[hf]'")
    cls = _model_class(package, values, class_name)
    evaluator = Evaluator()
    config_cls = _config_class(package, cls, values)
    if config_cls is None:
        raise TargetError(f"the config class of {cls.name} was not found in transformers {package.version}")
    try:
        config = evaluator.config(config_cls, _own_values(config_cls, values))
    except (RaisedError, BudgetError) as fault:
        raise TargetError(f"{config_cls.name} refuses these values: {_reason(fault)}") from fault
    return BuiltModel(cls, config, evaluator.model(cls, config), package)


def facts_from_config(
    values: Mapping[str, Any],
    *,
    where: str = "config",
    origin: Locate | None = None,
    class_name: str | None = None,
    package: Package | None = None,
) -> ModelFacts:
    """The facts of the model a config describes; nothing is imported or executed.

    Args:
        values: the decoded `config.json`.
        where: its name in reports.
        origin: JSON pointer -> place in the file.
        class_name: as in `build_model`.
        package: as in `build_model`.

    Raises:
        TargetError: as `build_model`, and where a size is no whole number.
    """
    locate = origin or (lambda pointer: Origin(where, pointer=pointer))
    with _no_collection():
        built = build_model(values, class_name=class_name, package=package)
        refuse_wrong_sizes(built.config, values, locate)
        return facts_of_built(built, values, locate)


def facts_from_class_name(name: str, *, package: Package | None = None) -> ModelFacts:
    """The facts of a transformers class with its configuration's defaults."""
    return facts_from_config({}, where=name, class_name=name, package=package)


def facts_of_built(built: BuiltModel, values: Mapping[str, Any], origin: Locate) -> ModelFacts:
    """The facts of a model that was built from source."""
    model, config = built.model, built.config
    frame = Frame(Evaluator(), built.cls.module)
    text = configs.text_config(config)
    facts: dict[str, Any] = {
        "class_name": built.cls.name,
        "engine": "transformers",
        "is_pretrained": True,
        "moe_mixin": False,
        "backend_attn": None,
        "te_injected": False,
        "owns_cp_attention": False,
        "supports_cp_sdpa": False,
        "declared": {},
    }
    origins: dict[str, Origin] = {}
    facts.update(_plan_facts(model))
    facts.update(_class_facts(frame, built.cls, model))
    if isinstance(text, ConfigObject):
        facts.update(_config_facts(frame, config, text))
        origins.update(_origins(frame, config, text, values, origin))
    facts.update(structure_facts(model, text if isinstance(text, ConfigObject) else None))
    facts.update(_base_facts(frame, model))
    if facts.get("num_experts") and not _experts_are_exchangeable(model):
        facts["experts_implementation"] = "eager"
    return ModelFacts(origins=origins, later=body_gathers(model), **facts)


def _plan_facts(model: Node) -> dict[str, Any]:
    """The merged plans; a constructor that was not followed to the end leaves them unknown."""
    if not model.complete:
        return {}
    found = {kind: model.attributes.get(f"_{kind}_plan") for kind in plans.PLANS}
    known = {kind: plan for kind, plan in found.items() if isinstance(plan, Mapping) and _is_read(plan)}
    return {f"{kind}_plan": {name: _style(style) for name, style in plan.items()} for kind, plan in known.items()}


def _is_read(plan: Mapping[str, Any]) -> bool:
    return all(style is not UNKNOWN for style in plan.values())


def _style(style: Any) -> Any:
    """A style as rules compare it: what a config file gives instead of a name is shown, it names no style."""
    return repr(style) if isinstance(style, list | dict) else style


def _class_facts(frame: Frame, cls: ClassSource, model: Node) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, attribute in _FLAGS.items():
        value = at.lookup(frame, model, attribute)
        if value is not UNKNOWN:
            facts[name] = value is True
    prefix = at.lookup(frame, model, "base_model_prefix")
    if isinstance(prefix, str):
        facts["base_model_prefix"] = prefix
        facts["base_class"] = prefix not in model.attributes
    forward = cls.method("forward")
    if forward is not None:
        spec = forward.node.args
        named = [arg.arg for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)][1:]
        facts["forward_parameters"] = (*named, *([f"**{spec.kwarg.arg}"] if spec.kwarg else []))
    facts["has_generate"] = cls.method("generate") is not None or any(
        base.rpartition(".")[2] == "GenerationMixin" for base in cls.external_bases
    )
    return facts


def _config_facts(frame: Frame, config: ConfigObject, text: ConfigObject) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in SIZES:
        value = configs.lookup(frame, text, name)
        if isinstance(value, int) and not isinstance(value, bool):
            facts[name] = int(value)
        elif value is None or value is at.MISSING:
            facts[name] = None
    _absent_sizes(facts)
    facts["num_experts"] = next((count for count in _expert_counts(frame, text)), None)
    facts["mamba_heads"] = _optional_int(frame, text, "mamba_num_heads", "mamba_n_heads")
    facts["mamba_groups"] = _optional_int(frame, text, "n_groups", "mamba_n_groups")
    facts["heads_per_layer"] = _per_layer(text, "num_attention_heads", facts.get("num_attention_heads"))
    facts["kv_heads_per_layer"] = _per_layer(text, "num_key_value_heads", facts.get("num_key_value_heads"))
    facts["per_layer_attributes"] = frozenset(name for overrides in text.per_layer.values() for name in overrides)
    kinds = configs.lookup(frame, text, "layer_types")
    if isinstance(kinds, list | tuple) and all(isinstance(kind, str) for kind in kinds):
        facts["layer_types"] = tuple(kinds)
    elif kinds is at.MISSING or kinds is None:
        facts["layer_types"] = None
    parts = (config, text)
    facts["is_hybrid"] = any(names_recurrent_layers(partial(configs.lookup, frame, part)) for part in parts)
    window = configs.lookup(frame, text, "sliding_window")
    if window is at.MISSING or window is None or (isinstance(window, int) and not isinstance(window, bool)):
        facts["sliding_window"] = None if window is at.MISSING else window
    for name, key in (("tie_word_embeddings", "tie_word_embeddings"), ("is_encoder_decoder", "is_encoder_decoder")):
        value = configs.lookup(frame, config, key)
        if isinstance(value, bool) or value is at.MISSING:
            facts[name] = value is True
    facts["is_multimodal"] = text is not config
    attention = config.values.get("_attn_implementation")
    facts["attn_implementation"] = attention if isinstance(attention, str) else None
    experts = configs.lookup(frame, config, "_experts_implementation")
    facts["experts_implementation"] = experts if isinstance(experts, str) else None
    dtypes = (configs.lookup(frame, part, "dtype") for part in parts)
    dtype = next((value for value in dtypes if value is not at.MISSING and value is not None), None)
    quantised = configs.lookup(frame, config, "quantization_config")
    if quantised is at.MISSING or quantised is None:  # else a quantiser picks weights and kernels of its own
        facts["dtype_bytes"] = _DTYPE_BYTES.get(str(dtype).removeprefix("torch."), 4)
    return facts


def _absent_sizes(facts: dict[str, Any]) -> None:
    """Sizes that transformers' models always have are unknown where the config does not name them, not absent."""
    for name in ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size"):
        if facts.get(name, 0) is None:
            del facts[name]
    if facts.get("num_key_value_heads", 0) is None:
        del facts["num_key_value_heads"]
        if "num_attention_heads" in facts:
            facts["num_key_value_heads"] = facts["num_attention_heads"]


def _expert_counts(frame: Frame, text: ConfigObject) -> Iterator[int]:
    for name in _EXPERT_KEYS:
        value = configs.lookup(frame, text, name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield int(value)


def _optional_int(frame: Frame, text: ConfigObject, *names: str) -> int | None:
    values = (configs.lookup(frame, text, name) for name in names)
    return next((int(v) for v in values if isinstance(v, int) and not isinstance(v, bool)), None)


def _per_layer(text: ConfigObject, name: str, common: int | None) -> tuple[int, ...]:
    counts = {overrides[name] for overrides in text.per_layer.values() if isinstance(overrides.get(name), int)}
    return tuple(sorted(counts | ({common} if common is not None else set())))


def _base_facts(frame: Frame, model: Node) -> dict[str, Any]:
    base = plans.base_model(frame, model)
    if not isinstance(base, Node) or not base.complete:
        return {}
    return {"base_children": base.unseen.union(name for name, _ in base.children())}


def _experts_are_exchangeable(model: Node) -> bool:
    """Whether a class of the model lets `experts_implementation` choose its experts' kernel; others run eagerly.

    Source: transformers 5.23 modeling_utils.py, `_can_set_experts_implementation`, which reads the same mark.
    """
    files = {module.cls.module.path for _, module in walk(model) if module.cls is not None}
    return any(b"@use_experts_implementation" in path.read_bytes() for path in files)


def _origins(
    frame: Frame, config: ConfigObject, text: ConfigObject, values: Mapping[str, Any], origin: Locate
) -> dict[str, Origin]:
    """Where each size was read: in the given values, else the field of the config class that defaults it."""
    prefix = ""
    given: Mapping[str, Any] = values
    if text is not config:
        for name, part in config.values.items():
            if part is text:
                nested = values.get(name)
                prefix, given = f"/{name}", nested if isinstance(nested, Mapping) else {}
    found: dict[str, Origin] = {}
    names = (*SIZES, *_EXPERT_KEYS, "layer_types", "sliding_window", "tie_word_embeddings")
    mapping = at.class_attribute(frame, text.cls, "attribute_map", None)
    for name in names:
        key = mapping.get(name, name) if isinstance(mapping, Mapping) else name
        fact = "num_experts" if name in _EXPERT_KEYS else name
        if key in given:
            found[fact] = origin(f"{prefix}/{key}")
        elif fact not in found and text.cls.find(key) is not None:
            statement, owner = text.cls.find(key) or (None, text.cls)
            line = getattr(statement, "lineno", None)
            found[fact] = Origin(owner.module.path.name, line=line, pointer=f"{owner.name}.{key}")
    return found


def _model_class(package: Package, values: Mapping[str, Any], class_name: str | None) -> ClassSource:
    model_type = values.get("model_type")
    folder = auto.model_folder(package, model_type) if isinstance(model_type, str) else None
    if class_name is not None:
        names = [class_name]
    else:
        names = values.get("architectures") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TargetError(f"`architectures` must be a list of class names, got {names!r}")
        if not names:
            near = auto.similar_names(package, "ForCausalLM", model_type) if isinstance(model_type, str) else []
            advice = f", such as {near[0]}" if near else ""
            raise TargetError(
                f"the config has no `architectures`, so no model class is known; add the class name to it{advice}"
            )
    for name in names:
        cls = auto.find_class(package, name, folder) if name.isidentifier() else None
        if cls is not None:
            return cls
    near = auto.similar_names(package, names[0], model_type)
    if isinstance(values.get("auto_map"), Mapping) and (
        not isinstance(model_type, str) or auto.config_class(package, model_type) is None
    ):
        raise TargetError(
            f"transformers {package.version} defines no class {' or '.join(map(repr, names))}; it comes with the "
            f"weights (`auto_map`), and code is not fetched: import the class and pass it to check"
        )
    advice = f"did you mean {near[0]}?" if near else "correct the name, or install the version that has it"
    raise TargetError(f"transformers {package.version} defines no class {' or '.join(map(repr, names))}; {advice}")


def _config_class(package: Package, cls: ClassSource, values: Mapping[str, Any]) -> ClassSource | None:
    declared = cls.annotated_class("config") or cls.annotated_class("config_class")
    if declared is not None and configs.is_config_class(declared):
        return declared
    model_type = values.get("model_type")
    return auto.config_class(package, model_type) if isinstance(model_type, str) else None


def _own_values(cls: ClassSource, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the config that is the class's own: a text model may be loaded from a composite config."""
    wanted = cls.constant("model_type")
    if wanted is None or values.get("model_type") in (None, wanted):
        return values
    nested = (part for part in values.values() if isinstance(part, Mapping) and part.get("model_type") == wanted)
    return next(nested, values)


def _reason(fault: Exception) -> str:
    return str(fault) or type(fault).__name__


@contextmanager
def _no_collection() -> Iterator[None]:
    """Parsing makes many objects that all stay alive; collecting among them only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
