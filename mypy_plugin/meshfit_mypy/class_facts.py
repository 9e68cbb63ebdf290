"""What holds for every instance of a class that mypy knows."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import TypeAlias, Var
from mypy.types import CallableType, Instance, Overloaded, TypeType, UnionType, get_proper_type

from meshfit.errors import MeshfitError
from meshfit.facts import ModelFacts
from meshfit.readers.class_flags import BESIDE
from meshfit.readers.class_resolution import Ancestor, Shipped, as_registered, planless_config, resolve
from meshfit.readers.class_summary import ClassSummary
from meshfit_mypy.classes import HANDS_ON, KEY
from meshfit_mypy.texts import names_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy.nodes import MypyFile, TypeInfo
    from mypy.types import ProperType, Type

__all__ = ["facts_of_type", "is_concrete", "is_model", "validates", "with_config"]

_CAPABILITY: Final = "meshfit.capability.CapabilityMixin"
_FRAMEWORKS: Final = frozenset({"torch", "transformers", "meshfit"})
"""Packages whose classes are not read from what mypy recorded."""

_known: Final[dict[str, tuple[list[Any], ModelFacts]]] = {}
_ancestors: Final[dict[str, tuple[Any, Ancestor]]] = {}
_mentioned: Final[list[Any]] = [0.0, False, None]
"""When the files were last looked at, whether one of them did, and which program's they were."""
_FRESH: Final = 2.0
"""Seconds."""


def is_model(info: TypeInfo) -> bool:
    """Whether the class derives from torch's `Module` or from `CapabilityMixin`."""
    return info.has_base(_CAPABILITY) or any(base.name == "Module" and _package(base) == "torch" for base in info.mro)


def is_concrete(info: TypeInfo) -> bool:
    """Whether a model may be of this very class: no abstract one, and no base of transformers without a forward."""
    if info.is_abstract:
        return False
    return _package(info) != "transformers" or any(
        "forward" in base.names for base in info.mro if _package(base) == "transformers"
    )


def validates(type_: Type | None) -> bool:
    """Whether `validate_for_mesh` of a value of the type is meshfit's own, or hands its mesh on to that."""
    proper = None if type_ is None else get_proper_type(type_)
    if isinstance(proper, UnionType):
        return all(validates(item) for item in proper.items)
    if isinstance(proper, TypeType):
        return validates(proper.item)
    if not isinstance(proper, Instance):
        return False
    for base in proper.type.mro:
        if "validate_for_mesh" in base.names and not base.metadata.get(HANDS_ON):
            return _package(base) == "meshfit"
    return False


def facts_of_type(info: TypeInfo, modules: Mapping[str, MypyFile]) -> ModelFacts:
    """What holds for every instance of the class; a fact that is not known is absent. Never raises.

    Args:
        info: the class.
        modules: every module mypy has loaded, by dotted name.
    """
    config = _config_class(info)
    marks = [base.metadata.get(KEY) for base in (info.mro if config is None else [*info.mro, *config.mro])]
    known = _known.get(info.fullname)
    if known is None or len(known[0]) != len(marks) or any(a is not b for a, b in zip(known[0], marks, strict=True)):
        known = _known[info.fullname] = (marks, _resolved(info, _shipped(info, modules)))
    return _as_registered(known[1], modules)


def with_config(
    info: TypeInfo, modules: Mapping[str, MypyFile], read: Callable[[str], ModelFacts | None]
) -> ModelFacts:
    """The facts of a class with a config that is known.

    Args:
        info: the class.
        modules: every module mypy has loaded, by dotted name.
        read: name of the nearest class of transformers -> its facts with that config, None where they are not known.
    """
    from meshfit.readers.proven import DECIDING, recorded_proofs

    base = _nearest(info)
    facts = None if base is None else read(base.name)
    if base is None or facts is None:
        return facts_of_type(info, modules)
    known = _as_registered(_resolved(info, Shipped(facts, _has(base))), modules)
    own = (DECIDING.intersection(one.names) for one in info.mro[: info.mro.index(base)] if _package(one) != "meshfit")
    return known if any(own) else known.replace(executed=recorded_proofs(facts, settling=True))


def _resolved(info: TypeInfo, shipped: Shipped | None) -> ModelFacts:
    complete = True not in [base.fallback_to_any for base in info.mro]
    try:
        return resolve([_ancestor(base) for base in info.mro], complete=complete, shipped=shipped)
    except MeshfitError:
        # A plan that is no mapping: what the live model says of it is an error of its own.
        return ModelFacts(class_name=info.name)


def _ancestor(info: TypeInfo) -> Ancestor:
    data = info.metadata.get(KEY)
    known = _ancestors.get(info.fullname)
    if known is None or known[0] is not data:
        summary = None if data is None or _package(info) in _FRAMEWORKS else ClassSummary.from_dict(data)
        known = _ancestors[info.fullname] = (data, Ancestor(info.module_name, info.name, summary))
    return known[1]


def _nearest(info: TypeInfo) -> TypeInfo | None:
    """The nearest model class of transformers in the order; None also where a mixin of transformers comes before it."""
    for base in info.mro:
        if _package(base) == "transformers" and base.name not in BESIDE:
            return base if any(one.name == "PreTrainedModel" for one in base.mro) else None
    return None


def _shipped(info: TypeInfo, modules: Mapping[str, MypyFile]) -> Shipped | None:
    """What holds for every config of the nearest class of transformers."""
    base = _nearest(info)
    tree = None if base is None else modules.get(base.module_name)
    if base is None or tree is None:
        return None
    from meshfit.readers.source.index import ClassSource, find_package
    from meshfit.readers.source.shipped import BASE_FACTS, facts_of_shipped

    if base.name == "PreTrainedModel":
        return Shipped(ModelFacts(**BASE_FACTS), _has(base), _planless(info))
    depth = base.module_name.count(".") + tree.is_package_init_file()
    package = find_package("transformers", Path(tree.path).parents[depth])
    module = None if package is None else package.module(base.module_name)
    found = None if module is None else module.lookup(base.name)
    return Shipped(facts_of_shipped(found), _has(base)) if isinstance(found, ClassSource) else None


def _planless(info: TypeInfo) -> frozenset[str]:
    """The kinds of plan that the class's own config class gives no model."""
    config = _config_class(info)
    if config is None:
        return frozenset()
    complete = not any(base.fallback_to_any for base in config.mro)
    return planless_config([_ancestor(base) for base in config.mro], complete=complete)


def _config_class(info: TypeInfo) -> TypeInfo | None:
    """The config class that a class outside the frameworks names."""
    node = None
    for base in info.mro:
        symbol = base.names.get("config_class") or base.names.get("config")
        if symbol is not None and _package(base) not in _FRAMEWORKS:
            node = symbol.node
            break
    named = node.target if isinstance(node, TypeAlias) else node.type if isinstance(node, Var) else None
    return None if named is None else _class_in(get_proper_type(named))


def _class_in(type_: ProperType) -> TypeInfo | None:
    """The class of an instance, or the one that a value of the type is."""
    if isinstance(type_, TypeType):
        return _class_in(type_.item)
    if isinstance(type_, (CallableType, Overloaded)):
        return type_.type_object() if type_.is_type_obj() else None
    return type_.type if isinstance(type_, Instance) else None


def _has(info: TypeInfo) -> Callable[[str], bool]:
    return lambda name: any(name in base.names for base in info.mro if _package(base) == "transformers")


def _package(info: TypeInfo) -> str:
    return info.module_name.partition(".")[0]


def _as_registered(facts: ModelFacts, modules: Mapping[str, MypyFile]) -> ModelFacts:
    """The facts with what the registries hold: nothing, in a program that never names the one of plans."""
    if not facts.knows("is_pretrained") or facts.is_pretrained or (facts.knows("tp_plan") and facts.tp_plan):
        return facts  # an entry would change nothing
    return as_registered(facts, None if _may_register(modules) else False)


def _may_register(modules: Mapping[str, MypyFile]) -> bool:
    """Whether a file of the program, or one beside them, mentions `tp_plans`.

    mypy need not have loaded every file, and an entry may be made in any. Looked up anew every other second: a run
    loads more files as it goes, and the daemon waits for edits.
    """
    now, program = monotonic(), (id(modules), id(modules.get("builtins")))
    if now - _mentioned[0] > _FRESH or program != _mentioned[2]:
        paths = (tree.path for tree in modules.values() if tree.fullname.partition(".")[0] not in _FRAMEWORKS)
        folders = {os.path.dirname(path) for path in paths if path.endswith(".py") and "site-packages" not in path}
        mentioned = any(names_registry(entry) for folder in folders for entry in _sources(folder or "."))
        _mentioned[:] = now, mentioned, program
    return bool(_mentioned[1])


def _sources(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.name.endswith(".py"))
    except OSError:
        return
