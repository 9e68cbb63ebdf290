"""What is bound to each name and attribute of one file: one walk, made when the first question comes."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import ClassDef, MemberExpr, NameExpr, TypeInfo, Var
from mypy.types import Instance, get_proper_type

from meshfit_mypy.texts import keep, text_of

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from mypy.nodes import Expression, FuncItem, MypyFile, Statement, SymbolNode

    from meshfit.mesh import MeshSpec
    from meshfit_mypy.texts import Text

__all__ = [
    "ANY",
    "ITEM",
    "OPAQUE",
    "Binding",
    "Bindings",
    "bindings_of",
    "bindings_so_far",
    "class_of",
    "has_line",
    "makes_fields",
]

ITEM: Final = -1
"""The step of a binding that takes any item of what it stands on; other steps are indexes."""

ANY: Final = "*"
"""Stands for every attribute, where one is written whose name is computed."""

Binding = tuple["Expression | None", tuple[int, ...]]
"""An expression, and the steps from its value to what the name gets: `()` for the value itself."""

OPAQUE: Final[Binding] = (None, ())
"""A binding that nobody can read: a parameter, `with … as`, `except … as`, `+=`, `del`."""


class Bindings:
    """Every binding of one file. Functions and classes may be put off until a name is asked for that they mention.

    Args:
        text: the file's; None: nothing is put off.

    Attributes:
        names: what is bound to each variable; a variable that is only declared has an empty list.
        attributes: attribute name, or `ANY` -> its writes anywhere in the file, each with the class it is written on
            (None: unknown).
        doubtful: names that something else may be bound to: an unreachable branch, a second import, a redefinition.
        classes: the classes that the file defines.
        selves: the first parameter of each method -> the class.
        returns: function -> what it returns; `None` stands for a bare `return`.
        open_globals: a part of the file cannot be seen or rebinds by text, so no global is certain.
        rebound: globals that are written as attributes of the module.
        stars: modules whose names are imported with `*`.
        stored: variable -> paths of attributes, from its object on, that something is stored into.
        meshes: variable -> the meshes that `carry` found it to be, and nothing else.
    """

    __slots__ = (
        "_asked",
        "_later",
        "_text",
        "attributes",
        "classes",
        "doubtful",
        "meshes",
        "names",
        "open_globals",
        "rebound",
        "returns",
        "selves",
        "stars",
        "stored",
    )

    def __init__(self, text: Text | None = None) -> None:
        self.names: dict[SymbolNode, list[Binding]] = {}
        self.attributes: dict[str, list[tuple[TypeInfo | None, Binding]]] = {}
        self.doubtful: set[str] = set()
        self.selves: dict[Var, TypeInfo] = {}
        self.returns: dict[FuncItem, list[Expression | None]] = {}
        self.open_globals = False
        self.rebound: set[str] = set()
        self.stars: list[str] = []
        self.stored: dict[SymbolNode, set[tuple[str, ...]]] = {}
        self.classes: list[TypeInfo] = []
        self.meshes: dict[SymbolNode, tuple[MeshSpec, ...]] = {}
        self._text = text
        self._asked: set[object] = set()
        self._later: dict[FuncItem | ClassDef, Callable[[Any], None]] = {}

    def put_off(self, node: FuncItem | ClassDef, look: Callable[[Any], None]) -> None:
        """Keep a function or class for later, and what notes its bindings."""
        self._later[node] = look

    def visit(self, line: int) -> None:
        """Look into what stands at a line."""
        for node in tuple(self._later):
            if node.line <= line <= (node.end_line or line):
                self._look(node)
                self.visit(line)  # at the methods of a class

    def learn(self, *names: str) -> None:
        """Look into what mentions any of these names, as the other methods do of what they are asked."""
        text = self._text
        if text is not None and self._later:
            new = [name for name in names if name not in self._asked]
            self._asked.update(new)
            self._look_at(sorted([line for name in new for line in text.lines_with(name.encode())]))

    def learn_at(self, search: Callable[[Text], list[re.Match[bytes]]]) -> None:
        """Look into what holds a place that a search of the text finds."""
        text = self._text
        if text is not None and self._later and search not in self._asked:
            self._asked.add(search)
            self._look_at(text.lines_of([match.start() for match in search(text)]))

    def bound(self, node: SymbolNode) -> list[Binding] | None:
        """What is bound to a variable, in the order of the file; None: the file never mentions it."""
        if not self._is_local(node):
            self.learn(node.name)
        found = self.names.get(node)
        return sorted(found, key=_place) if found and len(found) > 1 else found

    def written(self, name: str) -> list[tuple[TypeInfo | None, Binding]]:
        """The writes of an attribute in the order of the file, then those that may be of any."""
        self.learn(name)
        found = sorted(self.attributes.get(name, ()), key=lambda write: _place(write[1]))
        return found + self.attributes.get(ANY, [])

    def returned(self, function: FuncItem) -> list[Expression | None] | None:
        """What a function returns; None: it is not of this file."""
        if function in self._later:
            self._look(function)
        return self.returns.get(function)

    def is_doubtful(self, name: str, node: SymbolNode | None = None) -> bool:
        """Whether something else may be bound to a name, which stands for `node`."""
        if node is None or not self._is_local(node):
            self.learn(name)
        return name in self.doubtful

    def _is_local(self, node: SymbolNode) -> bool:
        """Whether it is a variable of a function that was looked into: nothing outside can bind it."""
        return node in self.names and "." not in node.fullname

    def _look_at(self, lines: list[int]) -> None:
        """Look into what stands at any of the lines, which ascend."""
        while lines:
            found = [node for node in self._later if has_line(lines, node.line, node.end_line)]
            for node in found:
                self._look(node)
            if not any(isinstance(node, ClassDef) for node in found):
                break  # a class puts off its methods anew

    def _look(self, node: FuncItem | ClassDef) -> None:
        look = self._later.pop(node, None)
        if look is not None:
            look(node)

    def are_related(self, one: TypeInfo, other: TypeInfo) -> bool:
        """Whether an object may be an instance of both classes."""
        if one in other.mro or other in one.mro:
            return True
        return any(one in cls.mro and other in cls.mro for cls in self.classes)


def has_line(lines: list[int], first: int, last: int | None) -> bool:
    """Whether any of the lines, which ascend, is one from `first` to `last`."""
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= (last or first)


_kept: dict[str, tuple[list[Statement], Bindings]] = {}


def bindings_of(tree: MypyFile, *, anew: bool = False) -> Bindings:
    """The bindings of a file, kept while its statements are the same list: the daemon swaps them in place.

    Args:
        tree: a file that is being checked, so that its bodies are there.
        anew: walk again; the daemon renews the variables of a function that it looks at a second time.
    """
    kept = _kept.get(tree.fullname)
    if kept is None or anew or kept[0] is not tree.defs:
        kept = (tree.defs, bindings_so_far(tree))
        keep(_kept, tree.fullname, kept)
    return kept[1]


def _place(binding: Binding) -> tuple[int, int]:
    value = binding[0]
    return (0, 0) if value is None else (value.line, value.column)


def bindings_so_far(tree: MypyFile) -> Bindings:
    """The bindings of a file whose functions mypy has not analysed yet: the names they bind are doubtful."""
    from meshfit_mypy.binding_walk import walk

    return walk(tree.defs, text_of(tree))


def class_of(receiver: Expression, selves: dict[Var, TypeInfo]) -> TypeInfo | None:
    """The class that `receiver` is an instance of, or is; None when nobody can tell."""
    node = receiver.node if isinstance(receiver, (NameExpr, MemberExpr)) else None
    if isinstance(node, TypeInfo):
        return node
    if not isinstance(node, Var) or not isinstance(receiver, NameExpr):
        return None
    if node in selves:
        return selves[node]
    declared = get_proper_type(node.type)
    return declared.type if isinstance(declared, Instance) else None


def makes_fields(info: TypeInfo) -> bool:
    """Whether an annotated assignment in the class body is the default of a field rather than the value."""
    for base in info.mro:
        metaclass = base.metaclass_type
        if (
            base.is_named_tuple
            or (base.defn.decorators and base.module_name not in ("builtins", "typing"))
            or any(key in base.metadata for key in ("attrs", "dataclass", "dataclass_tag"))
            or base.dataclass_transform_spec is not None
            or (metaclass is not None and metaclass.type.dataclass_transform_spec is not None)
        ):
            return True
    return False
