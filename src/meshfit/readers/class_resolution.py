"""What holds for every instance of a class, resolved from the summaries of the classes it derives from.

The same facts as `facts_of_class` gives for the live class, or fewer; never others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from meshfit.errors import PlanError
from meshfit.facts import FACTS, ModelFacts
from meshfit.readers.class_flags import FLAGS, NEMO_MIXIN
from meshfit.readers.class_summary import PLAN_ATTRIBUTES, PLANS, RELEVANT, ClassSummary
from meshfit.readers.unknown import UNKNOWN

__all__ = ["Ancestor", "Shipped", "as_registered", "planless_config", "resolve"]

_CLOSED: Final = frozenset({*sys.stdlib_module_names, "_typeshed", "torch", "typing_extensions", "meshfit"})
"""Packages whose classes say nothing of a mesh, but for what is known here."""
_ABSENT: Final = object()
_SHIPPED: Final = object()
_OF_SHIPPED: Final = PLAN_ATTRIBUTES | {
    *("_supports_sdpa", "supports_gradient_checkpointing", "forward", "config", "config_class", "base_model_prefix"),
}
"""What every model class of transformers has."""

_READ_ON_CLASS: Final = frozenset({*FLAGS.values(), "forward", "get_capabilities", "ModelCapabilities"})
"""What the live reader asks the class for, so that an instance's `__getattr__` has no say."""

_CLASS_FACTS: Final = frozenset({*FLAGS, "has_generate", "forward_parameters", "base_model_prefix", "is_pretrained"})
"""Facts that a constructor of the user's leaves alone."""
_BODY_FACTS: Final = frozenset(
    {
        *("inplace_outputs", "raw_weight_reads", "dataflow", "linear_inputs", "tensor_faults"),
        *("context_faults", "pipeline_faults"),
    }
)
_REBUILDS: Final = frozenset({"__init__", "post_init", "config_class", "config", "tie_weights", "init_weights"})
_BUILDERS: Final = frozenset({"__init__", "post_init", "init_weights"})
"""Those of them that may give the model children, hence their plans."""
_HARMLESS: Final = frozenset(
    {
        *("__doc__", "__module__", "__repr__", "__slots__", "_init_weights", "_no_split_modules", "generate"),
        *("prepare_inputs_for_generation", "from_pretrained", "save_pretrained", "supports_gradient_checkpointing"),
        *("_supports_sdpa", "_supports_flash_attn", "_supports_flex_attn", "_keys_to_ignore_on_load_unexpected"),
        *("_keys_to_ignore_on_load_missing", "_skip_keys_device_placement", "main_input_name"),
    }
)
"""Overrides that change nothing of how the model is built or what its forward does."""


class Ancestor:
    """One class of a method resolution order.

    Args:
        module: where it is defined.
        name: its plain name.
        summary: what it says; None where nobody summarised it.

    Attributes:
        package: the top-level package that defines it.
        is_shipped: whether transformers does.
    """

    __slots__ = ("is_shipped", "module", "name", "package", "summary")

    def __init__(self, module: str, name: str, summary: ClassSummary | None) -> None:
        self.module: str = module
        self.name: str = name
        self.summary: ClassSummary | None = summary
        self.package: str = module.partition(".")[0]
        self.is_shipped: bool = self.package == "transformers"


class Shipped:
    """The nearest class of transformers that a class derives from.

    Args:
        facts: what holds for it.
        has: whether it has an attribute of that name.
        planless: the kinds of plan that a model of it gets from no config: of `PreTrainedModel`, with a config class of
            the user's.
    """

    __slots__ = ("facts", "has", "planless")

    def __init__(self, facts: ModelFacts, has: Callable[[str], bool], planless: frozenset[str] = frozenset()) -> None:
        self.facts: ModelFacts = facts
        self.has: Callable[[str], bool] = has
        self.planless: frozenset[str] = planless


def planless_config(mro: Sequence[Ancestor], *, complete: bool = True) -> frozenset[str]:
    """The kinds of plan that no config of the class gives a model.

    Args:
        mro: the method resolution order of the config class.
        complete: whether every base is known.
    """
    order = _Order(mro)
    of_a_model = any(entry.module.startswith("transformers.models.") for entry in mro)
    if not complete or order.opaque or of_a_model or order.names & {"sub_configs", "sub_configs_defaults"}:
        return frozenset()
    values = {kind: order.value(f"base_model_{kind}_plan") for kind in PLANS}
    return frozenset(kind for kind, value in values.items() if value is _ABSENT or not (value is UNKNOWN or value))


def resolve(mro: Sequence[Ancestor], *, complete: bool = True, shipped: Shipped | None = None) -> ModelFacts:
    """The facts that hold for every instance, whatever its config; a fact that is left out is unknown.

    Args:
        mro: the method resolution order, the class itself first.
        complete: whether every base is known.
        shipped: what holds for the nearest class of transformers in it.

    Raises:
        PlanError: a plan of the class is not a mapping.
    """
    order = _Order(mro)
    identity = _identity(mro, complete=complete)
    if not complete or order.opaque:
        return ModelFacts(**identity)
    pretrained = identity["is_pretrained"]
    plans = _changed_plans(order) if pretrained else _plans(order, mro[0].name)
    found = dict([*_flags(order), *_members(order, pretrained=pretrained), *plans])
    known = {fact: value for fact, value in found.items() if value is not UNKNOWN and value is not _SHIPPED}
    if shipped is None:
        return ModelFacts(**known, **identity)
    unknown = (fact for fact, value in found.items() if value is UNKNOWN)
    return _kept(order, shipped).without(*unknown).replace(**known, **identity)


def as_registered(facts: ModelFacts, registered: bool | None) -> ModelFacts:
    """The facts with whether a plan is registered for the class; None: a program may yet do so.

    Such a plan would stand in for an empty one, which then says nothing; transformers does not look for it.
    """
    if registered is not None:
        return facts.replace(registered_tp_plan=registered)
    counts = facts.knows("is_pretrained") and not facts.is_pretrained
    return facts.without("tp_plan") if counts and facts.knows("tp_plan") and not facts.tp_plan else facts


class _Order:
    """Attributes over a method resolution order."""

    def __init__(self, mro: Sequence[Ancestor]) -> None:
        self.mro = mro
        self.own = [entry.summary for entry in mro if entry.summary is not None]
        unsummarised = {entry.package for entry in mro if entry.summary is None and not entry.is_shipped}
        self.opaque = True in {one.opaque for one in self.own} or not _CLOSED.issuperset(unsummarised)
        self.by_instance = frozenset().union(*[one.by_instance for one in self.own])
        self.names = frozenset().union(*[one.names for one in self.own])
        self.is_shipped = "transformers" in {entry.package for entry in mro}
        self._found = self._bindings()
        self._other = UNKNOWN if {"__getattr__", "__getattribute__"} & self.names else _ABSENT

    def _bindings(self) -> dict[str, Any]:
        """What `find` says, of all names that it does not say the same of."""
        found: dict[str, Any] = dict.fromkeys(_READ_ON_CLASS, _ABSENT)
        for entry in reversed(self.mro):
            summary = entry.summary
            if entry.is_shipped:
                found.update(dict.fromkeys(_OF_SHIPPED, _SHIPPED))
            elif summary is not None:
                found.update(dict.fromkeys(summary.names & RELEVANT, summary))
                found.update(dict.fromkeys(summary.names & summary.unknown, UNKNOWN))
        if "__getattribute__" in self.names:
            found.update(dict.fromkeys(found.keys() - _READ_ON_CLASS, UNKNOWN))
        found.update(dict.fromkeys(self.by_instance, UNKNOWN))
        return found

    @property
    def overridden(self) -> frozenset[str]:
        """Attributes for which the user's classes say anything."""
        return (self.names & RELEVANT) | self.by_instance

    def find(self, name: str) -> Any:
        """The summary that binds `name`; _SHIPPED for transformers' own, _ABSENT, UNKNOWN where an instance tells."""
        return self._found.get(name, self._other)

    def value(self, name: str) -> Any:
        """The literal that `name` is bound to, or what `find` says; UNKNOWN for a method."""
        found = self._found.get(name, self._other)
        return found.values.get(name, UNKNOWN) if type(found) is ClassSummary else found


def _identity(mro: Sequence[Ancestor], *, complete: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"class_name": mro[0].name}
    pretrained = "PreTrainedModel" in {entry.name for entry in mro if entry.is_shipped}
    mixin = NEMO_MIXIN in {entry.name for entry in mro}
    if complete or pretrained:
        facts["is_pretrained"] = pretrained
    if complete or mixin:
        facts["moe_mixin"] = mixin
    if complete or pretrained:
        facts["engine"] = "transformers" if pretrained else "nemo" if mixin else "generic"
    return facts


def _kept(order: _Order, shipped: Shipped) -> ModelFacts:
    """What of transformers' class still holds for a class that changes some of it."""
    changed = {name for name in order.names - _HARMLESS if shipped.has(name)} | (order.names & _REBUILDS)
    if (changed | order.by_instance) & _REBUILDS:
        kept = shipped.facts.without(*(FACTS - _CLASS_FACTS))
        if order.names & _BUILDERS or "config" in order.by_instance:
            return kept
        return kept.replace(**{f"{kind}_plan": {} for kind in shipped.planless})
    lost: set[str] = set()
    if changed - PLAN_ATTRIBUTES or "forward" in order.by_instance:
        lost |= _BODY_FACTS
    if "base_model_prefix" in order.overridden:
        lost |= {"base_model_prefix", "base_children"}
    return shipped.facts.without(*lost)


def _flags(order: _Order) -> Iterator[tuple[str, Any]]:
    for fact, flag in FLAGS.items():
        value = order.value(flag)
        yield fact, value if value in (UNKNOWN, _SHIPPED) else value is True


def _members(order: _Order, *, pretrained: bool) -> Iterator[tuple[str, Any]]:
    """What the methods and the nested classes tell."""
    generate = order.find("generate")
    if isinstance(generate, ClassSummary):
        generate = "generate" not in generate.values
    elif generate is _ABSENT:
        generate = "GenerationMixin" in {entry.name for entry in order.mro if entry.is_shipped}
    yield "has_generate", generate
    forward = order.find("forward")
    if forward is not _ABSENT:
        parameters = forward.forward if isinstance(forward, ClassSummary) else forward
        yield "forward_parameters", UNKNOWN if parameters is None else parameters
    yield "declared", _declared(order)
    if pretrained:
        prefix = order.value("base_model_prefix")
        yield "base_model_prefix", prefix if isinstance(prefix, str) or prefix is _SHIPPED else UNKNOWN
    if not pretrained and order.find("config") is _ABSENT and order.find("language_model") is _ABSENT:
        yield "is_hybrid", False
    if order.find("backend") is _ABSENT and order.find("_te_attention_injected") is _ABSENT:
        yield "backend_attn", None
        yield "te_injected", False
    else:
        yield "backend_attn", UNKNOWN
        yield "te_injected", UNKNOWN


def _declared(order: _Order) -> Any:
    if order.value("get_capabilities") not in (_ABSENT, None):
        return UNKNOWN
    found = order.find("ModelCapabilities")
    if isinstance(found, ClassSummary):
        return found.declared or {}
    return {} if found is _ABSENT else UNKNOWN


def _plans(order: _Order, name: str) -> Iterator[tuple[str, Any]]:
    for kind in PLANS:
        attribute = f"_{kind}_plan"
        value = order.value(attribute)
        if value in (_ABSENT, None):
            value = {}
        elif value is not UNKNOWN and not isinstance(value, dict):
            raise PlanError(f"{name}.{attribute} must be a mapping of module names to styles, got {value!r:.60}")
        yield f"{kind}_plan", value


def _changed_plans(order: _Order) -> Iterator[tuple[str, Any]]:
    """A class's plan is merged with those of its config and its children, so a changed one says little."""
    return ((name.strip("_"), UNKNOWN) for name in PLAN_ATTRIBUTES & order.overridden)
