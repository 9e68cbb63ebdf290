"""`ModelFacts` of a configuration and a class of transformers, from source alone."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.facts import ModelFacts, Origin
from meshfit.readers.class_flags import FLAGS
from meshfit.readers.config_view import ABSENT, EXPERT_COUNTS, ConfigView, view_facts
from meshfit.readers.proven import source_digest
from meshfit.readers.source import attributes as at, auto, configs, plans
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.forward import body_gathers
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.given import SIZES, refuse_wrong_sizes
from meshfit.readers.source.index import ClassSource, Package, find_package
from meshfit.readers.source.structure import structure_facts, walk
from meshfit.readers.source.values import UNKNOWN, ConfigObject, Dim, Node
from meshfit.readers.source.weight_shapes import weight_shapes

__all__ = [
    "OF_TRANSFORMERS",
    "BuiltModel",
    "build_model",
    "class_facts",
    "declared_config",
    "experts_are_exchangeable",
    "facts_from_class_name",
    "facts_from_config",
    "facts_of_built",
    "plan_facts",
    "signature_facts",
    "tree_facts",
]

Locate = Callable[[str], Origin]

_FLAGS: Final = {fact: FLAGS[fact] for fact in ("supports_sdpa", "gradient_checkpointing")}
"""Those that classes of transformers have."""

OF_TRANSFORMERS: Final[Mapping[str, Any]] = {
    "engine": "transformers",
    "is_pretrained": True,
    "moe_mixin": False,
    "backend_attn": None,
    "te_injected": False,
    "owns_cp_attention": False,
    "supports_cp_sdpa": False,
    "declared": {},
}
"""Facts of every class that transformers defines."""


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
    facts = tree_facts(frame, built.cls, model, text if isinstance(text, ConfigObject) else None)
    origins: dict[str, Origin] = {}
    if isinstance(text, ConfigObject):
        facts.update(_config_facts(frame, config, text))
        origins.update(_origins(frame, config, text, values, origin))
    if facts.get("num_experts") and not experts_are_exchangeable(model):
        facts["experts_implementation"] = "eager"
    later = {
        **body_gathers(model),
        "weight_shapes": lambda: weight_shapes(model),
        "class_source": lambda: {"class_source": _class_source(built)},
    }
    return ModelFacts(origins=origins, later=later, **facts)


def _class_source(built: BuiltModel) -> tuple[str, str, str] | None:
    """The class, by its file and the version of the package; None where the file is gone."""
    digest = source_digest(built.cls.module.path)
    return (built.cls.name, digest, built.package.version) if digest else None


def tree_facts(frame: Frame, cls: ClassSource, model: Node, text: ConfigObject | None) -> dict[str, Any]:
    """What a class and the tree it was built to tell: all but the config's own sizes and the forward bodies."""
    return {
        "class_name": cls.name,
        **OF_TRANSFORMERS,
        **plan_facts(model),
        **class_facts(frame, cls, model),
        **structure_facts(model, text),
        **_base_facts(frame, model),
    }


def plan_facts(model: Node) -> dict[str, Any]:
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


def class_facts(frame: Frame, cls: ClassSource, model: Node) -> dict[str, Any]:
    """What the class body and the signature of `forward` tell."""
    facts: dict[str, Any] = {}
    for name, attribute in _FLAGS.items():
        value = at.lookup(frame, model, attribute)
        if value is not UNKNOWN:
            facts[name] = value is True
    prefix = at.lookup(frame, model, "base_model_prefix")
    if isinstance(prefix, str):
        facts["base_model_prefix"] = prefix
    return {**facts, **signature_facts(cls)}


def signature_facts(cls: ClassSource) -> dict[str, Any]:
    """What the class alone tells, whatever its config: the signature of `forward`, and whether it generates."""
    facts: dict[str, Any] = {}
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
    whole = _view(frame, config)
    return view_facts(whole, whole if text is config else _view(frame, text))


def _view(frame: Frame, config: ConfigObject) -> ConfigView:
    def read(name: str) -> Any:
        if name == "_attn_implementation":
            return config.values.get(name)  # what was chosen, not what the library falls back to
        value = configs.lookup(frame, config, name)
        if value is at.MISSING:
            return ABSENT
        return int(value) if isinstance(value, Dim) else value

    varying: dict[str, tuple[Any, ...]] = {}
    for overrides in config.per_layer.values():
        for name, value in overrides.items():
            varying[name] = (*varying.get(name, ()), value)
    return ConfigView(read, varying)


def _base_facts(frame: Frame, model: Node) -> dict[str, Any]:
    base = plans.base_model(frame, model)
    if not isinstance(base, Node) or not base.complete:
        return {}
    return {"base_children": base.unseen.union(name for name, _ in base.children())}


def experts_are_exchangeable(model: Node) -> bool:
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
    names = (*SIZES, *EXPERT_COUNTS, "layer_types", "sliding_window", "tie_word_embeddings")
    mapping = at.class_attribute(frame, text.cls, "attribute_map", None)
    for name in names:
        key = mapping.get(name, name) if isinstance(mapping, Mapping) else name
        fact = "num_experts" if name in EXPERT_COUNTS else name
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
    declared = declared_config(cls)
    if declared is not None:
        return declared
    model_type = values.get("model_type")
    return auto.config_class(package, model_type) if isinstance(model_type, str) else None


def declared_config(cls: ClassSource) -> ClassSource | None:
    """The configuration class that a model class names."""
    declared = cls.annotated_class("config") or cls.annotated_class("config_class")
    return declared if declared is not None and configs.is_config_class(declared) else None


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
