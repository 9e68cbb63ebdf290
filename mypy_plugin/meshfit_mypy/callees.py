"""What is called, by its dotted name: as it is defined, or, where a package has no types, as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy.nodes import Import, ImportFrom, MemberExpr, NameExpr, TypeAlias, Var
from mypy.types import Instance, get_proper_type

if TYPE_CHECKING:
    from mypy.nodes import Expression, MypyFile, SymbolNode

    from meshfit_mypy.expressions import Reader

__all__ = ["definition_of", "dotted_name"]


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
    if node is not None and not isinstance(node, Var):
        doubtful = isinstance(callee, NameExpr) and callee.name in reader.bindings.doubtful
        return "" if doubtful else node.fullname
    if isinstance(callee, MemberExpr):
        base = dotted_name(callee.expr, reader)
        return f"{base}.{callee.name}" if base else ""
    if isinstance(callee, NameExpr) and isinstance(node, Var) and node.is_suppressed_import:
        return "" if callee.name in reader.bindings.doubtful else _imported(callee.name, reader.tree)
    return ""


def _imported(name: str, tree: MypyFile) -> str:
    for statement in tree.imports:
        if isinstance(statement, ImportFrom) and not statement.relative:
            for original, alias in statement.names:
                if name == (alias or original):
                    return f"{statement.id}.{original}"
        elif isinstance(statement, Import):
            for module, alias in statement.ids:
                if name == (alias or module.partition(".")[0]):
                    return module if alias else name
    return ""
