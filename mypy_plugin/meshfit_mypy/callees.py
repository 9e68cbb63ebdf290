"""What is called, by its dotted name: as it is defined, or, where a package has no types, as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy.nodes import IfStmt, Import, ImportFrom, MemberExpr, NameExpr, RaiseStmt, ReturnStmt, TypeAlias, Var, WithStmt
from mypy.types import CallableType, Instance, get_proper_type

if TYPE_CHECKING:
    from mypy.nodes import Block, Expression, FuncDef, MypyFile, SymbolNode

    from meshfit_mypy.expressions import Reader

__all__ = ["always_returns", "definition_of", "dotted_name"]


def definition_of(callee: Expression) -> SymbolNode | None:
    """The class or function that a name stands for, through aliases; None for what is no name."""
    if not isinstance(callee, (NameExpr, MemberExpr)):
        return None
    node = callee.node
    if isinstance(node, TypeAlias):
        target = get_proper_type(node.target)
        return target.type if isinstance(target, Instance) else None
    return node


def dotted_name(callee: Expression, reader: Reader) -> str:
    """Dotted name of what is called, empty when it has none that is certain."""
    node = definition_of(callee)
    if isinstance(callee, NameExpr):
        if node is None or (isinstance(node, Var) and not node.is_suppressed_import):
            return ""
        imported = _imported(callee.name, reader.tree)
        if len(imported) > 1 and not all(_resolved(name, reader) is node for name in imported):
            return ""  # `try: from a import X` … `except ImportError: from b import X`
        return imported.pop() if isinstance(node, Var) and imported else node.fullname
    if node is not None and not isinstance(node, Var):
        return node.fullname
    if isinstance(callee, MemberExpr):
        base = dotted_name(callee.expr, reader)
        return f"{base}.{callee.name}" if base else ""
    return ""


def _resolved(name: str, reader: Reader) -> SymbolNode | None:
    module, _, attribute = name.rpartition(".")
    tree = reader.modules.get(module)
    symbol = tree.names.get(attribute) if tree is not None else None
    return symbol.node if symbol is not None else None


def _imported(name: str, tree: MypyFile) -> set[str]:
    """What the imports of a file, wherever they stand in it, bind a name to."""
    found: set[str] = set()
    for statement in tree.imports:
        if isinstance(statement, ImportFrom):
            for original, alias in statement.names:
                if name == (alias or original):
                    found.add(f"{'.' * statement.relative}{statement.id}.{original}")
        elif isinstance(statement, Import):
            for module, alias in statement.ids:
                if name == (alias or module.partition(".")[0]):
                    found.add(module if alias else name)
    return found


def always_returns(function: FuncDef) -> bool:
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
