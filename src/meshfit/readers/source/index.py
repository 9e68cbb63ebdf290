"""Python packages as source: modules parsed on demand, names followed through imports, nothing executed.

A package is found by walking `sys.path` (`find_spec` of a submodule would run its parents).
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ClassSource", "FunctionSource", "ModuleSource", "Package", "find_package"]

SEALED: Final = (
    "modeling_utils",
    "configuration_utils",
    "generation",
    "utils",
    "integrations",
    "cache_utils",
    "models.auto",
    "processing_utils",
)
"""Parts of transformers that are not followed: large, and known by what they mean (`PreTrainedModel`)."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class ModuleSource:
    """One parsed file: its top-level names, and where each comes from."""

    name: str
    path: Path
    tree: ast.Module
    package: Package = field(repr=False)

    @cached_property
    def names(self) -> Mapping[str, ast.stmt]:
        """Top-level name -> the statement that binds it last; branches of `if` and `try` are entered."""
        found: dict[str, ast.stmt] = {}
        _collect(self.tree.body, found)
        return found

    def lookup(self, name: str) -> Definition | None:
        """What `name` means here, followed through imports; None when it comes from outside the package."""
        return self.package.lookup(self, name)


@dataclass(frozen=True, eq=False)
class FunctionSource:
    """A function and the module whose names its body sees; `owner` is the class that defines a method."""

    node: FunctionNode
    module: ModuleSource
    owner: ClassSource | None = None

    @property
    def where(self) -> str:
        """`modeling_llama.py:42`."""
        return f"{self.module.path.name}:{self.node.lineno}"


@dataclass(frozen=True, eq=False)
class Assignment:
    """A module-level `name = expression`."""

    value: ast.expr
    module: ModuleSource


@dataclass(frozen=True, eq=False)
class External:
    """A name imported from another package (`torch.nn`, `math`)."""

    dotted: str


@dataclass(frozen=True, eq=False)
class ClassSource:
    """A class: its own attributes and methods, and the linearised bases that the package defines."""

    node: ast.ClassDef
    module: ModuleSource

    @property
    def name(self) -> str:
        """The plain name."""
        return self.node.name

    @property
    def qualname(self) -> str:
        """`transformers.models.llama.modeling_llama.LlamaModel`."""
        return f"{self.module.name}.{self.node.name}"

    @cached_property
    def own(self) -> Mapping[str, ast.stmt]:
        """Name -> the statement in the class body that binds it."""
        found: dict[str, ast.stmt] = {}
        _collect(self.node.body, found)
        return found

    @cached_property
    def bases(self) -> tuple[ClassSource | External, ...]:
        """The bases in order; one that cannot be followed is left out."""
        found = []
        for base in self.node.bases:
            target = self.module.package.resolve(self.module, base)
            if isinstance(target, ClassSource | External):
                found.append(target)
        return tuple(found)

    @cached_property
    def mro(self) -> tuple[ClassSource, ...]:
        """C3 order over the package's own classes, this one first."""
        sequences = [list(base.mro) for base in self.bases if isinstance(base, ClassSource)]
        sequences.append([base for base in self.bases if isinstance(base, ClassSource)])
        order = [self]
        while any(sequences):
            sequences = [s for s in sequences if s]
            head = next((s[0] for s in sequences if not any(s[0] in t[1:] for t in sequences)), sequences[0][0])
            order.append(head)
            sequences = [[c for c in s if c is not head] for s in sequences]
        return tuple(order)

    @cached_property
    def external_bases(self) -> frozenset[str]:
        """Dotted names of every base from outside the package, over the whole MRO."""
        return frozenset(b.dotted for c in self.mro for b in c.bases if isinstance(b, External))

    @cached_property
    def constants(self) -> Mapping[str, object]:
        """Attributes of the class body set to a literal, which other attributes of it may name."""
        assigned = ((name, node.value) for name, node in self.own.items() if isinstance(node, ast.Assign))
        return {name: value.value for name, value in assigned if isinstance(value, ast.Constant)}

    def find(self, name: str) -> tuple[ast.stmt, ClassSource] | None:
        """The statement that binds attribute `name`, and the class of the MRO that holds it."""
        return next(((c.own[name], c) for c in self.mro if name in c.own), None)

    def method(self, name: str, after: ClassSource | None = None) -> FunctionSource | None:
        """The method `name`; with `after`, the one `super()` in that class finds."""
        order = self.mro[self.mro.index(after) + 1 :] if after in self.mro else self.mro
        for cls in order:
            node = cls.own.get(name)
            if isinstance(node, FunctionNode):
                return FunctionSource(node, cls.module, cls)
            if node is not None:
                return None
        return None

    def annotated_class(self, name: str) -> ClassSource | None:
        """The class that `name: Cls` or `name = Cls` in a class body of the MRO names."""
        found = self.find(name)
        if found is None:
            return None
        statement, owner = found
        expression = statement.annotation if isinstance(statement, ast.AnnAssign) else getattr(statement, "value", None)
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
            expression = ast.parse(expression.value, mode="eval").body
        while isinstance(expression, ast.BinOp):
            expression = expression.left
        target = self.module.package.resolve(owner.module, expression) if isinstance(expression, ast.expr) else None
        return target if isinstance(target, ClassSource) else None

    def constant(self, name: str) -> str | int | bool | None:
        """The literal that a class attribute of the MRO is set to, None when it is none."""
        found = self.find(name)
        node = getattr(found[0], "value", None) if found is not None else None
        value = node.value if isinstance(node, ast.Constant) else None
        return value if isinstance(value, str | int) else None

    def derives_from(self, name: str) -> bool:
        """Whether a class of that plain name, or an external base of that dotted name, is in the MRO."""
        return any(c.name == name for c in self.mro) or name in self.external_bases


class Package:
    """One installed package, read as source from `root` (the folder that holds its `__init__.py`)."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self._sealed = tuple(f"{name}.{part}" for part in SEALED)
        self._modules: dict[str, ModuleSource | None] = {}
        self._lookups: dict[tuple[str, str], Definition | None] = {}

    @property
    def shipped(self) -> Package:
        """The package of transformers that the classes here build on: this one, unless they are a user's."""
        return self

    def module(self, dotted: str) -> ModuleSource | None:
        """The module of that dotted name, parsed at first use; None when there is no such file."""
        if dotted not in self._modules:
            self._modules[dotted] = self._parse(dotted)
        return self._modules[dotted]

    def _parse(self, dotted: str) -> ModuleSource | None:
        parts = dotted.split(".")
        if parts[0] != self.name:
            return None
        base = self.root.joinpath(*parts[1:])
        for path in (base.with_name(base.name + ".py"), base / "__init__.py"):
            if path.is_file() and (path.parent != self.root.parent):
                try:
                    return ModuleSource(dotted, path, ast.parse(path.read_bytes()), self)
                except (SyntaxError, ValueError, RecursionError, OSError):
                    return None
        return None

    def lookup(self, module: ModuleSource, name: str) -> Definition | None:
        """What `name` means in `module`: a class, function, assignment, module, external name, or None."""
        key = (module.name, name)
        if key not in self._lookups:
            self._lookups[key] = None
            self._lookups[key] = self._lookup(module, name)
        return self._lookups[key]

    def _lookup(self, module: ModuleSource, name: str) -> Definition | None:
        node = module.names.get(name)
        if isinstance(node, ast.ClassDef):
            return ClassSource(node, module)
        if isinstance(node, FunctionNode):
            return FunctionSource(node, module)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return Assignment(node.value, module)
        if isinstance(node, ast.ImportFrom | ast.Import):
            return self.follow_import(module, node, name)
        return self._starred(module, name) or self._submodule(module, name)

    def _starred(self, module: ModuleSource, name: str) -> Definition | None:
        """A name that `from there import *` brings, where the source of `there` can be read."""
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and not name.startswith("_"):
                target = self.module(_absolute(module, node))
                found = None if target is None else self.lookup(target, name)
                if found is not None:
                    return found
        return None

    def follow_import(self, module: ModuleSource, node: ast.ImportFrom | ast.Import, name: str) -> Definition | None:
        """What `name`, bound by an import statement of `module`, means."""
        if isinstance(node, ast.ImportFrom):
            return self._imported(module, node, name)
        alias = next(a for a in node.names if (a.asname or a.name.partition(".")[0]) == name)
        dotted = alias.name if alias.asname else alias.name.partition(".")[0]
        return self.module(dotted) or External(dotted)

    def _imported(self, module: ModuleSource, node: ast.ImportFrom, name: str) -> Definition | None:
        alias = next(a for a in node.names if (a.asname or a.name) == name)
        source = _absolute(module, node)
        target = None if source.startswith(self._sealed) else self.module(source)
        if target is None:
            return External(f"{source}.{alias.name}")
        return self.lookup(target, alias.name)

    def _submodule(self, module: ModuleSource, name: str) -> Definition | None:
        if module.path.name != "__init__.py":
            return None
        return self.module(f"{module.name}.{name}") or self._reexported(module, name)

    def _reexported(self, module: ModuleSource, name: str) -> Definition | None:
        """A name that a lazy `__init__` exports from one of the files beside it."""
        for path in sorted(module.path.parent.glob("*.py")):
            if path.name != "__init__.py" and name.encode() in path.read_bytes():
                sibling = self.module(f"{module.name}.{path.stem}")
                if sibling is not None and name in sibling.names:
                    return self.lookup(sibling, name)
        return None

    def resolve(self, module: ModuleSource, expression: ast.expr) -> Definition | None:
        """What a name or dotted expression (`nn.Module`, `Generic[T]`'s head) means in `module`."""
        if isinstance(expression, ast.Name):
            return self.lookup(module, expression.id)
        if isinstance(expression, ast.Subscript):
            return self.resolve(module, expression.value)
        if isinstance(expression, ast.Attribute):
            owner = self.resolve(module, expression.value)
            if isinstance(owner, External):
                return External(f"{owner.dotted}.{expression.attr}")
            if isinstance(owner, ModuleSource):
                return self.lookup(owner, expression.attr)
        return None

    @cached_property
    def version(self) -> str:
        """`__version__` of the package, or its dist-info folder's; "unknown" when neither tells."""
        for folder in sorted(self.root.parent.glob(f"{self.name}-*.dist-info")):
            return folder.name.removesuffix(".dist-info").partition("-")[2]
        return "unknown"


Definition: TypeAlias = "ClassSource | FunctionSource | Assignment | External | ModuleSource"
"""What a name can mean."""

_PACKAGES: Final[dict[str, Package]] = {}


def find_package(name: str, root: Path | None = None) -> Package | None:
    """The package of that name below `root`, or the first on `sys.path`; None when it is not installed."""
    places: Iterator[Path] = iter([root]) if root is not None else (Path(p or ".") for p in sys.path)
    for place in places:
        folder = place / name
        if (folder / "__init__.py").is_file():
            key = str(folder)
            if key not in _PACKAGES:
                _PACKAGES[key] = Package(name, folder)
            return _PACKAGES[key]
    return None


def _collect(body: list[ast.stmt], found: dict[str, ast.stmt]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, FunctionNode):
            if not _is_accessor(node):
                found[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for name in _targets(target):
                    found[name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.ImportFrom | ast.Import):
            for alias in node.names:
                found.setdefault(alias.asname or alias.name.partition(".")[0], node)
        elif isinstance(node, ast.If):
            _collect(node.orelse, found)
            _collect(node.body, found)
        elif isinstance(node, ast.Try):
            for handler in node.handlers:
                _collect(handler.body, found)
            _collect(node.body, found)


def _absolute(module: ModuleSource, node: ast.ImportFrom) -> str:
    """The dotted name of the module that an import statement of `module` names."""
    source = node.module or ""
    if not node.level:
        return source
    parts = module.name.split(".")
    if module.path.name != "__init__.py":
        parts = parts[:-1]
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([source] if source else [])])


def _is_accessor(node: FunctionNode) -> bool:
    """Whether the function is a property's setter or deleter: it does not replace the property."""
    return any(isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter") for d in node.decorator_list)


def _targets(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _targets(element)
