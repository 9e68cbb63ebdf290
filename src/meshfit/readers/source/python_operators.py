"""Python's operators by the nodes that stand for them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

__all__ = ["ARITHMETIC", "COMPARISONS", "IDENTITY"]

Operator = Callable[[Any, Any], Any]

ARITHMETIC: Final[Mapping[type[ast.AST], Operator]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
    }
)
COMPARISONS: Final[Mapping[type[ast.AST], Operator]] = MappingProxyType(
    {
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
    }
)
IDENTITY: Final[Mapping[type[ast.AST], Operator]] = MappingProxyType({ast.Is: operator.is_, ast.IsNot: operator.is_not})
