"""Noticing change: whether anything that the facts of a live model were read from is different by now.

A verdict may be kept only while its sources are what they were. `Watch` holds the live objects beside a copy of their
content and compares the two in C. Nothing is told by `id()`: a replaced plan may take its predecessor's address. What
cannot be watched (a property, a config without `__dict__`) is `Unwatchable`, and then no verdict is kept at all.

Three checks of rising cost: `light` covers the class, its flags and which attributes the instance has; `plans` adds the
plans; `full` adds the config, the module tree and the forward methods of its classes. Of a layer list every entry is
watched, and inside the entries those of the first of each class. The copies keep a replaced submodule alive until the
next read. An attribute that is absent is watched by the size of the dicts it could appear in.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, is_, itemgetter
from typing import Any, Final

from meshfit import registries
from meshfit.readers.attributes import ABSENT, class_attribute
from meshfit.readers.model import LiveFacts
from meshfit.readers.structure import children, representative_modules

__all__ = ["Check", "Unwatchable", "Watch"]

Check = Callable[[Any], bool]

_PLANS: Final = ("_tp_plan", "_pp_plan", "_ep_plan", "_fsdp_plan")
_OWN: Final = ("config", "backend", "forward", "generate", "language_model", "base_model_prefix")
_FLAGS: Final = ("_supports_sdpa", "_owns_cp_attention", "_supports_cp_sdpa", "supports_gradient_checkpointing")
_DECLARING: Final = ("ModelCapabilities", "get_capabilities")

_CLASS_FACTS: Final = frozenset(
    {
        *("class_name", "is_pretrained", "moe_mixin", "registered_tp_plan", "is_custom", "supports_sdpa"),
        *("owns_cp_attention", "supports_cp_sdpa", "gradient_checkpointing", "has_generate", "forward_parameters"),
    }
)
_PLAIN_FACTS: Final = frozenset({"declared", "backend_attn", "engine"})
_PLAN_FACTS: Final = frozenset({"tp_plan", "pp_plan", "ep_plan", "fsdp_plan"})
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

    __slots__ = ("_plain", "facts", "full", "light", "plans", "reports", "values")

    def __init__(self, model: Any) -> None:
        cls = type(model)
        _refuse_computed(cls)
        sources = _Sources(model, cls)
        self.light, self.plans, self.full = sources.light(), sources.plans(), sources.full()
        self._plain = sources.plain
        self.facts = LiveFacts(model)
        self.values: dict[str, tuple[Check, bool]] = {}
        self.reports: dict[Any, Any] = {}

    def check_for(self, facts_read: set[str]) -> Check:
        """The cheapest check that covers the facts a conclusion rests on."""
        rest = facts_read - _CLASS_FACTS
        if self._plain:
            rest -= _PLAIN_FACTS
        if not rest:
            return self.light
        return self.plans if rest <= _PLAN_FACTS else self.full


def _refuse_computed(cls: type) -> None:
    """Raise where an attribute that facts are read from is computed by the user's own code on each access."""
    for name in (*_PLANS, *_OWN):
        if isinstance(class_attribute(cls, name), property):
            raise Unwatchable(name)
    for hook in ("__getattr__", "__getattribute__"):
        owner = next(base for base in (*cls.__mro__, _Hooks) if hook in base.__dict__)
        if owner.__module__.partition(".")[0] not in ("torch", "builtins", __name__.partition(".")[0]):
            raise Unwatchable(hook)


class _Hooks:
    """Ends the search for attribute hooks."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class _Sources:
    """The live objects and their copies, gathered once and closed over by the three checks."""

    def __init__(self, model: Any, cls: type) -> None:
        state = model.__dict__
        self.cls, self.state_size, self.branches = cls, len(state), len(state["_modules"])
        self.planned = tuple(name for name in _PLANS if name in state)
        named = [
            name
            for name in (*_FLAGS, *_DECLARING, *_OWN, *_PLANS)
            if name not in state and class_attribute(cls, name) is not ABSENT
        ]
        # `__mro__` twice, so that the getters always return a tuple.
        self.of_class = attrgetter("__mro__", "__mro__", *named)
        own = [name for name in _OWN if name in state]
        self.of_instance = itemgetter("_modules", "_modules", *own)
        self.own_values = self.of_instance(state)
        self.dicts = [base.__dict__ for base in cls.__mro__ if _may_change(base)]
        self.plain = "backend" not in own and not {*_DECLARING, "backend"} & {*named}
        self.plan_pairs = _Pairs()
        for name in _PLANS:
            if name in named:
                self.plan_pairs.add(class_attribute(cls, name))
        self.plan_values = [_copied(state[name]) for name in self.planned]
        self.pairs = _Pairs()
        self._gather(model, state)

    def _gather(self, model: Any, state: dict[str, Any]) -> None:
        inner = state.get("language_model") or state["_modules"].get("language_model")
        for source in (state.get("config"), state.get("backend"), getattr(inner, "config", None)):
            self.pairs.add(source)
        for name in ("config", "backend"):
            if name not in state:
                found = class_attribute(self.cls, name)
                self.pairs.add(None if found is ABSENT else found)
        capabilities = getattr(self.cls, "ModelCapabilities", None)
        if isinstance(capabilities, type):
            self.pairs.add_dict(vars(capabilities))
        kinds: dict[type, None] = {}
        self.attributes: list[dict[str, Any]] = []
        for module in representative_modules(model):
            self.pairs.add_dict(module._modules)  # noqa: SLF001 - the dict itself is what is compared
            self.attributes.append(module.__dict__)
            kinds.update(dict.fromkeys((type(module), *map(type, children(module).values()))))
        self.kinds = [kind for kind in kinds if kind.__module__.partition(".")[0] != "torch"]

    def light(self) -> Check:
        """Class, class flags, and which attributes there are."""
        cls, of_class, of_instance, dicts = self.cls, self.of_class, self.of_instance, self.dicts
        state_size, branches, own_values = self.state_size, self.branches, self.own_values
        class_values, sizes = of_class(cls), [*map(len, dicts)]
        edits, revision = registries.edits, registries.edits[0]

        def unchanged(model: Any) -> bool:
            state = model.__dict__
            return (
                type(model) is cls
                and len(state) == state_size
                and len(state["_modules"]) == branches
                and edits[0] == revision
                and all(map(is_, of_class(cls), class_values))
                and all(map(is_, of_instance(state), own_values))
                and [*map(len, dicts)] == sizes
            )

        return unchanged

    def plans(self) -> Check:
        """`light`, and the content of the plans."""
        light = self.light()
        live, kept = self.plan_pairs.live, self.plan_pairs.kept
        names, values = self.planned, self.plan_values

        def unchanged(model: Any) -> bool:
            state = model.__dict__
            return light(model) and [state[name] for name in names] == values and live == kept

        return unchanged

    def full(self) -> Check:
        """`plans`, and config, module tree and forward methods."""
        plans = self.plans()
        live, kept = self.pairs.live, self.pairs.kept
        attributes, counts = self.attributes, [*map(len, self.attributes)]
        kinds, forward = self.kinds, attrgetter("forward")
        forwards = [*map(forward, kinds)]

        def unchanged(model: Any) -> bool:
            return (
                plans(model)
                and live == kept
                and [*map(len, attributes)] == counts
                and [*map(forward, kinds)] == forwards
            )

        return unchanged


class _Pairs:
    """Live containers, and copies of what they held; two lists that one comparison in C covers."""

    def __init__(self) -> None:
        self.live: list[Any] = []
        self.kept: list[Any] = []

    def add(self, source: Any, depth: int = 0) -> None:
        """Watch a container or an object, with whatever it holds; plain values need no watching.

        Raises:
            Unwatchable: it is an object without `__dict__` that is no plain value.
        """
        if source is None or isinstance(source, str | bytes | int | float | complex | type) or depth > _NESTING:
            return
        if isinstance(source, dict | list | tuple | set | frozenset):
            self.live.append(source)
            self.kept.append(_copied(source))
            inner = source.values() if isinstance(source, dict) else source
        else:
            inner_dict = getattr(source, "__dict__", None)
            if inner_dict is None:
                if type(source).__module__.partition(".")[0] == "torch":
                    return
                raise Unwatchable(type(source).__name__)
            if callable(source):
                return
            self.live.append(inner_dict)
            self.kept.append(_copied(inner_dict))
            inner = inner_dict.values()
        for value in [*inner]:
            if not isinstance(value, dict | list | tuple | set | frozenset) or not _is_flat(value):
                self._add_inner(value, depth)

    def _add_inner(self, value: Any, depth: int) -> None:
        if isinstance(value, dict | list | tuple):
            # Its own content is in the copy already; only objects inside it are not.
            for one in value.values() if isinstance(value, dict) else value:
                self._add_inner(one, depth + 1)
        else:
            self.add(value, depth + 1)

    def add_dict(self, source: Any) -> None:
        """Watch the entries of a mapping by identity, or by equality where that differs."""
        self.live.append(source)
        self.kept.append(dict(source))


def _is_flat(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return all(one is None or isinstance(one, str | int | float) for one in inner)


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
    return package not in ("builtins", "torch") and (package != "transformers" or rest.startswith("models."))
