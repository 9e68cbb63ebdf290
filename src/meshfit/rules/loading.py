"""Loads the rules: meshfit's own, then those that installed packages advertise as entry points.

`importlib.metadata` costs more than a whole verdict, so the entry points are read here from the `entry_points.txt`
files on `sys.path`, and only in the path that judges.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from threading import RLock
from types import MappingProxyType, ModuleType
from typing import Final, NamedTuple

from meshfit.rules.registry import Rule, add_rule

__all__ = ["EntryPoint", "RuleLoadWarning", "advertised", "load", "load_own"]

BUILT_IN: Final = (
    "world",
    "compose",
    "fsdp",
    "tensor",
    "sharding",
    "pipeline",
    "context",
    "expert",
    "packing",
    "seed",
    "declared",
    "executed",
)
"""The modules of this package that declare rules, but for those of `OWN`."""

OWN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"torchtitan": ("torchtitan",), "megatron": ("megatron", "megatron_pipeline"), "vllm": ("vllm",)}
)
"""Engine -> the modules with rules of it alone, which no verdict under another engine has to wait for."""


class RuleLoadWarning(UserWarning):
    """Rules of another package could not be loaded; its verdicts are missing from the report."""


class EntryPoint(NamedTuple):
    """One line of an `entry_points.txt`: `name = target`, and the distribution whose folder holds it."""

    name: str
    target: str
    distribution: str


_state = {"begun": False, "loaded": False}
_loading: Final = RLock()


def load(packages: Sequence[str] | None = None) -> None:
    """Load the rules once, but those of `OWN`. A package whose rules fail to load is named in a `RuleLoadWarning`.

    Another thread waits until all are there; rules that ask while they are loaded see those that came before them.

    Args:
        packages: modules that declare rules when they are imported, instead of what installed packages advertise.
    """
    if _state["loaded"]:
        return
    with _loading:
        if _state["begun"]:
            return
        _state["begun"] = True
        for name in BUILT_IN:
            import_module(f"meshfit.rules.{name}")
        entries = advertised("meshfit.rules") if packages is None else [EntryPoint(p, p, p) for p in packages]
        if entries:
            load_own()  # a package that takes one of their codes is the one to be left out
        for entry in entries:
            _load_entry(entry)
        _state["loaded"] = True


def load_own(engine: str | None = None) -> None:
    """Load the rules that `engine` alone enforces; of every engine for None."""
    for owner, modules in OWN.items():
        if engine in (None, owner):
            for name in modules:
                import_module(f"meshfit.rules.{name}")


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


@lru_cache(maxsize=8)
def advertised(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of `group` among the installed distributions, the first found of each name and distribution."""
    found: dict[tuple[str, str], EntryPoint] = {}
    for distribution, text in _entry_point_files():
        for name, target in _section(text, group):
            found.setdefault((distribution, name), EntryPoint(name, target, distribution))
    return tuple(sorted(found.values()))


@lru_cache(maxsize=1)
def _entry_point_files() -> tuple[tuple[str, str], ...]:
    """(distribution, text) of each `entry_points.txt` that names a group of meshfit."""
    found = []
    for place in dict.fromkeys(sys.path):
        try:
            folders = [e.path for e in os.scandir(place or ".") if e.name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for folder in sorted(folders):
            try:
                with open(os.path.join(folder, "entry_points.txt"), "rb") as file:  # noqa: PTH118, PTH123 - twice as fast
                    raw = file.read()
            except OSError:
                continue
            if b"meshfit." in raw:
                distribution = os.path.basename(folder).partition("-")[0]  # noqa: PTH119 - as above
                found.append((distribution, raw.decode("utf-8", "replace")))
    return tuple(found)


def _section(text: str, group: str) -> Iterator[tuple[str, str]]:
    """The (name, target) lines below `[group]`."""
    current = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            current = stripped.strip("[]").strip()
        elif current == group and "=" in stripped and not stripped.startswith(("#", ";")):
            name, _, target = stripped.partition("=")
            yield name.strip(), target.partition("[")[0].strip()
