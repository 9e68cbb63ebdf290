"""What the daemon needs: it does not see metadata, so a class publishes a digest of it as a symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy.nodes import MDEF, SymbolTableNode, Var
from mypy.types import LiteralType

from meshfit_mypy.classes import HANDS_ON, KEY

if TYPE_CHECKING:
    from mypy.plugin import ClassDefContext

__all__ = ["publish"]

_SYMBOL: Final = "__meshfit_facts__"


def publish(ctx: ClassDefContext) -> None:
    """Give the class a symbol whose type is the digest, and let whatever uses the class depend on it and on its bases'.

    mypy's fine-grained update compares symbols: another digest makes the users of the class stale.
    """
    info = ctx.cls.info
    digest = f"{info.metadata.get(KEY)}{info.metadata.get(HANDS_ON)}"
    symbol = Var(_SYMBOL, LiteralType(digest, ctx.api.named_type("builtins.str")))
    symbol.info = info
    symbol.is_classvar = True
    symbol._fullname = f"{info.fullname}.{_SYMBOL}"  # noqa: SLF001 - as mypy's own plugins set it
    info.names[_SYMBOL] = SymbolTableNode(MDEF, symbol, plugin_generated=True)
    for base in info.mro:
        trigger = f"<{base.fullname}.{_SYMBOL}>"
        for target in (f"<{info.fullname}>", f"<{info.fullname}.validate_for_mesh>"):
            ctx.api.add_plugin_dependency(trigger, target)
