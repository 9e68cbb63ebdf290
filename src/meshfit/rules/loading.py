"""Loads the rules: meshfit's own, as verdicts need them, then those that installed packages advertise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from threading import RLock
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from meshfit.rules.registry import Rule, add_rule

if TYPE_CHECKING:
    from meshfit.rules.entry_points import EntryPoint

__all__ = ["RuleLoadWarning", "load", "use_packages"]


_OF_NEMO: Final = ("generic", "nemo")

BUILT_IN: Final[Mapping[str, tuple[tuple[str, ...] | None, tuple[str, ...] | None]]] = MappingProxyType(
    {
        "world": (("mesh", "tp"), None),
        "compose": (("dp_shard", "dp_replicate", "ep", "pp"), ("transformers", "nemo")),
        "fsdp": (("dp_shard", "dp_replicate"), ("transformers",)),
        "tensor": (("tp",), None),
        "sharding": (("tp",), ("transformers",)),
        "pipeline": (("pp",), None),
        "context": (("cp", "sp"), None),
        "expert": (("ep",), None),
        "packing": (("mesh", "cp", "ep"), None),
        "seed": (("tp", "pp", "cp", "ep"), _OF_NEMO),
        "declared": (("tp", "pp", "cp", "ep"), _OF_NEMO),
        "executed": (None, ("transformers", "accelerate")),
        "torchtitan": (None, ("torchtitan",)),
        "megatron": (None, ("megatron",)),
        "megatron_pipeline": (None, ("megatron",)),
        "vllm": (None, ("vllm",)),
    }
)
"""The modules of this package that declare rules, with the axes and the engines that they have rules for; None: any."""


class RuleLoadWarning(UserWarning):
    """Rules of another package could not be loaded; its verdicts are missing from the report."""


_others: Final[dict[str, Any]] = {"packages": None, "begun": False}
_loaded: Final[set[tuple[str | None, str | None]]] = set()
_loading: Final = RLock()


def use_packages(packages: Sequence[str]) -> None:
    """Take further rules from these modules, which declare them when they are imported, not from what is installed."""
    _others["packages"] = packages


def load(engine: str | None = None, axis: str | None = None) -> None:
    """Load the rules that an engine has for an axis, once; where other packages add rules, every one.

    A package whose rules fail to load is named in a `RuleLoadWarning`. Another thread waits until all are there; rules
    that ask while they are loaded see those that came before them.

    Args:
        engine: None for every engine.
        axis: None for every axis.
    """
    if (engine, axis) in _loaded:
        return
    with _loading:
        entries = [] if _others["begun"] else _entries()
        whole = bool(entries)  # a package that takes one of meshfit's codes is the one to be left out
        for name, (axes, engines) in BUILT_IN.items():
            if whole or (_is_of(axis, axes) and _is_of(engine, engines)):
                import_module(f"meshfit.rules.{name}")
        _others["begun"] = True
        for entry in entries:
            _load_entry(entry)
        _loaded.add((engine, axis))


def _is_of(asked: str | None, known: tuple[str, ...] | None) -> bool:
    return asked is None or known is None or asked in known


def _entries() -> Sequence[EntryPoint]:
    named: Sequence[str] | None = _others["packages"]
    if named is not None and not named:
        return ()
    from meshfit.rules.entry_points import EntryPoint, advertised

    return advertised("meshfit.rules") if named is None else [EntryPoint(name, name, name) for name in named]


def _load_entry(entry: EntryPoint) -> None:
    try:
        _register(_resolve(entry.target))
    except Exception as error:  # noqa: BLE001 - whatever another package does wrong, the verdict must still come
        warnings.warn(
            f"the rules {entry.name!r} of {entry.distribution} were left out: {type(error).__name__}: {error}; "
            f"update or uninstall {entry.distribution}",
            RuleLoadWarning,
            stacklevel=2,
        )


def _resolve(target: str) -> object:
    module_name, _, attributes = target.partition(":")
    found: object = import_module(module_name.strip())
    for attribute in filter(None, attributes.strip().split(".")):
        found = getattr(found, attribute)
    return found


def _register(found: object) -> None:
    """A module has declared its rules by being imported; a `Rule` is added; a callable adds or returns its rules."""
    if isinstance(found, ModuleType):
        return
    if isinstance(found, Rule):
        add_rule(found)
        return
    if not callable(found):
        raise TypeError(f"an entry point of meshfit.rules is a module, a Rule or a callable, got {found!r}")
    make: Callable[[], object] = found
    rules = make()
    for rule in rules if isinstance(rules, list | tuple) else ():
        if not isinstance(rule, Rule):
            raise TypeError(f"expected meshfit.rules.registry.Rule, got {rule!r}")
        add_rule(rule)
