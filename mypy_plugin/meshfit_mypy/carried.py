"""Meshes of other modules: what a name of a module is bound to, kept with the module in mypy's cache.

A module that is read from the cache has names and types, but no statements. So while a module is checked, the meshes
that its names certainly hold are written to further variables of it, which no source can spell.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    GDEF,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    ExpressionStmt,
    FuncDef,
    MemberExpr,
    MypyFile,
    NameExpr,
    ReturnStmt,
    StrExpr,
    SymbolTableNode,
    Var,
)
from mypy.types import CallableType, ExtraAttrs, Instance, LiteralType, NoneType, get_proper_type

from meshfit.errors import MeshError
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.mesh_calls import UnreadableCall, mesh_of_call
from meshfit_mypy.bindings import bindings_so_far, makes_fields
from meshfit_mypy.callees import definition_of
from meshfit_mypy.evaluation import literal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy.nodes import Expression
    from mypy.plugin import AnalyzeTypeContext, FunctionContext, MethodContext
    from mypy.types import Type

    from meshfit_mypy.expressions import Reader

__all__ = ["carried_meshes", "carry", "carry_function"]

_STORE: Final = "meshfit@carried"
"""What the variables begin with. The daemon keeps names with an `@` when it analyses a module again."""


def carry(
    ctx: FunctionContext | MethodContext, reader: Reader, meshes: Iterable[MeshSpec | MeshError] | None = None
) -> Type:
    """Keep the meshes of a constructor's call for other modules, where it is the only binding of a name.

    Args:
        ctx: the call.
        reader: reads the file that it stands in.
        meshes: what the call makes, where that is read already.

    Returns:
        The type of the call. In the daemon it tells the meshes apart, so that a change of them is one of the type.
    """
    from meshfit_mypy.meshes import FROZEN, possible_meshes

    call, made = ctx.context, get_proper_type(ctx.default_return_type)
    target = _target(reader.tree.defs, call) if isinstance(call, CallExpr) else None
    node = reader.variable(target) if target is not None else None
    if target is None or node is None or not isinstance(call, CallExpr):
        return ctx.default_return_type
    is_frozen = isinstance(made, Instance) and made.type.fullname.startswith(FROZEN)
    if not _is_certain(target, node, reader) or (not is_frozen and reader.is_mutated(target)):
        meshes = None
    elif meshes is None:
        meshes = possible_meshes(call, reader, made)
    text = _keep(reader.tree, node.fullname, meshes)
    if text and is_frozen and isinstance(target, NameExpr):
        reader.bindings.meshes[node] = _kept(text)
    if not text or not ctx.api.options.fine_grained_incremental or not isinstance(made, Instance):
        return ctx.default_return_type
    marked = _marked(made, text, ctx.api.named_generic_type("builtins.str", []))
    declared = get_proper_type(node.type)
    if not node.is_inferred and isinstance(declared, Instance) and declared.type is made.type:
        node.type = marked
    return marked


def carry_function(ctx: AnalyzeTypeContext, made: Instance) -> Type:
    """Keep the mesh of a function of the module whose only statement returns a constructor's call with literals.

    Args:
        ctx: an annotation with the constructor's class; mypy may check the bodies of functions after it has written
            what other modules see of this one.
        made: the type that is annotated.

    Returns:
        The type; see `carry`.
    """
    api: Any = ctx.api
    tree: MypyFile = api.api.modules[api.api.cur_mod_id]
    for function in tree.defs:
        declared = function.type if isinstance(function, FuncDef) else None
        if isinstance(function, FuncDef) and isinstance(declared, CallableType) and declared.ret_type is ctx.type:
            text = _keep(tree, function.fullname, _returned(function, ctx.type.name, made.type.fullname, tree))
            if text and api.options.fine_grained_incremental:
                return _marked(made, text, api.named_type("builtins.str", []))
    return made


def carried_meshes(root: Expression, reader: Reader) -> tuple[MeshSpec, ...] | None:
    """The meshes that a name, or a call of a function, of another module stands for; None when none are kept."""
    node = definition_of(root.callee) if isinstance(root, CallExpr) else reader.variable(root)
    if not isinstance(node, (Var, FuncDef)):
        return None
    home = node.info.module_name if node.info else node.fullname.rpartition(".")[0]
    tree = reader.modules.get(home)
    text = "" if tree is None or tree is reader.tree else _text(tree, node.fullname)
    return _kept(text) if text else None


def _target(statements: Iterable[Any], call: CallExpr) -> NameExpr | MemberExpr | None:
    """What is assigned the call: a name of the module or of a class of it, or an attribute that a method sets."""
    line = call.line
    for statement in statements:
        kind = type(statement)
        if kind is AssignmentStmt:
            if statement.rvalue is call and len(statement.lvalues) == 1:
                target = statement.lvalues[0]
                return target if isinstance(target, (NameExpr, MemberExpr)) else None
        elif kind is ClassDef and statement.line <= line <= (statement.end_line or line):
            for inner in statement.defs.body:
                body = inner.body.body if isinstance(inner, FuncDef) else [inner]
                found = _target((part for part in body if isinstance(part, AssignmentStmt)), call)
                if found is not None and isinstance(found, MemberExpr) is isinstance(inner, FuncDef):
                    return found
    return None


def _is_certain(target: NameExpr | MemberExpr, node: Var, reader: Reader) -> bool:
    """Whether nothing else in the file is bound to the target."""
    found = reader.bindings
    if node.info:
        return not makes_fields(node.info) and len(reader.written_on(node.info, node.name) or ()) == 1
    is_once = isinstance(target, NameExpr) and len(found.bound(node) or ()) == 1
    return is_once and not found.is_doubtful(node.name) and not reader.is_open(node)


def _returned(function: FuncDef, spelled: str, name: str, tree: MypyFile) -> tuple[MeshSpec, ...] | None:
    statements = function.body.body
    if statements and isinstance(statements[0], ExpressionStmt) and isinstance(statements[0].expr, StrExpr):
        statements = statements[1:]  # a docstring
    last = statements[0] if len(statements) == 1 else None
    call = last.expr if isinstance(last, ReturnStmt) else None
    if not isinstance(call, CallExpr) or not isinstance(call.callee, NameExpr) or call.callee.name != spelled:
        return None
    found = bindings_so_far(tree)
    doubtful = found.is_doubtful(function.name) or found.is_doubtful(spelled)
    flags = function.is_generator or function.is_coroutine or function.is_decorated or function.is_overload
    parameters = [argument.variable.name for argument in function.arguments]
    if doubtful or flags or spelled in parameters or any(kind.is_star() for kind in call.arg_kinds):
        return None
    values = [literal_of(argument) for argument in call.args]
    positional = [value for key, value in zip(call.arg_names, values, strict=True) if key is None]
    keywords = {key: value for key, value in zip(call.arg_names, values, strict=True) if key is not None}
    try:
        return (mesh_of_call(name, positional, keywords),)
    except (MeshError, UnreadableCall):
        return None


# --- the store


def _keep(tree: MypyFile, owner: str, meshes: Iterable[MeshSpec | MeshError] | None) -> str:
    """Write the meshes of `owner`, or that none are known. Returns what was written, empty for nothing."""
    rows, name = _rows(meshes or ()), _symbol(tree, owner)
    if rows is None:
        tree.names.pop(name, None)
        return ""
    symbol = tree.names.get(name)
    if symbol is None:
        variable = Var(name, NoneType())
        variable._fullname = f"{tree.fullname}.{name}"  # noqa: SLF001 - as mypy's own plugins set it
        symbol = tree.names[name] = SymbolTableNode(GDEF, variable, module_public=False, plugin_generated=True)
    if isinstance(symbol.node, Var):
        symbol.node.final_value = rows
    return rows


def _symbol(tree: MypyFile, owner: str) -> str:
    """The variable that keeps the meshes of a name, an attribute or a function of the file."""
    return f"{_STORE}@{owner[len(tree.fullname) + 1 :].replace('.', '@')}"


def _text(tree: MypyFile, owner: str) -> str:
    symbol = tree.names.get(_symbol(tree, owner))
    text = symbol.node.final_value if symbol is not None and isinstance(symbol.node, Var) else None
    return text if isinstance(text, str) else ""


def _rows(meshes: Iterable[MeshSpec | MeshError]) -> str | None:
    """The meshes as JSON; None where there are none, one is refused, or one holds what JSON does not."""
    rows = []
    for mesh in meshes:
        if isinstance(mesh, MeshError):
            return None
        row = _plain_row(mesh) if type(mesh) is MeshSpec and not (mesh.engine or mesh.settings) else _partial_row(mesh)
        if row is None:
            return None
        rows.append(row)
    return f"[{', '.join(rows)}]" if rows else None


@lru_cache(maxsize=64)
def _plain_row(mesh: MeshSpec) -> str | None:
    """Of sizes alone, by which meshes are equal."""
    return _row(mesh, [])


def _partial_row(mesh: MeshSpec) -> str | None:
    from meshfit.partial_mesh import PartialMesh

    return _row(mesh, sorted(mesh.unknown) if isinstance(mesh, PartialMesh) else [])


def _row(mesh: MeshSpec, unknown: list[str]) -> str | None:
    try:
        return json.dumps([{axis: mesh.size(axis) for axis in mesh.used}, unknown, mesh.engine, dict(mesh.settings)])
    except TypeError:
        return None


@lru_cache(maxsize=64)
def _kept(text: str) -> tuple[MeshSpec, ...]:
    return tuple(_mesh(*row) for row in json.loads(text))


def _mesh(sizes: Mapping[str, int], unknown: list[str], engine: str | None, settings: Mapping[str, Any]) -> MeshSpec:
    known: dict[str, Any] = {f"{axis}_size": sizes[axis] for axis in AXES if axis in sizes}
    if unknown:
        from meshfit.partial_mesh import PartialMesh

        return PartialMesh(unknown, **known, engine=engine, settings=settings)
    return MeshSpec(**known, engine=engine, settings=settings)


def _marked(made: Instance, text: str, str_type: Instance) -> Instance:
    attributes = ExtraAttrs({_STORE: LiteralType(text, str_type)})
    return Instance(made.type, made.args, made.line, made.column, extra_attrs=attributes)
