"""Follows an expression through names, attributes, branches, items and functions to its roots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    AssertTypeExpr,
    AssignmentExpr,
    CallExpr,
    CastExpr,
    ConditionalExpr,
    DictExpr,
    FuncDef,
    IndexExpr,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    OpExpr,
    RevealExpr,
    SetExpr,
    SliceExpr,
    TupleExpr,
    TypeInfo,
    Var,
)

from meshfit.readers.unknown import has_unknown
from meshfit_mypy.bindings import ITEM, bindings_of, class_of
from meshfit_mypy.callees import always_returns
from meshfit_mypy.evaluation import CONSTANTS, enum_member, literals_of, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from mypy.nodes import Expression

    from meshfit_mypy.bindings import Binding, Bindings

__all__ = ["DEEPEST", "MOST", "Following", "Unreadable", "is_mutable"]

MOST: Final = 64
"""Possibilities beyond which an expression is unknown."""

DEEPEST: Final = 40


class Unreadable(Exception):  # noqa: N818 - a signal
    """Something that an expression may be is not known."""


class _Complete:
    """Follows anew for a while, what is being followed barred; see `Following.complete`."""

    __slots__ = ("_held", "_of")

    def __init__(self, of: Following) -> None:
        self._of = of
        self._held = of.following, of.barred, of.passed

    def __enter__(self) -> None:
        following, barred, _ = self._held
        self._of.following, self._of.barred, self._of.passed = set(), barred | following, []

    def __exit__(self, *exception: object) -> None:
        self._of.following, self._of.barred, self._of.passed = self._held


class Following(ABC):
    """Finds what an expression of one file stands for.

    Args:
        tree: the file, while it is checked.
        line: where the first question comes from.
        modules: dotted name -> every file that mypy knows.
        told: functions that are not followed: it is known otherwise what they make.

    Attributes:
        following: the names that are being followed.
        barred: those that are, further out: what they may be is not known here.
        passed: the expressions that were followed, and whether an item was then taken.
    """

    def __init__(self, tree: MypyFile, line: int, modules: Mapping[str, MypyFile], told: Container[str] = ()) -> None:
        self.tree = tree
        self.line = line
        self.modules = modules
        self.told = told
        self._found: Bindings | None = None
        self.following: set[Any] = set()
        self.barred: set[Any] = set()
        self.passed: list[tuple[Expression, bool]] = []
        self._depth = 0
        self._renewed = False

    @property
    def bindings(self) -> Bindings:
        """What is bound in the file; the walk is made when it is first asked for."""
        if self._found is None:
            self._found = bindings_of(self.tree)
            self._found.visit(self.line)
        return self._found

    @abstractmethod
    def possible(self, expr: Expression) -> list[object]:
        """Every value of an expression, `UNKNOWN` for what is not known; never empty."""

    @abstractmethod
    def items(self, root: Expression) -> list[Expression] | None:
        """Every item of what a root is, None when they are not all known."""

    def variable(self, expr: Expression) -> Var | None:
        """The variable that a name of another file or an attribute of a class stands for."""
        if not isinstance(expr, (NameExpr, MemberExpr)):
            return None
        if isinstance(expr.node, Var):
            return expr.node
        info = class_of(expr.expr, self.bindings.selves) if isinstance(expr, MemberExpr) else None
        symbol = info.get(expr.name) if info is not None else None
        return symbol.node if symbol is not None and isinstance(symbol.node, Var) else None

    def complete(self) -> _Complete:
        """Whoever works on what a name may be needs all of it: a name that is being followed is unreadable here."""
        return _Complete(self)

    # --- roots

    def is_followed(self, expr: Expression) -> bool:
        """Whether an expression may stand for another."""
        return type(expr) in self._FOLLOW

    def roots(self, expr: Expression) -> list[Expression]:
        """The roots of an expression. Raises Unreadable where one is not known."""
        follow = self._FOLLOW.get(type(expr))
        if follow is None:
            return [expr]
        if self._depth > DEEPEST:
            raise Unreadable
        self._depth += 1
        try:
            roots = follow(self, expr)
        finally:
            self._depth -= 1
        if len(roots) > MOST:
            raise Unreadable
        return roots

    def _name(self, expr: NameExpr) -> list[Expression]:
        if expr.fullname in CONSTANTS:
            return [expr]
        node = expr.node
        if not isinstance(node, Var):
            if node is None or self.bindings.is_doubtful(expr.name):
                raise Unreadable
            return [expr]
        if self.bindings.is_doubtful(expr.name, node) or node.is_suppressed_import:
            raise Unreadable
        return self._variable(expr, node)

    def _variable(self, expr: NameExpr | MemberExpr, node: Var) -> list[Expression]:
        found = self.bindings
        module = node.fullname.rpartition(".")[0]
        if module and module != self.tree.fullname and not node.info:
            if found.bound(node):
                raise Unreadable
            self.passed.append((expr, False))
            return [expr]
        bound = found.bound(node)
        if bound is None and not node.info:
            # the daemon looks again at one function of a file, with new variables
            bound = self._renew().bound(node)
        if literals_of(node) is not None and (not bound or any(value is None for value, _ in bound)):
            return [expr]
        if not bound or (module and not node.info and self.is_open(node)):
            raise Unreadable
        self.passed.append((expr, False))
        return self._bound(node, bound)

    def _renew(self) -> Bindings:
        if not self._renewed:
            self._renewed = True
            self._found = bindings_of(self.tree, anew=True)
            self._found.visit(self.line)
        return self.bindings

    def is_open(self, node: Var) -> bool:
        """Whether a global may be bound by what the walk over the file does not see."""
        if node.is_final:
            return False
        if self.bindings.open_globals or node.name in self.bindings.rebound:
            return True
        stars = (self.modules.get(star) for star in self.bindings.stars)
        return any(module is None or node.name in module.names for module in stars)

    def _bound(self, key: object, bindings: Iterable[Binding]) -> list[Expression]:
        if key in self.barred:
            raise Unreadable
        if key in self.following:
            return []  # `x = x or y` adds nothing to what x may be
        self.following.add(key)
        try:
            roots: list[Expression] = []
            for value, steps in bindings:
                if value is None:
                    raise Unreadable
                roots += self._stepped(value, steps)
            return roots
        finally:
            self.following.discard(key)

    def _stepped(self, value: Expression, steps: tuple[int, ...]) -> list[Expression]:
        if not steps:
            return self.roots(value)
        with self.complete():
            roots = self.roots(value)
            for step in steps:
                self._take_apart(roots)
                roots = [found for root in roots for item in self._items(root, step) for found in self.roots(item)]
            passed = self.passed
        self.passed += passed
        return roots

    def _take_apart(self, roots: list[Expression]) -> None:
        """Before an item of the roots is taken: nobody may have written to them."""
        if any(is_mutable(root) for root in roots) and self.is_written(inside=False):
            raise Unreadable
        self.passed = [(expr, True) for expr, _ in self.passed]

    def _items(self, root: Expression, step: int) -> list[Expression]:
        items = self.items(root)
        if items is None:
            raise Unreadable
        if step == ITEM:
            return items
        if isinstance(root, (SetExpr, DictExpr)) or not 0 <= step < len(items):
            raise Unreadable
        return [items[step]]

    def _choice(self, expr: ConditionalExpr) -> list[Expression]:
        decided = {bool(value) if not has_unknown(value) else None for value in self.possible(expr.cond)}
        roots: list[Expression] = []
        if decided != {False}:
            roots += self.roots(expr.if_expr)
        if decided != {True}:
            roots += self.roots(expr.else_expr)
        return roots

    def _either(self, expr: OpExpr) -> list[Expression]:
        if expr.op not in ("and", "or"):
            return [expr]
        stays = expr.op == "or"
        left = self.roots(expr.left)
        kept = [root for root in left if truth(root) is not (not stays)]
        if left and all(truth(root) is stays for root in left):
            return kept
        return kept + self.roots(expr.right)

    def _item(self, expr: IndexExpr) -> list[Expression]:
        with self.complete():
            roots = self.roots(expr.base)
            if not all(isinstance(root, (TupleExpr, ListExpr, DictExpr)) for root in roots):
                return [expr]
            if isinstance(expr.index, SliceExpr):
                raise Unreadable
            self._take_apart(roots)
            wanted = self.possible(expr.index)
            picked = [item for root in roots for key in wanted for item in self._picked(root, key)]
            roots = [found for item in picked for found in self.roots(item)]
            passed = self.passed
        self.passed += passed
        return roots

    def _picked(self, root: Expression, key: object) -> list[Expression]:
        """The items of a literal that an index may pick: all of them where the index is unknown."""
        if isinstance(root, DictExpr):
            if any(name is None for name, _ in root.items):
                raise Unreadable
            keys = [self.possible(name) for name, _ in root.items if name is not None]
            if has_unknown(key) or any(len(values) > 1 or has_unknown(values[0]) for values in keys):
                return [value for _, value in root.items]
            hits = [value for (_, value), (name,) in zip(root.items, keys, strict=True) if name == key]
            if not hits:
                raise Unreadable
            return hits[-1:]
        items = self.items(root)
        if items is None:
            raise Unreadable
        if has_unknown(key):
            return items
        if not isinstance(key, int) or not -len(items) <= key < len(items):
            raise Unreadable
        return [items[key]]

    def _call(self, expr: CallExpr) -> list[Expression]:
        if isinstance(expr.analyzed, (CastExpr, AssertTypeExpr, RevealExpr)) and expr.analyzed.expr is not None:
            return self.roots(expr.analyzed.expr)
        callee = expr.callee
        function = callee.node if isinstance(callee, NameExpr) else None
        if not isinstance(function, FuncDef) or function.fullname in self.told or not self.is_plain(function):
            return [expr]
        returned = self.bindings.returned(function)
        if not returned or not always_returns(function):
            return [expr]
        try:
            return self._bound(function, [(value, ()) for value in returned])  # a bare `return` is unreadable
        except Unreadable:
            return [expr]

    def is_plain(self, function: FuncDef) -> bool:
        """Whether a call of the function is what its `return` gives, and nothing else has its name."""
        found = self.bindings
        return not (
            function.is_generator
            or function.is_coroutine
            or function.is_decorated
            or function.is_overload
            or function.info
            or found.is_doubtful(function.name)
            or found.bound(function)
        )

    def _attribute(self, expr: MemberExpr) -> list[Expression]:
        base = expr.expr
        if isinstance(base, (NameExpr, MemberExpr)) and isinstance(base.node, MypyFile):
            if isinstance(expr.node, Var) and base.node is not self.tree and not expr.node.is_suppressed_import:
                return self._variable(expr, expr.node)
            if expr.node is None or isinstance(expr.node, Var):
                raise Unreadable
            return [expr]
        if isinstance(expr.node, (TypeInfo, FuncDef)) or enum_member(expr) is not None:
            return [expr]
        info = class_of(base, self.bindings.selves)
        if info is None:
            raise Unreadable
        written = self.written_on(info, expr.name)
        if written is None:
            raise Unreadable
        owner = next((cls for cls in info.mro if expr.name in cls.names), info)
        if owner.module_name != self.tree.fullname:
            if written:
                raise Unreadable
            return [expr]
        self.passed.append((expr, False))
        return self._bound((info, expr.name), written)

    def written_on(self, info: TypeInfo, name: str) -> list[Binding] | None:
        """What this file binds to an attribute of instances of a class; None where that cannot be told."""
        symbol = info.get(name)
        if symbol is None or not isinstance(symbol.node, Var) or symbol.node.is_property:
            return None
        homes = {cls.module_name for cls in info.mro if name in cls.names}
        if len(homes) > 1 or any("__setattr__" in cls.names for cls in info.mro if cls.module_name in homes):
            return None
        found = self.bindings
        writes = found.written(name)
        return [binding for owner, binding in writes if owner is None or found.are_related(owner, info)]

    def _walrus(self, expr: AssignmentExpr) -> list[Expression]:
        return self.roots(expr.value)

    _FOLLOW: Final[dict[type, Callable[[Any, Any], list[Expression]]]] = {
        NameExpr: _name,
        MemberExpr: _attribute,
        ConditionalExpr: _choice,
        OpExpr: _either,
        AssignmentExpr: _walrus,
        CallExpr: _call,
        IndexExpr: _item,
    }

    # --- writes

    def is_written(self, *, inside: bool) -> bool:
        """Whether anything was stored through a name that was followed, or (`inside`) through an item of one."""
        if not self.passed:
            return False
        from meshfit_mypy.writes import key_of, writes_of

        writes = writes_of(self.tree, anew=self._renewed)
        for expr, taken_apart in self.passed:
            key = key_of(expr)
            if writes.reaches(key, writes.written) or ((inside or taken_apart) and writes.reaches(key, writes.opened)):
                return True
        return False


def is_mutable(root: Expression) -> bool:
    """Whether a root makes an object that may be written to: a list, a dict, a set."""
    if isinstance(root, CallExpr):
        return isinstance(root.callee, NameExpr) and root.callee.fullname in ("builtins.dict", "builtins.list")
    return isinstance(root, (ListExpr, DictExpr, SetExpr))
