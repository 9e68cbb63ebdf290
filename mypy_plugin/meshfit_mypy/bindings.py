"""What is bound to each name and attribute of one file: one walk, made when the first question comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from mypy.nodes import MemberExpr, NameExpr, TypeInfo, Var
from mypy.types import Instance, get_proper_type

if TYPE_CHECKING:
    from mypy.nodes import Expression, FuncItem, MypyFile, Statement, SymbolNode

__all__ = [
    "ANY",
    "ITEM",
    "OPAQUE",
    "Binding",
    "Bindings",
    "bindings_of",
    "bindings_so_far",
    "class_of",
    "keep",
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


_FEW: Final = 32
"""Files that are kept: those of one import cycle may be checked in turns."""

Kept = TypeVar("Kept")


class Bindings:
    """Every binding of one file.

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
    """

    __slots__ = (
        "attributes",
        "classes",
        "doubtful",
        "names",
        "open_globals",
        "rebound",
        "returns",
        "selves",
        "stars",
        "stored",
    )

    def __init__(self) -> None:
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

    def are_related(self, one: TypeInfo, other: TypeInfo) -> bool:
        """Whether an object may be an instance of both classes."""
        if one in other.mro or other in one.mro:
            return True
        return any(one in cls.mro and other in cls.mro for cls in self.classes)


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


def keep(kept: dict[str, Kept], name: str, value: Kept) -> None:
    """Keep what is known of a file, and of the few before it: mypy lets go of a file when it is checked."""
    kept.pop(name, None)
    while len(kept) >= _FEW:
        del kept[next(iter(kept))]
    kept[name] = value


def bindings_so_far(tree: MypyFile) -> Bindings:
    """The bindings of a file whose functions mypy has not analysed yet: the names they bind are doubtful."""
    from meshfit_mypy.binding_walk import walk

    return walk(tree.defs)


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
