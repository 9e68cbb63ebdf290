"""Models in a Python file: objects of its own classes, and what `from_pretrained` loads."""

from __future__ import annotations

import ast
from pathlib import PurePath
from typing import Final, NamedTuple

from meshfit.errors import MeshfitError
from meshfit.facts import ModelFacts
from meshfit.lint.python_names import Imported, Names, Parameter, Scope

__all__ = ["Models"]

_SAME: Final = frozenset(
    {
        *(
            "eval",
            "train",
            "to",
            "cuda",
            "cpu",
            "half",
            "bfloat16",
            "float",
            "double",
            "requires_grad_",
            "share_memory",
        ),
        *("xpu", "to_empty", "apply", "type"),
    }
)
"""Methods of a model that give it back."""
_MIXINS: Final = frozenset({"meshfit.CapabilityMixin", "meshfit.capability.CapabilityMixin"})
_DEEPEST: Final = 40


class _Known(NamedTuple):
    facts: ModelFacts
    validates: bool


class Models:
    """The models of a file.

    Args:
        tree: the file.
        names: its names.
        path: where it is.
        text: its text.
    """

    def __init__(self, tree: ast.Module, names: Names, path: str, text: str) -> None:
        self._tree = tree
        self._names = names
        self._path = path
        self._text = text
        self._known: dict[str, _Known | None] = {}

    def facts(self, node: ast.expr, scope: Scope, *, method: bool) -> ModelFacts | None:
        """What is known of the model that an expression is; None where it may be another.

        Args:
            node: the expression.
            scope: where it stands.
            method: asked for a method of meshfit's, so that a model that may have one of its own does not count.
        """
        name = self._class_of(node, scope, 0)
        known = None if name is None else self._of_class(name)
        return None if known is None or (method and not known.validates) else known.facts

    def class_facts(self, node: ast.expr, scope: Scope, *, method: bool = False) -> ModelFacts | None:
        """The same for an expression that is the class itself."""
        name = self._class_name(node, scope)
        known = None if name is None else self._of_class(name)
        return None if known is None or (method and not known.validates) else known.facts

    def _class_of(self, node: ast.expr, scope: Scope, depth: int) -> str | None:
        if depth > _DEEPEST:
            return None
        match node:
            case ast.Name(id=name):
                found = self._names.bound(name, scope)
                if found is None:
                    return None
                to, where = found
                if isinstance(to, Parameter):
                    return self._annotated(to, where)
                return self._class_of(to, where, depth + 1) if isinstance(to, ast.expr) else None
            case ast.NamedExpr(value=value):
                return self._class_of(value, scope, depth + 1)
            case ast.Call(func=ast.Attribute(value=holder, attr="from_pretrained")):
                return self._class_name(holder, scope)
            case ast.Call(func=ast.Attribute(value=holder, attr=method)) if method in _SAME:
                return self._class_of(holder, scope, depth + 1)
            case ast.Call(func=function):
                return self._class_name(function, scope)
            case _:
                return None

    def _annotated(self, parameter: Parameter, scope: Scope) -> str | None:
        annotation = parameter.annotation
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            if not annotation.value.isidentifier():
                return None
            annotation = ast.Name(annotation.value, ast.Load())
        name = None if annotation is None else self._class_name(annotation, scope)
        return None if name is None or self._is_abstract(name) else name

    def _class_name(self, node: ast.expr, scope: Scope) -> str | None:
        """The name in the module of the class that an expression names."""
        if not isinstance(node, ast.Name):
            return None
        found = self._names.bound(node.id, scope)
        if found is None or found[1] is not self._names.module:
            return None
        return node.id if isinstance(found[0], ast.ClassDef | Imported) else None

    def _is_abstract(self, name: str) -> bool:
        """Whether the class leaves methods to others, so that nobody is of it alone."""
        found = self._names.bound(name, self._names.module)
        if found is None or not isinstance(found[0], ast.ClassDef):
            return False
        return any(
            "abstract" in word or word in ("ABC", "ABCMeta", "Protocol")
            for node in ast.walk(found[0])
            for word in (getattr(node, "id", ""), getattr(node, "attr", ""))
        )

    def _of_class(self, name: str) -> _Known | None:
        if name not in self._known:
            try:
                self._known[name] = self._read(name)
            except (MeshfitError, RecursionError):
                self._known[name] = None
        return self._known[name]

    def _read(self, name: str) -> _Known | None:
        from pathlib import Path

        from meshfit.lint.registrations import may_register
        from meshfit.readers.class_resolution import as_registered
        from meshfit.readers.source.facts import facts_from_class_name
        from meshfit.readers.source.index import ClassSource, ModuleSource
        from meshfit.readers.source.own_classes import OwnClass, Program, facts_of_found

        program = Program()
        module = ModuleSource(_dotted(self._path), Path(self._path), self._tree, program)
        found = program.lookup(module, name)
        if not isinstance(found, ClassSource):
            return None
        own = OwnClass(found, program)
        if found.module.package is not program:
            return _Known(facts_from_class_name(found.name), validates=False)
        mixed = not _MIXINS.isdisjoint(found.external_bases)
        if not own.is_module and not mixed:
            return None
        validates = mixed and not any("validate_for_mesh" in cls.own for cls in found.mro)
        facts = facts_of_found(own)
        if _hangs_on_registry(facts) and may_register(self._path, self._text):
            facts = as_registered(facts.without("registered_tp_plan", "is_custom"), None)
        return _Known(facts, validates)


def _hangs_on_registry(facts: ModelFacts) -> bool:
    """Whether an entry for the class would change what is known of it."""
    pretrained = facts.knows("is_pretrained") and facts.is_pretrained
    return not pretrained and not (facts.knows("tp_plan") and facts.tp_plan)


def _dotted(path: str) -> str:
    """The name by which the file would be imported from here."""
    parts = PurePath(path).with_suffix("").parts
    return ".".join(parts) if all(part.isidentifier() for part in parts) else PurePath(path).stem
