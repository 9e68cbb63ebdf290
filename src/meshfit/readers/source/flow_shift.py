"""Hidden states moved along the sequence: each token meets its neighbour, which another rank may hold.

Two forms are told, both by what is written: `pad(x[:, :-1], ...)` or `pad(x[:, 1:], ...)`, which fills the gap with
zeros, and `roll(x, 1, dims=1)`. Labels and masks are moved so too, so `x` must come out of a module.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from meshfit.readers.source.flow_values import Value
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["moved_along_tokens"]

_SEQUENCE: Final = (1, -2)
_ROLLED: Final = 3
"""Arguments of `roll`: the tensor, by how much, and along which dim."""


def moved_along_tokens(
    walk: Walk, frame: Frame, node: ast.Call, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> None:
    """Report a call that moves hidden states along the sequence.

    Args:
        walk: that met it.
        frame: where.
        node: the call.
        name: of the function, without its module.
        args: their values.
        kwargs: likewise.
    """
    if not args or not any(label[0] != "$" and not label.startswith("param:") for label in args[0].labels):
        return
    if name == "pad":
        moved = _drops_an_end(node.args[0])
    elif name == "roll":
        dims = kwargs.get("dims", args[2] if len(args) == _ROLLED else None)
        moved = dims is not None and dims.const in _SEQUENCE
    else:
        return
    if moved:
        walk.recorder.context_fault("mixes-tokens", frame.path)


def _drops_an_end(node: ast.expr) -> bool:
    """Whether the expression is `x[:, 1:]` or `x[:, :-1]`, more dims allowed after them."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return False
    match node.slice.elts:
        case [ast.Slice(lower=None, upper=None, step=None), ast.Slice(lower=lower, upper=upper, step=None), *_]:
            return (lower is not None and upper is None and _is_number(lower)) or (
                lower is None and isinstance(upper, ast.UnaryOp) and _is_number(upper.operand)
            )
        case _:
            return False


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value > 0
