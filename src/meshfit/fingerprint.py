"""Noticing change: whether anything that a verdict was derived from is different by now.

A verdict may be kept only while its sources are what they were. `LiveFacts` tells which facts a verdict read; `Watch`
holds the sources of those facts beside a copy of their content and compares the two in C. Nothing is told by `id()`: a
replaced plan may take its predecessor's address. What cannot be watched (a property, a config without `__dict__`) is
`Unwatchable`, and then no verdict is kept at all.

The sources, from cheap to dear: flags and methods of the class; the plans; the backend; the config; the module tree
with the forward methods of its classes, down to the layers. Of a list of layers its length and the first of each class
are watched, with the modules these hold, not what those hold in turn: `check` sees a change that deep, kept answers see
it when anything above it changes too, as with PEFT and quantizers. The copies keep a replaced submodule alive until the
next read. An attribute that is absent is watched for in the instance by the number of its attributes and the last of
them, in its classes by their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshfit import registries
from meshfit.comparison import Check, Comparison
from meshfit.readers.attributes import ABSENT, class_attribute, is_computed
from meshfit.readers.class_facts import FLAGS
from meshfit.readers.model import CONFIG_FACTS, LiveFacts
from meshfit.readers.structure import children, head_and_embedding, representative_modules, require_begun

__all__ = ["Check", "Unwatchable", "Watch"]

_PLANS: Final = ("_tp_plan", "_pp_plan", "_ep_plan", "_fsdp_plan")
_OWN: Final = (
    *("config", "backend", "forward", "generate", "language_model", "base_model_prefix"),
    "_te_attention_injected",
)
_FLAGS: Final = tuple(FLAGS.values())
_DECLARING: Final = ("ModelCapabilities", "get_capabilities")
"""Read from the class alone."""
_HOLDERS: Final = ("backend", "language_model")
"""What may be a submodule."""
_TREE: Final = "_modules"
_READ_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "class_name": (),
    "is_pretrained": (),
    "moe_mixin": (),
    "registered_tp_plan": (),
    "is_custom": (),
    "supports_sdpa": ("_supports_sdpa",),
    "owns_cp_attention": ("_owns_cp_attention",),
    "supports_cp_sdpa": ("_supports_cp_sdpa",),
    "gradient_checkpointing": ("supports_gradient_checkpointing",),
    "has_generate": ("generate",),
    "forward_parameters": ("forward",),
    "tp_plan": ("_tp_plan",),
    "pp_plan": ("_pp_plan",),
    "ep_plan": ("_ep_plan",),
    "fsdp_plan": ("_fsdp_plan",),
    "engine": ("backend",),
    "te_injected": ("_te_attention_injected", _TREE),
    "backend_attn": ("backend",),
    "is_hybrid": ("config", "language_model"),
    "class_source": ("forward",),
    "executed": (),  # what it was found by is asked for by name
    "declared": _DECLARING,
    **dict.fromkeys(CONFIG_FACTS, ("config",)),
}
"""Fact -> the attributes of class or instance that it is read from; the other facts take the whole model."""

_EVERYTHING: Final = (*_FLAGS, *_DECLARING, *_OWN, *_PLANS, _TREE)
_METHODS: Final = ("forward", "generate")
_OF_CLASSES: Final = frozenset({*_FLAGS, *_DECLARING, *_PLANS, *_METHODS})
"""What a class may come to declare; `backend` and `language_model` belong to instances."""
_WHOLE: Final = ("config", "forward", "base_model_prefix", _TREE)
_LONG: Final = 8
"""A list of more children is watched by its length and by the first child of each class."""
_NESTING: Final = 6
"""How deep objects inside a config are followed; transformers' own composite configs reach 3."""


class Unwatchable(Exception):  # noqa: N818 - a signal between two functions, no error
    """Something the facts come from cannot be compared, so nothing may be kept."""


class Watch:
    """The sources of one model's facts as they were, and what was concluded from them.

    Args:
        model: an unwrapped `nn.Module`; it is held weakly.

    Raises:
        Unwatchable: a source is computed on each access.
    """

    __slots__ = ("_checks", "_sources", "facts", "full", "report", "reports", "values")

    def __init__(self, model: Any) -> None:
        require_begun(model)
        _refuse_computed(type(model))
        try:
            self._sources = _Sources(model)
        except RecursionError:
            raise Unwatchable("a container that holds itself") from None
        self._checks: dict[frozenset[str], Check] = {}
        self.full: Check = self._sources.check(frozenset(_EVERYTHING))
        self.facts: LiveFacts = LiveFacts(model)
        self.values: dict[str, tuple[Check, bool]] = {}
        self.reports: tuple[tuple[Any, ...], ...] = ()
        self.report: tuple[Any, ...] = ()

    def check_for(self, facts_read: set[str]) -> Check:
        """The cheapest check that covers the facts a conclusion rests on."""
        names: set[str] = set()
        for fact in facts_read:
            names.update(_READ_FROM.get(fact, _WHOLE))
        if "get_capabilities" in names and "get_capabilities" in self._sources.shared:
            names.add("config")
        key = frozenset(names)
        if key not in self._checks:
            self._checks[key] = self._sources.check(key)
        return self._checks[key]


def _refuse_computed(cls: type) -> None:
    """Raise where an attribute that facts are read from is computed by the user's own code on each access."""
    for name in (*_FLAGS, *_PLANS, *_OWN):
        raw = class_attribute(cls, name)
        if isinstance(raw, property) or (name not in _METHODS and is_computed(raw)):
            raise Unwatchable(name)
    for hook in ("__getattr__", "__getattribute__"):
        owner = next((base for base in cls.__mro__ if hook in base.__dict__), object)
        if owner.__module__.partition(".")[0] not in ("torch", "builtins"):
            raise Unwatchable(hook)


class _Sources:
    """The live objects and their copies, gathered once; a check closes over those that a verdict needs."""

    def __init__(self, model: Any) -> None:
        state = model.__dict__
        self.cls = type(model)
        self.members = [base.__dict__ for base in self.cls.__mro__ if _may_change(base)]
        self.own = {name: state[name] for name in (*_FLAGS, *_OWN, *_PLANS) if name in state}
        self.shared = {
            name: getattr(self.cls, name)
            for name in (*_FLAGS, *_DECLARING, *_OWN, *_PLANS)
            if name not in state and class_attribute(self.cls, name) is not ABSENT
        }
        self.state = state
        self.revision = registries.edits[0]
        self.plans = {name: _copied(self.own.get(name, self.shared.get(name))) for name in _PLANS}
        self.contents = {name: _Contents() for name in ("config", "backend", "language_model", *_DECLARING, _TREE)}
        self.branches = state["_modules"]
        self._watch_objects()
        self.kinds, self.attributes = self._watch_tree(model)

    def _watch_objects(self) -> None:
        for name in ("config", "backend"):
            self.contents[name].add(self.own.get(name, self.shared.get(name)))
        inner = self.own.get("language_model", self.branches.get("language_model"))
        self.inner_config = inner, getattr(inner, "config", None)
        self.contents["language_model"].add(self.inner_config[1])
        if "backend" in self.branches:
            self.contents["backend"].add_entries(self.branches["backend"].__dict__)
        declaring = self.shared.get("ModelCapabilities")
        self._watch_class(declaring, "ModelCapabilities")
        self.contents["ModelCapabilities"].add(declaring)
        self._watch_class(self.own.get("config", self.shared.get("config")), "config")

    def _watch_class(self, given: Any, name: str) -> None:
        """Watch what a class given as a declaration or a config says, and what its bases say."""
        for base in given.__mro__ if isinstance(given, type) else ():
            if _may_change(base):
                self.contents[name].add_entries(base.__dict__)

    def _watch_tree(self, model: Any) -> tuple[list[Any], list[dict[str, Any]]]:
        kinds: dict[Any, None] = {}
        attributes = []
        self.firsts: list[tuple[Mapping[str, Any], str, Any]] = []
        for module in representative_modules(model):
            inner = children(module)
            if len(inner) > _LONG:
                listed = module._modules  # noqa: SLF001 - the list itself: `children` made a copy
                attributes.append(listed)
                of_kind = {type(child): (name, child) for name, child in reversed(inner.items())}
                self.firsts += [(listed, name, child) for name, child in of_kind.values()]
            else:
                self.contents[_TREE].add_entries(module._modules)  # noqa: SLF001 - the dict itself is what is compared
            if module is not model and _may_change(type(module)) and any(map(children, inner.values())):
                attributes.append(module.__dict__)
            kinds[type(module)] = None
        self.ends = [module._parameters for module in head_and_embedding(model)]  # noqa: SLF001 - as above
        # The model's own forward is watched with its other attributes.
        return [kind for kind in kinds if _may_change(kind) and kind is not self.cls], attributes

    def check(self, names: frozenset[str]) -> Check:
        """A function that tells whether class, registries and the attributes `names` of the model are as they were.

        `_TREE` among the names stands for the module tree and the forward methods of its classes.
        """
        same = Comparison()
        same.require("type(model) is {}", self.cls)
        same.require("len(state) == {}", len(self.state))
        if names.intersection((*_PLANS, *_FLAGS)).difference(self.own):
            # What is added comes last: so one attribute in place of another is told, at a third of what names cost.
            same.require("next(reversed(state)) == {}", next(reversed(self.state)))
        same.require("{}[0] == {}", registries.edits, self.revision)
        self._compare_attributes(same, names)
        if _TREE in names:
            self._compare_tree(same)
        contents = [entry for name, content in self.contents.items() if name in names for entry in content.entries]
        small = [(live, kept) for live, kept in contents if len(kept) <= _LONG]
        if small:
            same.require("{} == {}", [live for live, _ in small], [kept for _, kept in small])
        for live, kept in contents:
            if len(kept) > _LONG:
                # values in their order: a key keeps its place, and this takes less than comparing two dicts
                same.require("[*{}] == {}", live.values(), [*kept.values()])
        return same.compiled()

    def _compare_attributes(self, same: Comparison, names: frozenset[str]) -> None:
        """What the instance holds, else what its class does, else a submodule; an absent one could appear in each."""
        for name in _EVERYTHING:
            if name not in names or name == _TREE:
                continue
            if name in self.own:
                expected = ("==", self.plans[name]) if name in _PLANS else ("is", self.own[name])
                same.require(f"state['{name}'] {expected[0]} {{}}", expected[1])
                continue
            if name in _PLANS and name in self.shared:
                same.require(f"{{}}.{name} == {{}}", self.cls, self.plans[name])
            elif name in self.shared:
                # a class method is a new object each time it is asked for
                operator = "==" if name == "get_capabilities" else "is"
                same.require(f"{{}}.{name} {operator} {{}}", self.cls, self.shared[name])
            elif name in self.branches:
                same.require(f"{{}}.get('{name}') is {{}}", self.branches, self.branches[name])
            elif name in _HOLDERS and (_TREE not in names or len(self.branches) > _LONG):
                same.require(f"'{name}' not in {{}}", self.branches)
        if any(name in _OF_CLASSES and name not in self.own and name not in self.shared for name in names):
            for members in self.members:
                same.require("len({}) == {}", members, len(members))
        if "language_model" in names and self.inner_config[0] is not None:
            same.require("getattr({}, 'config', None) is {}", *self.inner_config)

    def _compare_tree(self, same: Comparison) -> None:
        for attributes in self.attributes:
            same.require("len({}) == {}", attributes, len(attributes))
        for inner, name, child in self.firsts:
            same.require("{}[{}] is {}", inner, name, child)
        for kind in self.kinds:
            same.require("{}.forward is {}", kind, kind.forward)
        if len(self.ends) == 2:
            head, embedding = self.ends
            tied = head.get("weight") is embedding.get("weight")
            if "weight" in head and "weight" in embedding:
                same.require(f"{{}}['weight'] {'is' if tied else 'is not'} {{}}['weight']", head, embedding)
            else:
                same.require("({}.get('weight') is {}.get('weight')) is {}", head, embedding, tied)


class _Contents:
    """Live dicts, and copies of what they held."""

    def __init__(self) -> None:
        self.entries: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        self._known: set[int] = set()

    def add(self, source: Any, depth: int = 0) -> None:
        """Watch a config, a backend or whatever they hold; plain values need no watching.

        Raises:
            Unwatchable: an object without `__dict__`, whose content cannot be told.
        """
        if source is None or isinstance(source, _PLAIN) or callable(source) or depth > _NESTING:
            return
        entries: Any = source if isinstance(source, dict) else getattr(source, "__dict__", ABSENT)
        if entries is ABSENT:
            if type(source).__module__.partition(".")[0] == "torch":
                return
            raise Unwatchable(type(source).__name__)
        if id(entries) in self._known:
            return
        if "is_hybrid_model" in entries:
            # Read as exactly True, which no comparison tells from 1.
            raise Unwatchable("is_hybrid_model")
        self.add_entries(entries)
        for value in [*entries.values()]:
            self._add_held(value, depth + 1)

    def add_entries(self, entries: Mapping[str, Any]) -> None:
        """Watch a dict, the containers in it by content too, except those no fact is read from."""
        kept = {key: one if key in _LABELS else _copied(one) for key, one in entries.items()}
        self.entries.append((entries, kept))
        self._known.add(id(entries))

    def _add_held(self, value: Any, depth: int) -> None:
        if isinstance(value, dict | list | tuple):
            # Its content is in the copy already; only objects inside it are not.
            for one in value.values() if isinstance(value, dict) else value:
                self._add_held(one, depth + 1)
        elif not isinstance(value, set | frozenset):
            self.add(value, depth)


_LABELS: Final = ("id2label", "label2id")
_PLAIN: Final = (str, bytes, int, float, complex, type)


def _copied(value: Any) -> Any:
    """`value` with its containers copied, however nested, and everything else as it is."""
    if type(value) is dict:
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, dict):
        return dict(value)
    if type(value) is list:
        return [_copied(one) for one in value]
    if type(value) is tuple:
        return tuple(_copied(one) for one in value)
    return set(value) if isinstance(value, set) else value


def _may_change(base: type) -> bool:
    """A class whose attributes a user edits: not one of Python, of torch, or of transformers' machinery."""
    package, _, rest = base.__module__.partition(".")
    return package not in ("builtins", "torch", "meshfit") and (package != "transformers" or rest.startswith("models."))
