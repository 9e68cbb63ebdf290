"""The meshes that an argument may be: known ones, partly known ones, and literals that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    ARG_NAMED,
    ARG_POS,
    ARG_STAR2,
    CallExpr,
    FuncDef,
    IndexExpr,
    NameExpr,
    TypeInfo,
)
from mypy.state import state
from mypy.types import AnyType, CallableType, NoneType, UnionType, get_proper_type

from meshfit.errors import MeshError
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.mesh_calls import (
    CONSTRUCTORS,
    DeviceMesh,
    UnreadableCall,
    make_mesh,
    mesh_of_value,
)
from meshfit.readers.unknown import UNKNOWN
from meshfit_mypy.callees import definition_of, dotted_name
from meshfit_mypy.expressions import crossed
from meshfit_mypy.following import MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy.nodes import Expression
    from mypy.types import Type

    from meshfit_mypy.expressions import Reader

__all__ = ["FROZEN", "possible_meshes"]

_DEEPEST: Final = 8
FROZEN: Final = ("meshfit.", "torch.")
"""Where meshes are made that nothing changes afterwards."""

_HOLDERS: Final = frozenset(
    {"meshfit.mesh.MeshSpec.of", *(name for name in CONSTRUCTORS if name.startswith("nemo_automodel."))}
)
"""Constructors whose arguments are meshes."""


def possible_meshes(
    expr: Expression, reader: Reader, type_: Type | None, extra: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[MeshSpec | MeshError, ...] | None:
    """Every mesh that an argument may be.

    Args:
        expr: the argument.
        reader: reads the file that it stands in.
        type_: its type, where mypy told it: None is no possibility where mypy has excluded it.
        extra: further constructors, as `mesh_of_call` takes them.

    Returns:
        The meshes; a MeshError for a literal that is refused. None when not all of them are known.
    """
    known = reader.bindings.meshes.get(expr.node) if isinstance(expr, NameExpr) and expr.node is not None else None
    if known is not None:
        return known
    try:
        values = _Meshes(reader, extra or {}).possible(expr)
    except UnreadableCall:
        return None
    if len(values) > 1 and None in values and _excludes_none(type_):
        values = [value for value in values if value is not None]
    try:
        meshes = [_read(value) for value in values]
    except UnreadableCall:
        return None
    return tuple({_told(mesh): mesh for mesh in meshes}.values()) if len(meshes) > 1 else tuple(meshes)


def _told(mesh: MeshSpec | MeshError) -> str:
    return str(mesh) if isinstance(mesh, MeshError) else f"{mesh!r} {mesh.engine} {mesh.settings}"


def _read(value: Any) -> MeshSpec | MeshError:
    if isinstance(value, MeshError):
        return value
    try:
        return mesh_of_value(value)
    except MeshError as error:
        return error


def _excludes_none(type_: Type | None) -> bool:
    if type_ is None or not state.strict_optional:
        return False
    proper = get_proper_type(type_)
    items = [get_proper_type(item) for item in proper.items] if isinstance(proper, UnionType) else [proper]
    return not any(isinstance(item, (AnyType, NoneType)) for item in items)


class _Meshes:
    """Evaluates an expression to what `mesh_of_value` reads. Raises UnreadableCall where a possibility is unknown."""

    def __init__(self, reader: Reader, extra: Mapping[str, Mapping[str, str]]) -> None:
        self.reader = reader
        self.extra = extra
        self.depth = 0

    def possible(self, expr: Expression) -> list[Any]:
        roots = self.reader.sources(expr)
        if roots is None or self.depth >= _DEEPEST:
            raise UnreadableCall
        self.depth += 1
        try:
            values = [value for root in roots for value in self.made(root, expr)]
        finally:
            self.depth -= 1
        if len(values) > MOST:
            raise UnreadableCall
        return values

    def made(self, root: Expression, expr: Expression) -> list[Any]:
        if isinstance(root, CallExpr):
            callee = dotted_name(root.callee, self.reader)
            if callee in CONSTRUCTORS or callee in self.extra:
                if root is not expr and not callee.startswith(FROZEN) and self.reader.is_mutated(expr):
                    raise UnreadableCall
                return self.called(callee, root)
            if callee == "dataclasses.replace":
                return self.replaced(root)
        elif isinstance(root, IndexExpr):
            return self.sliced(root)
        from meshfit_mypy.carried import carried_meshes

        carried = carried_meshes(root, self.reader)
        if carried is not None:
            if any(mesh.engine for mesh in carried) and self.reader.is_mutated(expr):
                raise UnreadableCall  # whoever has an engine may be written to
            return list(carried)
        values = self.reader.possible(root)
        held = root is not expr and any(isinstance(value, (dict, list)) for value in values)
        if UNKNOWN in values or (held and self.reader.is_mutated(expr)):
            raise UnreadableCall
        return values

    def called(self, callee: str, call: CallExpr) -> list[Any]:
        holds = callee in _HOLDERS
        choices = [self.argument(argument) if holds else self.reader.possible(argument) for argument in call.args]
        made: list[Any] = []
        for values in self.combined(choices):
            try:
                made.append(self.make(callee, call, values))
            except MeshError as error:
                made.append(error)
        return made

    def make(self, callee: str, call: CallExpr, values: tuple[Any, ...]) -> MeshSpec | DeviceMesh:
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        more = False
        for kind, name, value in zip(call.arg_kinds, call.arg_names, values, strict=True):
            if kind == ARG_NAMED and name is not None:
                keywords[name] = value
            elif kind == ARG_POS and not more:
                positional.append(value)
            elif kind == ARG_STAR2:
                if isinstance(value, dict) and all(isinstance(key, str) for key in value):
                    keywords |= value
                else:
                    more = True
            elif isinstance(value, (list, tuple)):
                positional += value
            else:
                raise UnreadableCall
        names = _parameters(call) if positional else []
        if positional and len(positional) <= len(names):
            keywords, positional = {**dict(zip(names, positional, strict=False)), **keywords}, []
        return make_mesh(callee, positional, keywords, more=more, extra=self.extra)

    def argument(self, expr: Expression) -> list[Any]:
        try:
            return self.possible(expr)
        except UnreadableCall:
            return [UNKNOWN]

    def combined(self, choices: list[list[Any]]) -> list[tuple[Any, ...]]:
        combinations = crossed(choices)
        if combinations is None:
            raise UnreadableCall
        return combinations

    def sliced(self, expr: IndexExpr) -> list[Any]:
        """`mesh["tp"]` of torch's DeviceMesh."""
        meshes = self.possible(expr.base)
        if not all(isinstance(mesh, DeviceMesh) for mesh in meshes):
            raise UnreadableCall
        return [mesh.sliced(names) for mesh, names in self.combined([meshes, self.reader.possible(expr.index)])]

    def replaced(self, call: CallExpr) -> list[Any]:
        """`dataclasses.replace(mesh, tp_size=2)` of a `MeshSpec`."""
        changed = call.arg_names[1:]
        known = {f"{axis}_size" for axis in AXES}
        if call.arg_kinds[0] != ARG_POS or not known.issuperset(name or "" for name in changed):
            raise UnreadableCall
        made: list[Any] = []
        choices = [self.possible(call.args[0]), *(self.reader.possible(argument) for argument in call.args[1:])]
        for mesh, *sizes in self.combined(choices):
            if type(mesh) is not MeshSpec or mesh.engine or UNKNOWN in sizes:
                raise UnreadableCall
            asked: dict[str, Any] = {f"{axis}_size": mesh.size(axis) for axis in AXES}
            asked.update({name: size for name, size in zip(changed, sizes, strict=True) if name})
            try:
                made.append(MeshSpec(**asked, settings=mesh.settings))
            except MeshError as error:
                made.append(error)
        return made


def _parameters(call: CallExpr) -> list[str]:
    """Names of the parameters that take positional arguments, as the installed version has them."""
    node = definition_of(call.callee)
    if isinstance(node, TypeInfo):
        symbol = node.get("__init__")
        node = symbol.node if symbol is not None else None
        skipped = 1
    else:
        skipped = 0
    if not isinstance(node, FuncDef) or not isinstance(node.type, CallableType):
        return []
    kinds = list(zip(node.type.arg_names, node.type.arg_kinds, strict=True))[skipped:]
    return [name for name, kind in kinds if name is not None and kind.is_positional()]
