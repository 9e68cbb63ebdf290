"""A user's model class, read as source: found without an import, its bases followed into other packages.

Files are found by walking `sys.path` and the working directory; `find_spec` of a submodule would run its parents.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Final

from meshfit import registries
from meshfit.errors import TargetError
from meshfit.facts import FACTS, ModelFacts, Origin
from meshfit.readers.class_flags import BESIDE
from meshfit.readers.class_resolution import Ancestor, Shipped, as_registered, planless_config, resolve
from meshfit.readers.source import auto
from meshfit.readers.source.class_bodies import summarise
from meshfit.readers.source.facts import declared_config
from meshfit.readers.source.index import ClassSource, Definition, External, ModuleSource, Package, find_package
from meshfit.readers.source.shipped import BASE_FACTS, facts_of_shipped, later_facts

__all__ = ["OwnClass", "Program", "facts_of_found", "facts_of_own_class", "find_own_class"]

_CLOSED: Final = frozenset({*sys.stdlib_module_names, "torch", "meshfit", "typing_extensions", "numpy"})
"""Packages that are not followed: their classes are known by their names."""


class Program(Package):
    """Everything Python would import from here, as source; frameworks stay closed."""

    def __init__(self) -> None:
        super().__init__("", Path())
        self._places = tuple(dict.fromkeys(Path(place or ".").resolve() for place in (".", *sys.path)))
        self._shipped = find_package("transformers")

    @property
    def shipped(self) -> Package:
        """The installed transformers."""
        return self._shipped or self

    def module(self, dotted: str) -> ModuleSource | None:
        """The module of that dotted name, None for one that is closed, cannot be parsed or does not exist.

        A module of transformers is the one its own package holds.
        """
        top = dotted.partition(".")[0]
        if self._shipped is not None and top == self._shipped.name:
            return self._shipped.module(dotted)
        return None if top in _CLOSED else super().module(dotted)

    def lookup(self, module: ModuleSource, name: str) -> Definition | None:
        """What `name` means in `module`, also where transformers hands it out lazily."""
        if module.package is self:
            return super().lookup(module, name)
        found = module.package.lookup(module, name)
        lazy = found is None and module.path.name == "__init__.py"
        return auto.find_class(module.package, name) if lazy else found

    def file(self, dotted: str) -> Path | None:
        """The file of a module: the first that `sys.path` or the working directory holds."""
        parts = dotted.split(".")
        for place in self._places:
            base = place.joinpath(*parts)
            for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
                if path.is_file():
                    return path
        return None

    def _parse(self, dotted: str) -> ModuleSource | None:
        path = self.file(dotted)
        try:
            return None if path is None else ModuleSource(dotted, path, ast.parse(path.read_bytes()), self)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
            return None

    def mentions(self, word: str) -> bool:
        """Whether a module that was read, or a package that holds one, has the word in its text."""
        read = {name for name, module in self._modules.items() if module is not None}
        holders = {name.rsplit(".", depth)[0] for name in read for depth in range(1, name.count(".") + 1)}
        files = [self.file(name) for name in read | holders]
        return any(word.encode() in path.read_bytes() for path in files if path is not None)


class OwnClass:
    """A class and those it derives from.

    Args:
        source: the class.
        program: where it was found.
    """

    def __init__(self, source: ClassSource, program: Program) -> None:
        self.source = source
        self.program = program

    @cached_property
    def mro(self) -> tuple[Ancestor, ...]:
        """The method resolution order; what is not followed comes last."""
        found = [
            Ancestor(c.module.name, c.name, None if self._is_shipped(c) else summarise(c.node, c.module.tree))
            for c in self.source.mro
        ]
        outside = (dotted.rpartition(".") for dotted in sorted(self.source.external_bases))
        return (*found, *(Ancestor(module, name, None) for module, _, name in outside))

    @cached_property
    def lost_bases(self) -> tuple[str, ...]:
        """Bases, as written, that lead to no class."""
        return tuple(
            ast.unparse(base)
            for cls in self.source.mro
            if not self._is_shipped(cls)
            for base in cls.node.bases
            if not self._leads_somewhere(cls, base)
        )

    @property
    def is_module(self) -> bool:
        """Whether it derives from torch's `Module`."""
        outside = self.source.external_bases
        return any(name.startswith("torch.nn.") or name.endswith(".PreTrainedModel") for name in outside)

    @cached_property
    def shipped(self) -> ClassSource | None:
        """The nearest class of transformers in the order; None where that is no model."""
        found = next((cls for cls in self.source.mro if self._is_shipped(cls)), None)
        return found if found is not None and _is_pretrained(found) else None

    def _is_shipped(self, cls: ClassSource) -> bool:
        return cls.module.package is not self.program

    def _leads_somewhere(self, cls: ClassSource, base: ast.expr) -> bool:
        target = self.program.resolve(cls.module, base)
        if isinstance(target, External):
            return target.dotted.partition(".")[0] in {*_CLOSED, "transformers"}
        return isinstance(target, ClassSource) or (isinstance(base, ast.Name) and base.id == "object")


def _is_pretrained(cls: ClassSource) -> bool:
    return any(name.endswith(".PreTrainedModel") for name in cls.external_bases)


def find_own_class(target: str) -> OwnClass:
    """The class that `module:Class` names; nothing is imported.

    Raises:
        TargetError: there is no such module, it is no Python, it has no such class, or that is no `torch.nn.Module`.
    """
    module_name, _, name = target.partition(":")
    program = Program()
    module = _module(program, module_name)
    found = program.lookup(module, name)
    if not isinstance(found, ClassSource):
        near = get_close_matches(name, [n for n, s in module.names.items() if isinstance(s, ast.ClassDef)], n=1)
        advice = f"; did you mean {module_name}:{near[0]}?" if near else ""
        raise TargetError(f"{module.path} defines no class {name!r}{advice}")
    own = OwnClass(found, program)
    try:
        is_module = own.is_module
    except RecursionError:
        raise TargetError(f"{target} has the name of one of its own bases; give the class another name") from None
    if not is_module:
        if own.lost_bases:
            raise TargetError(f"{target}: its base {own.lost_bases[0]} was not found on sys.path, so nothing is known")
        raise TargetError(f"{target} is not a torch.nn.Module, so it has no mesh; name a model class")
    return own


def facts_of_own_class(target: str) -> ModelFacts:
    """What holds for every instance of the class that `module:Class` names, as far as its source tells.

    Raises:
        TargetError: as `find_own_class`.
        PlanError: a plan of the class is not a mapping.
    """
    return facts_of_found(find_own_class(target))


def facts_of_found(own: OwnClass) -> ModelFacts:
    """As `facts_of_own_class`, for a class that was found. Raises PlanError: a plan of it is not a mapping."""
    facts = resolve(own.mro, complete=not own.lost_bases, shipped=_shipped(own))
    custom = _registered(own, "custom_models", registries.custom_models)
    facts = as_registered(facts, _registered(own, "tp_plans", registries.tp_plans))
    facts = facts if custom is None else facts.replace(is_custom=custom)
    place = Origin(str(own.source.module.path), line=own.source.node.lineno)
    return _built(own, facts).replace(origins=dict.fromkeys(FACTS, place))


def _built(own: OwnClass, facts: ModelFacts) -> ModelFacts:
    """The facts with what every configuration of a class of the user's own design builds, where that is not known."""
    if not facts.knows("is_pretrained") or not facts.is_pretrained or own.shipped is not None or own.lost_bases:
        return facts
    said = [entry.summary for entry in own.mro if entry.summary is not None]
    if any(one.opaque or "__getattribute__" in one.names for one in said):
        return facts
    doubtful = frozenset().union(*(one.by_instance | one.unknown for one in said))
    found = later_facts(own.source, lambda cls: _runs_as_written(cls, own.program))
    return facts.replace(
        later={name: gather for name, gather in found.items() if not facts.knows(name) and f"_{name}" not in doubtful}
    )


def _runs_as_written(cls: ClassSource, program: Program) -> bool:
    """Whether no decorator, no method and nothing outside puts another forward in the place of the one in sight."""
    said = [entry.summary for entry in OwnClass(cls, program).mro if entry.summary is not None]
    return not any(one.opaque or "forward" in one.by_instance | one.unknown for one in said)


def _module(program: Program, name: str) -> ModuleSource:
    module = program.module(name)
    if module is not None:
        return module
    path = program.file(name)
    if path is None:
        raise TargetError(f"there is no module {name}; start in the folder that holds it, or set PYTHONPATH")
    try:
        ast.parse(path.read_bytes())
    except SyntaxError as fault:
        line = "" if fault.lineno is None else f":{fault.lineno}"
        raise TargetError(f"{path}{line} is no Python: {fault.msg}") from fault
    except (RecursionError, MemoryError) as fault:  # which of them, and from what depth, differs by version
        raise TargetError(f"{path} is nested too deeply to be read; name a class of another module") from fault
    except (ValueError, OSError) as fault:
        raise TargetError(f"{path} cannot be read: {fault}") from fault
    raise TargetError(f"{name} belongs to a package that is not read as source; name a class of your own")


def _registered(own: OwnClass, name: str, entries: Iterable[type | str]) -> bool | None:
    """Whether a registry has an entry for the class; None where its program, which names it, may still enter one."""
    qualified = f"{own.source.module.name}.{own.source.name}"
    keys = (f"{key.__module__}.{key.__qualname__}" if isinstance(key, type) else key for key in entries)
    if any(key in (qualified, own.source.name) for key in keys):
        return True
    return None if own.program.mentions(name) else False


def _shipped(own: OwnClass) -> Shipped | None:
    """What holds for the nearest class of transformers, or for its `PreTrainedModel`."""
    cls = own.shipped
    if cls is not None:
        return Shipped(facts_of_shipped(cls), lambda name: cls.find(name) is not None)
    plain = {"PreTrainedModel", *BESIDE}
    if not _is_pretrained(own.source) or any(entry.is_shipped and entry.name not in plain for entry in own.mro):
        return None
    config = declared_config(own.source)
    described = None if config is None else OwnClass(config, own.program)
    planless = frozenset[str]()
    if described is not None:
        planless = planless_config(described.mro, complete=not described.lost_bases)
    return Shipped(ModelFacts(**BASE_FACTS), BASE_FACTS.__contains__, planless)
