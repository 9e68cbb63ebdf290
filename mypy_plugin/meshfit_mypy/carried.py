"""Meshes of other modules: what a module-level name is bound to travels with its type, also through mypy's cache.

The type of the name gets an attribute that no source can spell, holding the meshes and the name they belong to. A type
that was copied to another name, or joined with another type, still has the attribute, so only the name that it tells
is believed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import AssignmentStmt, CallExpr, ClassDef, FuncDef, NameExpr, ReturnStmt, Var
from mypy.types import CallableType, ExtraAttrs, Instance, LiteralType, get_proper_type

from meshfit.errors import MeshError
from meshfit.mesh import AXES, MeshSpec
from meshfit.partial_mesh import PartialMesh
from meshfit_mypy.bindings import makes_fields
from meshfit_mypy.callees import definition_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy.nodes import Expression, Statement
    from mypy.plugin import FunctionContext, MethodContext
    from mypy.types import Type

    from meshfit_mypy.expressions import Reader

__all__ = ["carried_meshes", "carry"]

_KEY: Final = "<meshfit>"


def carry(ctx: FunctionContext | MethodContext, reader: Reader) -> Type:
    """The type of a mesh constructor's call, with the meshes it makes where it is the only binding of a name."""
    from meshfit_mypy.meshes import possible_meshes

    call, made = ctx.context, get_proper_type(ctx.default_return_type)
    if not isinstance(call, CallExpr) or not isinstance(made, Instance):
        return ctx.default_return_type
    target = _target(reader.tree.defs, call)
    if target is None or not _is_certain(target, reader):
        return ctx.default_return_type
    meshes = possible_meshes(call, reader, made)
    text = _written(target, meshes or ())
    if text is None:
        return ctx.default_return_type
    marked = _marked(made, text, ctx)
    if isinstance(target, FuncDef):
        if isinstance(target.type, CallableType) and _same_class(target.type.ret_type, made):
            target.type = target.type.copy_modified(ret_type=marked)
        return ctx.default_return_type
    node = target.node
    if isinstance(node, Var) and not node.is_inferred and node.type is not None and _same_class(node.type, made):
        node.type = marked
    return marked


def carried_meshes(root: Expression, reader: Reader) -> tuple[MeshSpec, ...] | None:
    """The meshes that a name, or a call of a function, of another module stands for; None when it tells none."""
    if isinstance(root, CallExpr):
        node = definition_of(root.callee)
        declared = node.type.ret_type if isinstance(node, FuncDef) and isinstance(node.type, CallableType) else None
    else:
        node = reader.variable(root)
        declared = node.type if node is not None else None
    typed = get_proper_type(declared)
    if node is None or not isinstance(typed, Instance) or typed.extra_attrs is None:
        return None
    literal = get_proper_type(typed.extra_attrs.attrs.get(_KEY))
    if not isinstance(literal, LiteralType) or not isinstance(literal.value, str):
        return None
    owner, meshes = json.loads(literal.value)
    if owner != node.fullname:
        return None
    return tuple(_mesh(mesh) for mesh in meshes)


def _target(statements: Iterable[Statement], call: CallExpr) -> NameExpr | FuncDef | None:
    """The name of the module, or of a class of it, that is assigned the call; or the function that returns it."""
    for statement in statements:
        if isinstance(statement, AssignmentStmt):
            if statement.rvalue is call:
                name = statement.lvalues[0]
                return name if len(statement.lvalues) == 1 and isinstance(name, NameExpr) else None
        elif isinstance(statement, ClassDef):
            if statement.line <= call.line and (found := _target(statement.defs.body, call)) is not None:
                return found if isinstance(found, NameExpr) else None
        elif isinstance(statement, FuncDef) and statement.body.body:
            last = statement.body.body[-1]
            if isinstance(last, ReturnStmt) and last.expr is call:
                return statement
    return None


def _is_certain(target: NameExpr | FuncDef, reader: Reader) -> bool:
    found = reader.bindings
    if isinstance(target, FuncDef):
        return reader.is_plain(target) and len(found.returns.get(target, ())) == 1
    node = target.node
    if not isinstance(node, Var) or len(found.names.get(node, ())) != 1 or target.name in found.doubtful:
        return False
    if node.info:
        writes = [
            owner
            for owner, _ in found.attributes.get(target.name, ())
            if owner is None or found.are_related(owner, node.info)
        ]
        return len(writes) == 1 and not makes_fields(node.info)
    return not reader.is_open(target.name) and not reader.is_mutated(target)


def _same_class(declared: Type, made: Instance) -> bool:
    proper = get_proper_type(declared)
    return isinstance(proper, Instance) and proper.type is made.type


def _marked(made: Instance, text: str, ctx: FunctionContext | MethodContext) -> Instance:
    literal = LiteralType(text, ctx.api.named_generic_type("builtins.str", []))
    return Instance(made.type, made.args, made.line, made.column, extra_attrs=ExtraAttrs({_KEY: literal}))


def _written(target: NameExpr | FuncDef, meshes: Iterable[MeshSpec | MeshError]) -> str | None:
    node = target.node if isinstance(target, NameExpr) else target
    rows: list[Any] = []
    for mesh in meshes:
        if isinstance(mesh, MeshError):
            return None
        unknown = sorted(mesh.unknown) if isinstance(mesh, PartialMesh) else []
        rows.append([{axis: mesh.size(axis) for axis in mesh.used}, unknown, mesh.engine, dict(mesh.settings)])
    try:
        return json.dumps([node.fullname if node is not None else "", rows], sort_keys=True) if rows else None
    except TypeError:
        return None


def _mesh(row: list[Any]) -> MeshSpec:
    sizes, unknown, engine, settings = row
    known: dict[str, Any] = {f"{axis}_size": sizes[axis] for axis in AXES if axis in sizes}
    if unknown:
        return PartialMesh(unknown, **known, engine=engine, settings=settings)
    return MeshSpec(**known, engine=engine, settings=settings)
