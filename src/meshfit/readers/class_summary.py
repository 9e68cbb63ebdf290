"""One class as it is written: what its body and its methods say of the attributes that facts rest on.

Two readers fill a summary, one from a file's syntax tree and one from the nodes of a type checker; both report what
they meet to a `SummaryBuilder`, which alone decides what stays known. Plain data, so that it fits into a cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from meshfit.readers.class_flags import FLAGS
from meshfit.readers.unknown import UNKNOWN

__all__ = [
    "CONFIG_ATTRIBUTES",
    "MUTATORS",
    "PLANS",
    "PLAN_ATTRIBUTES",
    "RELEVANT",
    "SETTERS",
    "TELLING",
    "ClassSummary",
    "SummaryBuilder",
    "declared_fields",
]

PLANS: Final = ("tp", "pp", "ep")
"""The kinds of plan a class may declare, as `_<kind>_plan`."""

CONFIG_ATTRIBUTES: Final = frozenset(
    {*(f"base_model_{kind}_plan" for kind in PLANS), "sub_configs", "sub_configs_defaults"}
)
"""What a config class says of the plans of its models."""

PLAN_ATTRIBUTES: Final = frozenset({*(f"_{kind}_plan" for kind in PLANS), "_fsdp_plan"})

RELEVANT: Final = frozenset(
    {
        *FLAGS.values(),
        *PLAN_ATTRIBUTES,
        *CONFIG_ATTRIBUTES,
        "ModelCapabilities",
        "backend",
        "base_model_prefix",
        "config",
        "config_class",
        "forward",
        "generate",
        "get_capabilities",
        "language_model",
        "_te_attention_injected",
    }
)
"""The attributes that facts of a class rest on, of its config class too."""

MUTATORS: Final = frozenset(
    {"update", "pop", "popitem", "clear", "setdefault", "append", "extend", "remove", "__setitem__", "__ior__"}
)
"""Methods that change the object they are called on."""
SETTERS: Final = frozenset({"setattr", "delattr", "__setattr__", "__delattr__"})
"""Functions and methods that write an attribute by name."""

_DISTINCT: Final = PLAN_ATTRIBUTES.union(FLAGS.values())
"""Attributes that nothing but models have."""
_TRANSPARENT: Final = frozenset(
    {
        *("abstractmethod", "final", "override", "no_grad", "inference_mode", "enable_grad", "wraps"),
        *("auto_docstring", "can_return_tuple", "capture_outputs", "check_model_inputs", "deprecate_kwarg"),
        *("merge_with_config_defaults", "add_start_docstrings_to_model_forward", "replace_return_docstrings"),
    }
)
"""Decorators of a method that leave its signature as it is written."""
_METHODS: Final = _TRANSPARENT | {"classmethod", "staticmethod"}
_MAKERS: Final = frozenset({"__init_subclass__", "__new__"})
"""Methods that may change the class of a subclass, or make an instance of another."""
TELLING: Final = RELEVANT | _MAKERS
"""Names of which it matters what a body binds to them, and not only that it does."""
_HARMLESS: Final = frozenset(
    {"add_start_docstrings", "auto_docstring", "dataclass", "final", "runtime_checkable", "deprecated"}
)
"""Decorators of a class that set none of the attributes facts rest on."""
_OPTIONS: Final = frozenset({"eq", "frozen", "init", "kw_only", "match_args", "order", "repr", "unsafe_hash"})
"""Keywords of `dataclass` that leave the defaults of fields on the class; `slots` does not."""
_METACLASSES: Final = frozenset({"ABCMeta", "type"})
_LITERALS: Final = frozenset({bool, int, float, str, type(None)})
_PREFIX: Final = "supports_"


class ClassSummary:
    """What one class says, its bases apart.

    Args:
        name: the plain name.
        values: attribute -> its literal value; tuples are lists, as JSON has them.
        unknown: attributes the body binds, but not to a literal that stays.
        by_instance: attributes that a method writes, or `__init__` reads, so that only an instance can tell.
        names: every name the body binds.
        forward: the parameters of `forward`, `self` left out; None where the class defines none.
        declared: the bool fields of a nested `ModelCapabilities`, `supports_` removed; None where there is none.
        opaque: whether nobody can tell any attribute: an unlisted decorator or metaclass, writes by computed name.
    """

    __slots__ = ("by_instance", "declared", "forward", "name", "names", "opaque", "unknown", "values")

    def __init__(
        self,
        name: str,
        *,
        values: Mapping[str, Any] | None = None,
        unknown: Iterable[str] = (),
        by_instance: Iterable[str] = (),
        names: Iterable[str] = (),
        forward: Iterable[str] | None = None,
        declared: Mapping[str, bool] | None = None,
        opaque: bool = False,
    ) -> None:
        self.name: str = name
        self.values: dict[str, Any] = dict(values or {})
        self.unknown: frozenset[str] = frozenset(unknown)
        self.by_instance: frozenset[str] = frozenset(by_instance)
        self.names: frozenset[str] = frozenset(names)
        self.forward: tuple[str, ...] | None = None if forward is None else tuple(forward)
        self.declared: dict[str, bool] | None = None if declared is None else dict(declared)
        self.opaque: bool = opaque

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassSummary:
        """The summary that a builder's `to_dict` gave."""
        return cls(**data)


class SummaryBuilder:
    """Gathers what a reader meets in a class, statement by statement, and decides what stays known.

    A name bound to a literal is known until something else happens to it; whatever cannot be followed makes it unknown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._values: dict[str, Any] = {}
        self._unknown: set[str] = set()
        self._by_instance: set[str] = set()
        self._names: set[str] = set()
        self._forward: list[str] | None = None
        self._declared: dict[str, bool] | None = None
        self._opaque = False
        self._has_fields = False

    def bind(self, name: str, value: object, *, annotated: bool = False) -> None:
        """The body assigns `value`, UNKNOWN where it is no literal.

        Args:
            name: the attribute.
            value: what it is set to.
            annotated: whether with a type: a field, in a dataclass, which each instance may be given.
        """
        again = name in self._names
        self._names.add(name)
        if annotated and self._has_fields:
            self.write(name)
        if name == "__slots__":
            self._reserve(value)
        if name not in RELEVANT:
            return
        if again:
            self._forget(name)
        kept = _kept(value)
        if kept is UNKNOWN or (name == "ModelCapabilities" and kept is not None):
            self._unknown.add(name)
        else:
            self._values[name] = kept

    def binds(self, name: str) -> bool:
        """Whether the body has bound a name so far."""
        return name in self._names

    def mention(self, name: str) -> None:
        """The body binds a name of which nothing else matters: see `TELLING`."""
        self._names.add(name)

    def doubt(self, name: str) -> None:
        """The body does something to `name` that leaves nobody sure of it."""
        self._names.add(name)
        if name in RELEVANT:
            self._forget(name)
            self._unknown.add(name)

    def define(self, name: str, parameters: Iterable[str], decorators: Iterable[str]) -> None:
        """The body defines a function.

        Args:
            name: its name.
            parameters: names of its parameters, `*name` and `**name` for variadic ones.
            decorators: their plain names.
        """
        again = name in self._names
        self._names.add(name)
        if name in _MAKERS:
            self._opaque = True
        if name not in RELEVANT:
            return
        if again:
            self._forget(name)
        decorators = tuple(decorators)
        if name == "forward" and _TRANSPARENT.issuperset(decorators):
            self._forward = [parameter for parameter in parameters if parameter != "self"]
        elif name not in ("generate", "get_capabilities") or not _METHODS.issuperset(decorators):
            self._unknown.add(name)

    def nest(self, name: str, declared: Mapping[str, bool] | None) -> None:
        """The body holds a class.

        Args:
            name: its name.
            declared: the capabilities it declares, None where nobody can tell; only asked of `ModelCapabilities`.
        """
        self.doubt(name)
        if name == "ModelCapabilities" and declared is not None:
            self._unknown.discard(name)
            self._declared = dict(declared)

    def write(self, *names: str) -> None:
        """A method writes these attributes, or makes them hang on the instance in another way."""
        self._by_instance |= RELEVANT.intersection(names)

    def write_from_outside(self, name: str, *, by_name: bool) -> None:
        """Code outside the class writes an attribute.

        Args:
            name: the attribute.
            by_name: whether the object is the class itself, by its name; else it may be an instance, but an attribute
                that objects of all kinds have is then taken for theirs.
        """
        if by_name or name in _DISTINCT:
            self.write(name)

    def obscure(self) -> None:
        """Nobody can tell any attribute of the class."""
        self._opaque = True

    def decorate(self, decorators: Iterable[str], metaclass: str | None) -> None:
        """What stands before and in the class statement, by plain names; to be told first."""
        decorators = tuple(decorators)
        self._has_fields = "dataclass" in decorators
        if not _HARMLESS.issuperset(decorators) or (metaclass is not None and metaclass not in _METACLASSES):
            self._opaque = True

    def finish(self) -> ClassSummary:
        """The summary."""
        return ClassSummary.from_dict(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON holds it; what is empty is left out."""
        found: dict[str, Any] = {"name": self.name}
        if self._unknown:
            found["unknown"] = sorted(self._unknown)
        if self._by_instance:
            found["by_instance"] = sorted(self._by_instance)
        if self._names:
            found["names"] = sorted(self._names)
        if self._values:
            found["values"] = self._values
        if self._forward is not None:
            found["forward"] = self._forward
        if self._declared is not None:
            found["declared"] = self._declared
        if self._opaque:
            found["opaque"] = True
        return found

    def _forget(self, name: str) -> None:
        self._values.pop(name, None)
        self._unknown.discard(name)
        if name == "forward":
            self._forward = None
        elif name == "ModelCapabilities":
            self._declared = None

    def _reserve(self, value: object) -> None:
        if isinstance(value, str):
            self.write(value)
        elif isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            self.write(*value)
        else:
            self._opaque = True


def declared_fields(
    fields: Iterable[tuple[str, object, bool]], decorators: Iterable[tuple[str, Iterable[str]]], *, plain: bool
) -> dict[str, bool] | None:
    """The capabilities that a nested `ModelCapabilities` declares; None where nobody can tell.

    Args:
        fields: (name, value or UNKNOWN, whether annotated) of the assignments in its body.
        decorators: (plain name, keywords it is called with) of its decorators.
        plain: whether it has no bases, no keywords and no statements besides assignments and documentation.
    """
    marks = tuple(decorators)
    if not plain or any(name != "dataclass" or not _OPTIONS.issuperset(keywords) for name, keywords in marks):
        return None
    found: dict[str, bool] = {}
    for name, value, annotated in fields:
        if (marks and not annotated) or (not marks and not name.startswith(_PREFIX)):
            continue
        if value is UNKNOWN:
            return None
        if isinstance(value, bool):
            found[name.removeprefix(_PREFIX)] = value
    return found


def _kept(value: object) -> Any:
    """A literal as JSON holds it; UNKNOWN for anything else."""
    if type(value) in _LITERALS:
        return value
    if isinstance(value, (list, tuple)):
        items = [_kept(item) for item in value]
        return UNKNOWN if UNKNOWN in items else items
    if not isinstance(value, dict):
        return UNKNOWN
    entries: dict[str, Any] = {}
    for key, item in value.items():
        kept = _kept(item)
        if kept is UNKNOWN or not isinstance(key, str):
            return UNKNOWN
        entries[key] = kept
    return entries
