"""What an expression of the file being checked may be: the set of its roots, and the set of its values.

A name is whatever any of its bindings is, wherever they stand, so an answer may hold too much but never too little.
Other files are read by what mypy keeps of them: constants that are `Final`, literal types, members of enums.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    AssertTypeExpr,
    AssignmentExpr,
    CallExpr,
    CastExpr,
    ConditionalExpr,
    DictExpr,
    FuncDef,
    IfStmt,
    IndexExpr,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    OpExpr,
    RaiseStmt,
    ReturnStmt,
    RevealExpr,
    SetExpr,
    SliceExpr,
    TupleExpr,
    TypeInfo,
    Var,
    WithStmt,
)
from mypy.types import CallableType, Instance, get_proper_type

from meshfit.readers.unknown import UNKNOWN
from meshfit.readers.unknown_sizes import has_unknown
from meshfit_mypy.bindings import ANY, ITEM, bindings_of, class_of
from meshfit_mypy.evaluation import CONSTANTS, enum_member, evaluated, literals_of, truth
from meshfit_mypy.sequences import items_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mypy.nodes import Block, Expression

    from meshfit_mypy.bindings import Binding, Bindings

__all__ = ["Reader"]

_MOST: Final = 64
"""Possibilities beyond which an expression is unknown."""

_DEEPEST: Final = 40


class _Unreadable(Exception):  # noqa: N818 - a signal
    """Something that an expression may be is not known."""


class Reader:
    """Reads expressions of one file.

    Args:
        tree: the file, while it is checked.
        modules: dotted name -> every file that mypy knows.
    """

    def __init__(self, tree: MypyFile, modules: Mapping[str, MypyFile]) -> None:
        self.tree = tree
        self.modules = modules
        self._found: Bindings | None = None
        self._following: set[Any] = set()
        self._barred: set[Any] = set()
        self._evaluating: set[int] = set()
        self._passed: list[tuple[Expression, bool]] = []
        self._depth = 0
        self._renewed = False

    @property
    def bindings(self) -> Bindings:
        """What is bound in the file; the walk is made when it is first asked for."""
        if self._found is None:
            self._found = bindings_of(self.tree)
        return self._found

    def sources(self, expr: Expression) -> tuple[Expression, ...] | None:
        """The calls, literals and names of other files that `expr` may stand for; None: not all of them are known."""
        with self._complete():
            try:
                roots = self._roots(expr)
            except _Unreadable:
                return None
        return tuple({id(root): root for root in roots}.values()) or None

    def values(self, expr: Expression) -> tuple[object, ...] | None:
        """Every constant that `expr` may be (numbers, texts, None, containers); None: not all of them are known."""
        found = self.possible(expr)
        return None if any(has_unknown(value) for value in found) else tuple(found)

    def possible(self, expr: Expression) -> list[object]:
        """As `values`, but what is not known is `UNKNOWN`, by itself or as an item; never empty."""
        with self._complete():
            try:
                roots = self._roots(expr)
                named = any(root is not expr and _is_mutable(root) for root in roots)
                if not roots or (named and self._is_written(inside=any(_has_mutable(root) for root in roots))):
                    return [UNKNOWN]
                return _distinct(value for root in roots for value in self._values_of(root))
            except _Unreadable:
                return [UNKNOWN]

    def is_mutated(self, expr: Expression) -> bool:
        """Whether the object that `expr` names may have been written to since it was made, or may have escaped."""
        with self._complete():
            try:
                self._roots(expr)
                return self._is_written(inside=False)
            except _Unreadable:
                return True

    def _values_of(self, root: Expression) -> Iterable[object]:
        if id(root) in self._evaluating or len(self._evaluating) > _DEEPEST:
            return (UNKNOWN,)  # `x = x + 1` has no end
        self._evaluating.add(id(root))
        try:
            return list(evaluated(root, self))
        finally:
            self._evaluating.discard(id(root))

    def combinations(self, expressions: Iterable[Expression]) -> list[tuple[object, ...]]:
        """Every combination of what the expressions may be; all `UNKNOWN` where there are too many."""
        choices = [self.possible(expr) for expr in expressions]
        count = 1
        for choice in choices:
            count *= len(choice)
        return [(UNKNOWN,) * len(choices)] if count > _MOST else list(product(*choices))

    def variable(self, expr: Expression) -> Var | None:
        """The variable that a name of another file or an attribute of a class stands for."""
        if not isinstance(expr, (NameExpr, MemberExpr)):
            return None
        if isinstance(expr.node, Var):
            return expr.node
        info = class_of(expr.expr, self.bindings.selves) if isinstance(expr, MemberExpr) else None
        symbol = info.get(expr.name) if info is not None else None
        return symbol.node if symbol is not None and isinstance(symbol.node, Var) else None

    @contextmanager
    def _complete(self) -> Iterator[None]:
        """Whoever works on what a name may be needs all of it: a name that is being followed is unreadable here."""
        held = self._following, self._barred, self._passed
        self._barred, self._following, self._passed = self._barred | self._following, set(), []
        try:
            yield
        finally:
            self._following, self._barred, self._passed = held

    # --- roots

    def _roots(self, expr: Expression) -> list[Expression]:
        follow = self._FOLLOW.get(type(expr))
        if follow is None:
            return [expr]
        if self._depth > _DEEPEST:
            raise _Unreadable
        self._depth += 1
        try:
            roots = follow(self, expr)
        finally:
            self._depth -= 1
        if len(roots) > _MOST:
            raise _Unreadable
        return roots

    def _name(self, expr: NameExpr) -> list[Expression]:
        if expr.fullname in CONSTANTS:
            return [expr]
        node = expr.node
        if not isinstance(node, Var):
            if node is None or expr.name in self.bindings.doubtful:
                raise _Unreadable
            return [expr]
        if expr.name in self.bindings.doubtful or node.is_suppressed_import:
            raise _Unreadable
        return self._variable(expr, node)

    def _variable(self, expr: NameExpr | MemberExpr, node: Var) -> list[Expression]:
        found = self.bindings
        module = node.fullname.rpartition(".")[0]
        if module and module != self.tree.fullname and not node.info:
            if found.names.get(node):
                raise _Unreadable
            self._passed.append((expr, False))
            return [expr]
        bound = found.names.get(node)
        if bound is None and not node.info:
            # the daemon looks again at one function of a file, with new variables
            bound = self._renew().names.get(node)
        if literals_of(node) is not None and (not bound or any(value is None for value, _ in bound)):
            return [expr]
        if not bound or (module and not node.info and self.is_open(node)):
            raise _Unreadable
        self._passed.append((expr, False))
        return self._bound(node, bound)

    def _renew(self) -> Bindings:
        if not self._renewed:
            self._renewed = True
            self._found = bindings_of(self.tree, anew=True)
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
        if key in self._barred:
            raise _Unreadable
        if key in self._following:
            return []  # `x = x or y` adds nothing to what x may be
        self._following.add(key)
        try:
            roots: list[Expression] = []
            for value, steps in bindings:
                if value is None:
                    raise _Unreadable
                roots += self._stepped(value, steps)
            return roots
        finally:
            self._following.discard(key)

    def _stepped(self, value: Expression, steps: tuple[int, ...]) -> list[Expression]:
        if not steps:
            return self._roots(value)
        with self._complete():
            roots = self._roots(value)
            for step in steps:
                self._take_apart(roots)
                roots = [found for root in roots for item in self._items(root, step) for found in self._roots(item)]
            passed = self._passed
        self._passed += passed
        return roots

    def _take_apart(self, roots: list[Expression]) -> None:
        """Before an item of the roots is taken: nobody may have written to them."""
        if any(_is_mutable(root) for root in roots) and self._is_written(inside=False):
            raise _Unreadable
        self._passed = [(expr, True) for expr, _ in self._passed]

    def _items(self, root: Expression, step: int) -> list[Expression]:
        items = items_of(root, self)
        if items is None:
            raise _Unreadable
        if step == ITEM:
            return items
        if isinstance(root, (SetExpr, DictExpr)) or not 0 <= step < len(items):
            raise _Unreadable
        return [items[step]]

    def _choice(self, expr: ConditionalExpr) -> list[Expression]:
        decided = {bool(value) if not has_unknown(value) else None for value in self.possible(expr.cond)}
        roots: list[Expression] = []
        if decided != {False}:
            roots += self._roots(expr.if_expr)
        if decided != {True}:
            roots += self._roots(expr.else_expr)
        return roots

    def _either(self, expr: OpExpr) -> list[Expression]:
        if expr.op not in ("and", "or"):
            return [expr]
        stays = expr.op == "or"
        left = self._roots(expr.left)
        kept = [root for root in left if truth(root) is not (not stays)]
        if left and all(truth(root) is stays for root in left):
            return kept
        return kept + self._roots(expr.right)

    def _item(self, expr: IndexExpr) -> list[Expression]:
        with self._complete():
            roots = self._roots(expr.base)
            if not all(isinstance(root, (TupleExpr, ListExpr, DictExpr)) for root in roots):
                return [expr]
            if isinstance(expr.index, SliceExpr):
                raise _Unreadable
            self._take_apart(roots)
            wanted = self.possible(expr.index)
            picked = [item for root in roots for key in wanted for item in self._picked(root, key)]
            roots = [found for item in picked for found in self._roots(item)]
            passed = self._passed
        self._passed += passed
        return roots

    def _picked(self, root: Expression, key: object) -> list[Expression]:
        """The items of a literal that an index may pick: all of them where the index is unknown."""
        if isinstance(root, DictExpr):
            if any(name is None for name, _ in root.items):
                raise _Unreadable
            keys = [self.possible(name) for name, _ in root.items if name is not None]
            if has_unknown(key) or any(len(values) > 1 or has_unknown(values[0]) for values in keys):
                return [value for _, value in root.items]
            hits = [value for (_, value), (name,) in zip(root.items, keys, strict=True) if name == key]
            if not hits:
                raise _Unreadable
            return hits[-1:]
        items = items_of(root, self)
        if items is None:
            raise _Unreadable
        if has_unknown(key):
            return items
        if not isinstance(key, int) or not -len(items) <= key < len(items):
            raise _Unreadable
        return [items[key]]

    def _call(self, expr: CallExpr) -> list[Expression]:
        if isinstance(expr.analyzed, (CastExpr, AssertTypeExpr, RevealExpr)) and expr.analyzed.expr is not None:
            return self._roots(expr.analyzed.expr)
        callee = expr.callee
        function = callee.node if isinstance(callee, NameExpr) else None
        if not isinstance(function, FuncDef) or not self.is_plain(function):
            return [expr]
        returned = self.bindings.returns.get(function)
        if not returned or not _always_returns(function):
            return [expr]
        try:
            return self._bound(function, [(value, ()) for value in returned])  # a bare `return` is unreadable
        except _Unreadable:
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
            or function.name in found.doubtful
            or found.names.get(function)
        )

    def _attribute(self, expr: MemberExpr) -> list[Expression]:
        base = expr.expr
        if isinstance(base, (NameExpr, MemberExpr)) and isinstance(base.node, MypyFile):
            if isinstance(expr.node, Var) and base.node is not self.tree and not expr.node.is_suppressed_import:
                return self._variable(expr, expr.node)
            if expr.node is None or isinstance(expr.node, Var):
                raise _Unreadable
            return [expr]
        if isinstance(expr.node, (TypeInfo, FuncDef)) or enum_member(expr) is not None:
            return [expr]
        info = class_of(base, self.bindings.selves)
        if info is None:
            raise _Unreadable
        written = self.written_on(info, expr.name)
        if written is None:
            raise _Unreadable
        owner = next((cls for cls in info.mro if expr.name in cls.names), info)
        if owner.module_name != self.tree.fullname:
            if written:
                raise _Unreadable
            return [expr]
        self._passed.append((expr, False))
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
        writes = (*found.attributes.get(name, ()), *found.attributes.get(ANY, ()))
        return [binding for owner, binding in writes if owner is None or found.are_related(owner, info)]

    def _walrus(self, expr: AssignmentExpr) -> list[Expression]:
        return self._roots(expr.value)

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

    def _is_written(self, *, inside: bool) -> bool:
        """Whether anything was stored through a name that was followed, or (`inside`) through an item of one."""
        if not self._passed:
            return False
        from meshfit_mypy.writes import key_of, writes_of

        writes = writes_of(self.tree, anew=self._renewed)
        for expr, taken_apart in self._passed:
            key = key_of(expr)
            if writes.reaches(key, writes.written) or ((inside or taken_apart) and writes.reaches(key, writes.opened)):
                return True
        return False


def _distinct(values: Iterable[object]) -> list[object]:
    found: dict[str, object] = {}
    for value in values:
        found.setdefault(repr(value), value)
        if len(found) > _MOST:
            return [UNKNOWN]
    return list(found.values())


def _is_mutable(root: Expression) -> bool:
    if isinstance(root, CallExpr):
        return isinstance(root.callee, NameExpr) and root.callee.fullname in ("builtins.dict", "builtins.list")
    return isinstance(root, (ListExpr, DictExpr, SetExpr))


def _has_mutable(root: Expression) -> bool:
    items = [value for _, value in root.items] if isinstance(root, DictExpr) else getattr(root, "items", ())
    return any(_is_mutable(item) or _has_mutable(item) for item in items)


def _always_returns(function: FuncDef) -> bool:
    """Whether no call ends without a `return`, by the declared type, which mypy checks, or by the last statement."""
    declared = function.type
    if isinstance(declared, CallableType) and isinstance(get_proper_type(declared.ret_type), Instance):
        return True
    return _ends(function.body)


def _ends(block: Block | None) -> bool:
    last = block.body[-1] if block is not None and block.body else None
    if isinstance(last, IfStmt):
        return all(_ends(body) for body in last.body) and _ends(last.else_body)
    if isinstance(last, WithStmt):
        return False
    return isinstance(last, (ReturnStmt, RaiseStmt))
