"""A mypy plugin for tests: it notes what the reader makes of the argument of each call of `ask` and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mypy.plugin import Plugin

from meshfit.errors import MeshError
from meshfit.partial_mesh import PartialMesh
from meshfit.readers.mesh_calls import CONSTRUCTORS
from meshfit_mypy.carried import carry_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy.plugin import AnalyzeTypeContext, FunctionContext, MethodContext
    from mypy.types import Type

ANSWERS: dict[str, dict[tuple[int, int], str]] = {}
"""Module -> first and last line of a call of `ask` -> what it was answered."""


_ASKING = frozenset({"asking.ask", "asking.ask_values", "asking.ask_mutated"})


def plugin(version: str) -> type[Plugin]:
    """Mypy's entry point."""
    from meshfit_mypy import writes

    writes._READING_CALLEES |= _ASKING  # asking is no write
    return AskingPlugin


class AskingPlugin(Plugin):
    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        if fullname in _ASKING:
            return lambda ctx: self._answer(ctx, fullname)
        return self._carry if fullname in CONSTRUCTORS else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        return self._carry if fullname in CONSTRUCTORS else None

    def get_type_analyze_hook(self, fullname: str) -> Callable[[AnalyzeTypeContext], Type] | None:
        return (lambda ctx: carry_function(ctx, ctx.api.named_type(fullname, []))) if fullname in CONSTRUCTORS else None

    def _carry(self, ctx: Any) -> Type:
        from meshfit_mypy.carried import carry
        from meshfit_mypy.expressions import Reader

        return carry(ctx, Reader(ctx.api.tree, ctx.context.line, ctx.api.modules))

    def _answer(self, ctx: Any, fullname: str) -> Type:
        from meshfit_mypy.expressions import Reader
        from meshfit_mypy.meshes import possible_meshes

        reader, asked = Reader(ctx.api.tree, ctx.context.line, ctx.api.modules), ctx.args[0][0]
        if fullname == "asking.ask":
            answer = meshes_said(possible_meshes(asked, reader, ctx.arg_types[0][0], OPTIONS))
        elif fullname == "asking.ask_values":
            values = reader.values(asked)
            answer = "?" if values is None else " | ".join(sorted(map(repr, values)))
        else:
            answer = str(reader.is_mutated(asked))
        lines = ctx.context.line, ctx.context.end_line
        ANSWERS.setdefault(ctx.api.tree.fullname, {})[lines] = answer
        given: Type = ctx.default_return_type
        return given


OPTIONS = {"own_meshes.make": {"tensor": "tp", "stages": "pp"}}


def meshes_said(meshes: Any) -> str:
    """`tp=8 | tp=2,pp=?`; `?` for unknown."""
    return "?" if meshes is None else " | ".join(sorted(map(_said, meshes)))


def _said(mesh: Any) -> str:
    if isinstance(mesh, MeshError):
        return f"! {mesh}"
    sizes = [f"{axis}={mesh.size(axis)}" for axis in mesh.used]
    if isinstance(mesh, PartialMesh):
        sizes += [f"{name}=?" for name in sorted(mesh.unknown)]
    engine = f"{mesh.engine}:" if mesh.engine else ""
    return engine + (",".join(sizes) or "tp=1")
