"""Texts that keep account of themselves, and the activations that they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from typing_extensions import Self

from meshfit.readers.shipped.expressions import Expr
from meshfit.readers.shipped.recorder import Scalar, expression, settled, told
from meshfit.readers.source.values import UNKNOWN

__all__ = ["KINDS", "POINTWISE", "KindOf", "SymbolicText"]

KINDS: Final = "@kinds"
"""The key under which expressions find the class of each activation."""
POINTWISE: Final = (
    "gelu",
    "gelu_fast",
    "gelu_new",
    "gelu_python",
    "gelu_pytorch_tanh",
    "leaky_relu",
    "mish",
    "quick_gelu",
    "relu",
    "relu2",
    "relu6",
    "sigmoid",
    "silu",
    "swish",
    "tanh",
)
"""Activations of one input and no parameters: a model is the same with any of them, but for the name."""


class KindOf(str):
    """The class name of a module that the config names."""

    __slots__ = ("expr",)
    expr: Expr

    def as_expression(self) -> Expr:
        """The expression this name is."""
        return self.expr

    def __new__(cls, kind: str, expr: Expr) -> Self:
        """The name `kind`, which is `expr`."""
        made = str.__new__(cls, kind)
        made.expr = expr
        return made


class SymbolicText(Scalar, str):  # noqa: SLOT000 - what it keeps is in its base
    """A text that knows which value of the config it is."""

    def __new__(cls, value: str, expr: Expr) -> Any:
        """The text `value`, which is `expr`."""
        made = str.__new__(cls, value)
        made.bare, made.expr = value, expr
        return made

    def activation(self, build: Callable[[str], Any]) -> Any:
        """The activation of this name: which of the pointwise ones it is shows in its kind alone."""
        made = build(self.bare)
        if self.bare not in POINTWISE or made is UNKNOWN:
            settled(self)
            return made
        told(("in", self.expr, ("list", *POINTWISE)), True)
        made.kind = KindOf(made.kind, ("named", ("k", KINDS), self.expr))
        return made

    def walk(self) -> list[str]:
        """The letters."""
        return list(settled(self))

    def length(self) -> Any:
        """`len(self)`."""
        return len(settled(self))

    def __eq__(self, other: object) -> bool:
        answer: bool = self.bare == (other.bare if isinstance(other, SymbolicText) else other)
        if isinstance(other, str) and expression(other) != self.expr:
            told(("==", self.expr, expression(other)), answer)
        return answer

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(settled(self))

    def __bool__(self) -> bool:
        told(("bool", self.expr), bool(self.bare))
        return bool(self.bare)

    def __str__(self) -> str:
        return str(settled(self))

    def __format__(self, spec: str) -> str:
        return format(settled(self), spec)


def _settled_text(method: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(settled(self), method)(*args, **kwargs)

    return call


for _method in (
    *(name for name in dir(str) if not name.startswith("_")),
    *("__add__", "__contains__", "__getitem__", "__iter__", "__len__", "__mod__", "__mul__", "__rmul__"),
    *("__lt__", "__le__", "__gt__", "__ge__", "__repr__"),
):
    setattr(SymbolicText, _method, _settled_text(_method))
