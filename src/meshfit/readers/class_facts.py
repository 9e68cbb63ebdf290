"""Facts that a model class shows by itself, with or without an instance."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from meshfit import registries
from meshfit.errors import TargetError
from meshfit.readers.attributes import ABSENT, as_plan, class_attribute, is_computed
from meshfit.readers.class_flags import FLAGS, NEMO_MIXIN
from meshfit.readers.wrappers import derives_from, is_pretrained, model_class

__all__ = [
    "FLAGS",
    "NEMO_MIXIN",
    "class_facts",
    "declared_by_class",
    "engine_of",
    "facts_of_class",
    "forward_parameters",
]

_PREFIX: Final = "supports_"
_SIGNATURES: Final[WeakKeyDictionary[Any, tuple[str, ...]]] = WeakKeyDictionary()


def engine_of(cls: type, backend_attn: object) -> str:
    """The engine that runs the class when nobody names one."""
    if is_pretrained(cls):
        return "transformers"
    if backend_attn is not None or derives_from(cls, NEMO_MIXIN):
        return "nemo"
    return "generic"


def class_facts(cls: type) -> dict[str, Any]:
    """Identity and class flags. `cls` may be a class that FSDP generated."""
    own = model_class(cls)
    return {
        "class_name": own.__name__,
        "is_pretrained": is_pretrained(cls),
        "moe_mixin": derives_from(cls, NEMO_MIXIN),
        "registered_tp_plan": registries.tp_plans.find(own) is not None,
        "is_custom": registries.custom_models.find(own) is not None,
        **{fact: getattr(cls, flag, None) is True for fact, flag in FLAGS.items()},
    }


def forward_parameters(forward: Callable[..., Any]) -> tuple[str, ...] | None:
    """Names of the parameters of an unbound `forward`, `self` left out; None where Python cannot tell."""
    try:
        return _SIGNATURES[forward]
    except (KeyError, TypeError):
        pass
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (ValueError, TypeError):
        return None
    marks: dict[Any, str] = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    names = tuple(marks.get(p.kind, "") + p.name for p in parameters if p.name != "self")
    try:
        _SIGNATURES[forward] = names
    except TypeError:
        # A callable that cannot be weakly referenced is read anew each time.
        return names
    return names


def declared_by_class(cls: type) -> dict[str, bool]:
    """The bool fields of a nested `ModelCapabilities`, `supports_` removed from their names; empty without one."""
    nested = getattr(cls, "ModelCapabilities", None)
    return {} if nested is None else declared_fields(nested)


def declared_fields(source: Any) -> dict[str, bool]:
    """Capability -> bool of a mapping, a dataclass or any object with `supports_*` attributes."""
    if isinstance(source, Mapping):
        pairs = dict(source)
    elif dataclasses.is_dataclass(source):
        pairs = {field.name: getattr(source, field.name, field.default) for field in dataclasses.fields(source)}
    else:
        pairs = {name: getattr(source, name) for name in dir(source) if name.startswith(_PREFIX)}
    return {
        name.removeprefix(_PREFIX): value
        for name, value in pairs.items()
        if isinstance(name, str) and isinstance(value, bool)
    }


def facts_of_class(cls: type) -> dict[str, Any]:
    """Every fact that holds for all instances of `cls`, whatever their config.

    Raises:
        TargetError: `cls` is no module.
        PlanError: a plan of the class is not a mapping.
    """
    if not derives_from(cls, "Module", "torch"):
        raise TargetError(f"{cls.__name__} is not a torch.nn.Module, so it has no mesh; pass a model class")
    facts = class_facts(cls)
    for fact, flag in FLAGS.items():
        if is_computed(class_attribute(cls, flag)) or _set_by_init(cls, flag):
            del facts[fact]
    facts["engine"] = engine_of(cls, None)
    facts["has_generate"] = callable(getattr(cls, "generate", None))
    parameters = forward_parameters(cls.forward)  # type: ignore[attr-defined]
    if parameters is not None and not _set_by_init(cls, "forward"):
        facts["forward_parameters"] = parameters
    if getattr(cls, "get_capabilities", None) is None:
        facts["declared"] = declared_by_class(cls)
    if "config" not in vars(cls) and not is_pretrained(cls) and not _set_by_init(cls, "config"):
        facts["is_hybrid"] = False
    if class_attribute(cls, "backend") is ABSENT and (is_pretrained(cls) or not _set_by_init(cls, "backend")):
        facts["backend_attn"] = None
        facts["te_injected"] = False
    for plan in ("tp", "pp", "ep"):
        merged = _class_plan(cls, plan)
        if merged is not None:
            facts[f"{plan}_plan"] = merged
    return facts


def _class_plan(cls: type, kind: str) -> dict[str, Any] | None:
    """The plan every instance has; None where its config or its `__init__` decides."""
    raw = class_attribute(cls, f"_{kind}_plan")
    own = None if is_computed(raw) else as_plan(raw, f"{cls.__name__}._{kind}_plan")
    if not is_pretrained(cls):
        return None if _set_by_init(cls, f"_{kind}_plan") else own
    config = getattr(cls, "config_class", None)
    if own or config is None or getattr(config, "sub_configs_defaults", None) or getattr(config, "sub_configs", None):
        return None
    return {} if not getattr(config, f"base_model_{kind}_plan", None) else None


def _set_by_init(cls: type, name: str) -> bool:
    """Whether an `__init__` of a class of the user's mentions the attribute, so that only an instance can tell."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] == "torch":
            continue
        code = getattr(base.__dict__.get("__init__"), "__code__", None)
        if code is not None and name in code.co_names:
            return True
    return False
