"""What holds for every configuration of a transformers class, from its source.

The class is built with the defaults of its config class and again with each switch varied; what all of them have in
common is kept. Sizes are no part of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any, Final

from meshfit.facts import Gather, ModelFacts
from meshfit.readers.layer_names import wildcard
from meshfit.readers.source import plans
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.facts import OF_TRANSFORMERS, class_facts, declared_config, plan_facts
from meshfit.readers.source.forward import body_gathers
from meshfit.readers.source.frames import Frame
from meshfit.readers.source.index import ClassSource
from meshfit.readers.source.natives import node_evaluator
from meshfit.readers.source.structure import walk
from meshfit.readers.source.values import UNKNOWN, Node
from meshfit.readers.source.variations import WatchedConfig, default_config, shortened, varied

__all__ = ["BASE_FACTS", "Variations", "facts_of_shipped", "later_facts"]

BASE_FACTS: Final[Mapping[str, Any]] = {"supports_sdpa": False, "gradient_checkpointing": False}
"""What `PreTrainedModel` itself says of its subclasses."""
_PLANS: Final = tuple(f"{kind}_plan" for kind in plans.PLANS)
_MERGED: Final = frozenset({*(f"_{plan}" for plan in _PLANS), "all_tied_weights_keys"})
"""Attributes that `post_init` leaves, which are no modules."""
_FAULTS: Final = ("context_faults", "pipeline_faults")


def facts_of_shipped(cls: ClassSource) -> ModelFacts:
    """The facts of a class of transformers that no configuration changes; those that one does are absent.

    Args:
        cls: a class that derives from `PreTrainedModel`.
    """
    bare = Node(cls.name, cls, node_evaluator(Evaluator()))
    facts = class_facts(Frame(Evaluator(), cls.module), cls, bare)
    return ModelFacts(class_name=cls.name, later=later_facts(cls), **OF_TRANSFORMERS, **facts)


def later_facts(cls: ClassSource, runs: Callable[[ClassSource], bool] = lambda _: True) -> dict[str, Gather]:
    """The facts for which a model class has to be built, each with what gathers it.

    Args:
        cls: the class.
        runs: whether the forward that a class shows is the one that runs; else nothing is said of forwards.
    """
    found = Variations(cls, runs)
    later: dict[str, Gather] = dict.fromkeys((*_PLANS, "head_children", "base_children"), found.structure)
    for name in _FAULTS:
        later[name] = lambda name=name: found.faults(name)  # type: ignore[misc]
    return later


class Variations:
    """A class as its configurations build it: the default one first, then those that differ in one switch."""

    def __init__(self, cls: ClassSource, runs: Callable[[ClassSource], bool] = lambda _: True) -> None:
        self.cls = cls
        self._runs = runs
        self._read: set[str] = set()
        self._built: dict[str, Node] = {}
        config_class = declared_config(cls)
        self._config = None if config_class is None else default_config(config_class)

    def structure(self) -> Mapping[str, Any]:
        """Plans that are empty, and the names that may be modules, whatever the config."""
        default = self.default
        if default is None or not default.complete:
            return {}
        facts: dict[str, Any] = dict(_empty_plans(default))
        children = _children(self.cls, default)
        for model in self._others(factors=False):
            empty = _empty_plans(model)
            facts = {name: plan for name, plan in facts.items() if name in empty}
            for name, names in _children(self.cls, model).items():
                children[name] = children.get(name, frozenset()) | names
        return {**facts, **children}

    @property
    def hidden(self) -> frozenset[str]:
        """Attributes that may be modules with a plan, of a class that the config chooses."""
        carriers = () if self.default is None else _carriers(self.default)
        return frozenset().union(*(_unseen(node) & _handled(node.cls) for node in carriers if node.cls is not None))

    def lifted_by(self, name: str) -> bool:
        """Whether the default config has faults of that name which another config does not have."""
        return self.default is not None and bool(_faults_of(self.default, name)) and not self.faults(name)

    def faults(self, name: str) -> Mapping[str, Any]:
        """The faults of forward bodies that every config has; nothing where some config has none."""
        default = self.default
        if default is None or not all(self._runs(node.cls) for _, node in walk(default) if node.cls is not None):
            return {}
        common = _faults_of(default, name) or ()
        common = tuple(fault for fault in common if _in_every_layer(default, fault[1]))
        for model in self._others(factors=name == "pipeline_faults") if common else ():
            known = _faults_of(model, name)
            if known is not None:
                common = tuple(fault for fault in common if fault in known)
            if not common:
                break
        return {name: common} if common else {}

    @cached_property
    def default(self) -> Node | None:
        """The model of the default configuration, with few layers where more of them are no different."""
        if self._config is None:
            return None
        model = Evaluator().model(self.cls, WatchedConfig(self._config, self._read))
        short = shortened(self._config)
        if short is not None:
            shorter = Evaluator().model(self.cls, WatchedConfig(short, self._read))
            if _kinds(shorter) == _kinds(model):
                self._config = short
                return shorter
        return model

    def _others(self, *, factors: bool) -> Iterator[Node]:
        """The models of the other configurations; one that a configuration does not build to the end is left out."""
        assert self._config is not None
        assert self.default is not None
        modules = frozenset(node.cls.module for _, node in walk(self.default) if node.cls is not None)
        for changed, config in varied(self._config, self._read, modules | {self._config.cls.module}, factors=factors):
            if changed not in self._built:
                self._built[changed] = Evaluator().model(self.cls, config)
            if self._built[changed].complete:
                yield self._built[changed]


def _kinds(model: Node) -> frozenset[tuple[str, str]]:
    """The modules by name, layer numbers left out, and kind."""
    return frozenset((wildcard(name), node.kind) for name, node in walk(model))


def _empty_plans(model: Node) -> dict[str, Any]:
    """The merged plans that are empty, though no child is out of sight that could bring one."""
    if any(_unseen(node) & _handled(node.cls) for node in _carriers(model) if node.cls is not None):
        return {}
    return {name: plan for name, plan in plan_facts(model).items() if not plan}


@cache
def _handled(cls: ClassSource) -> frozenset[str]:
    """Attributes that the class's methods call, or look into, as they do with modules and not with numbers."""
    found = set()
    for owner in cls.mro:
        for node in ast.walk(owner.node):
            inner: ast.AST | None = getattr(node, "func", getattr(node, "value", getattr(node, "iter", None)))
            looks = isinstance(node, ast.Call | ast.Attribute | ast.Subscript | ast.For | ast.comprehension)
            if looks and isinstance(inner, ast.Attribute) and getattr(inner.value, "id", "") == "self":
                found.add(inner.attr)
    return frozenset(found)


def _carriers(model: Node) -> Iterator[Node]:
    """The modules whose plans are merged into the model's: itself, and children with a plan of their own."""
    yield model
    for _, child in model.children():
        if "_tp_plan" in child.attributes:
            yield from _carriers(child)


def _children(cls: ClassSource, model: Node) -> dict[str, frozenset[str]]:
    """The names, of the model and of its base model, that are modules or may be."""
    facts = {"head_children": _possible_children(model)}
    base = plans.base_model(Frame(Evaluator(), cls.module), model)
    if isinstance(base, Node) and base.complete:
        facts["base_children"] = _possible_children(base)
    return facts


def _possible_children(node: Node) -> frozenset[str]:
    return _unseen(node).union(name for name, _ in node.children())


def _unseen(node: Node) -> frozenset[str]:
    """Attributes that may be modules, for all that is known."""
    return frozenset(name for name, value in node.attributes.items() if value is UNKNOWN and name not in _MERGED)


def _faults_of(model: Node, name: str) -> tuple[tuple[str, str], ...] | None:
    """The faults of one analysis; None where it came to no end."""
    found: tuple[tuple[str, str], ...] | None = body_gathers(model)[name]().get(name)
    return found


def _in_every_layer(model: Node, where: str) -> bool:
    """Whether a module that a fault names is in each of the layers: another config may have one kind of layer alone."""
    if ".*." not in where:
        return True
    holder, _, rest = where.partition(".*.")
    layers = next((node for name, node in walk(model) if name == holder), None)
    return layers is None or all(_leads(layer, rest.split(".")) for _, layer in layers.children())


def _leads(node: Node, names: list[str]) -> bool:
    if not names or names[0] == "*":
        return True
    child = node.attributes.get(names[0])
    return isinstance(child, Node) and _leads(child, names[1:])
