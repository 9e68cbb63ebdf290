"""The calls that are judged: which model meets which mesh, and what the rules say of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import ARG_NAMED, ARG_POS, CallExpr, MemberExpr, RefExpr
from mypy.types import CallableType, Overloaded, TypeType

from meshfit.errors import MeshError
from meshfit.mesh import AXES
from meshfit.rules.judge import judge
from meshfit.rules.loading import use_packages
from meshfit.rules.registry import engine_names
from meshfit_mypy.class_facts import validates
from meshfit_mypy.expressions import Reader
from meshfit_mypy.following import MOST
from meshfit_mypy.meshes import possible_meshes
from meshfit_mypy.models import Candidate, possible_models, pretrained_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy.nodes import Expression
    from mypy.plugin import FunctionContext, MethodContext
    from mypy.types import Type

    from meshfit.report import Report
    from meshfit_mypy import MeshfitPlugin

__all__ = ["check_function", "from_pretrained", "mesh_call", "validate_function", "validate_method"]

_GIVEN: Final = {
    **dict.fromkeys(("world_size", "seq_len", "gpus_per_node"), int),
    **dict.fromkeys(("attn_implementation", "experts_implementation"), str),
}
"""Arguments of the functions that are facts, and their types."""


def validate_method(ctx: MethodContext, plugin: MeshfitPlugin) -> Type:
    """Judge `model.validate_for_mesh(mesh)` and `A.validate_for_mesh(model, mesh)`."""
    call = ctx.context
    if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr) and not isinstance(ctx.type, TypeType):
        owner: Type = ctx.type
        if isinstance(owner, CallableType | Overloaded):
            owner = owner.items[0].ret_type
            model, mesh = _argument(ctx, 0), _argument(ctx, 1)
        else:
            model, mesh = call.callee.expr, _argument(ctx, 0)
        if model is not None and mesh is not None and validates(owner):
            _judge_call(ctx, plugin, model, mesh)
    return ctx.default_return_type


def validate_function(ctx: FunctionContext, plugin: MeshfitPlugin) -> Type:
    """Judge `validate_for_mesh(model, mesh)`."""
    model, mesh = _argument(ctx, 0), _argument(ctx, 1)
    if model is not None and mesh is not None:
        _judge_call(ctx, plugin, model, mesh)
    return ctx.default_return_type


def check_function(ctx: FunctionContext, plugin: MeshfitPlugin) -> Type:
    """Note, where the options ask for it, what `check(target, mesh)` will report."""
    model, mesh = _argument(ctx, 0), _argument(ctx, 1)
    if plugin.settings.checks and model is not None and mesh is not None:
        _judge_call(ctx, plugin, model, mesh, notes_only=True)
    return ctx.default_return_type


def from_pretrained(ctx: MethodContext, plugin: MeshfitPlugin) -> Type:
    """Judge `A.from_pretrained(..., distributed_config=DistributedConfig(tp_size=8))`."""
    call = ctx.context
    if isinstance(call, CallExpr) and "distributed_config" in call.arg_names:
        mesh = call.args[call.arg_names.index("distributed_config")]
        reader = _reader(ctx, plugin)
        models = pretrained_models(call, reader, plugin)
        if models:
            _judge(models, mesh, ctx, plugin, reader, engine=None)
    return ctx.default_return_type


def mesh_call(ctx: FunctionContext | MethodContext, plugin: MeshfitPlugin) -> Type:
    """Refuse a mesh literal that cannot be read; remember the sizes of one that other modules may use."""
    from meshfit_mypy.carried import carry

    call, reader, meshes = ctx.context, _reader(ctx, plugin), None
    if isinstance(call, CallExpr) and _speaks_itself(call):
        meshes = possible_meshes(call, reader, None) or ()
        for mesh in meshes:
            if isinstance(mesh, MeshError) and not _is_ill_typed(call, reader):
                _refuse(mesh, ctx)
                return ctx.default_return_type
    return carry(ctx, reader, meshes)


def _speaks_itself(root: Expression) -> bool:
    """Whether the expression is a `MeshSpec` being made: a bad one is refused there, whoever uses it."""
    callee = root.callee if isinstance(root, CallExpr) else None
    if isinstance(callee, MemberExpr) and callee.name in ("parse", "of"):
        callee = callee.expr
    return isinstance(callee, RefExpr) and callee.fullname == "meshfit.mesh.MeshSpec"


def _is_ill_typed(call: CallExpr, reader: Reader) -> bool:
    """Whether mypy itself says that a size is no int, or that there is no such axis."""
    if not isinstance(call.callee, RefExpr) or call.callee.fullname != "meshfit.mesh.MeshSpec":
        return False
    known = {*(f"{axis}_size" for axis in AXES), "engine", "settings", None}
    values = [reader.possible(argument) for argument in call.args]
    return not known.issuperset(call.arg_names) or not all(isinstance(v, int) for one in values for v in one)


def _judge_call(
    ctx: FunctionContext | MethodContext,
    plugin: MeshfitPlugin,
    model: Expression,
    mesh: Expression,
    *,
    notes_only: bool = False,
) -> None:
    reader = _reader(ctx, plugin)
    models = possible_models(model, _type_of(ctx, model), reader, plugin)
    options = None if models is None else _options(ctx, reader)
    if models is not None and options is not None:
        given, engine, strict = options
        models = tuple(Candidate(m.facts.replace(**given), m.granted) for m in models) if given else models
        _judge(models, mesh, ctx, plugin, reader, engine=engine, strict=strict, notes_only=notes_only)


def _judge(
    models: Sequence[Candidate],
    mesh: Expression,
    ctx: FunctionContext | MethodContext,
    plugin: MeshfitPlugin,
    reader: Reader,
    *,
    engine: str | None,
    strict: bool = False,
    notes_only: bool = False,
) -> None:
    meshes = possible_meshes(mesh, reader, _type_of(ctx, mesh), plugin.settings.constructors)
    if not meshes or len(meshes) * len(models) > MOST or not all(m.facts.knows("engine") for m in models):
        return
    refused = next((mesh for mesh in meshes if isinstance(mesh, MeshError)), None)
    if refused is not None:
        if not all(map(_speaks_itself, reader.sources(mesh) or ())):
            _refuse(refused, ctx)
        return
    use_packages(plugin.settings.rule_packages)
    reports = [_report(model, spec, engine, strict) for model, spec in product(models, meshes)]
    if all(report.violations for report in reports):
        from meshfit_mypy.guards import guarded_axes
        from meshfit_mypy.speaking import speak

        granted = guarded_axes(reader.tree, ctx.context.line)
        reports = [_without(granted, report) for report in reports] if granted else reports
        speak(reports, plugin.settings.severity, ctx.context, ctx.api, notes_only=notes_only)


def _refuse(error: MeshError, ctx: FunctionContext | MethodContext) -> None:
    from meshfit_mypy.speaking import refuse_mesh

    refuse_mesh(error, ctx.context, ctx.api)


def _report(model: Candidate, mesh: Any, engine: str | None, strict: bool) -> Report:
    report = judge(model.facts, mesh, engine=engine or mesh.engine or model.facts.engine)
    report = _without(model.granted, report) if model.granted else report
    return report.strict() if strict else report


def _without(granted: frozenset[str], report: Report) -> Report:
    """A report that is silent of the axes that the program itself has asked about."""
    return replace(report, violations=tuple(found for found in report.violations if found.axis not in granted))


def _options(ctx: FunctionContext | MethodContext, reader: Reader) -> tuple[dict[str, Any], str | None, bool] | None:
    """The keyword arguments of the call: facts given, engine, strict. None where one that decides is not known."""
    given: dict[str, Any] = {}
    decided: dict[str, Any] = {"engine": None, "strict": False}
    call = ctx.context
    if not isinstance(call, CallExpr):
        return None
    for name, kind, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
        if kind not in (ARG_POS, ARG_NAMED):
            return None
        values = reader.values(argument) if name in _GIVEN or name in decided else None
        value = values[0] if values is not None and len(values) == 1 else None
        if name in decided:
            if values is None or len(values) != 1:
                return None
            decided[name] = value
        elif name is not None and _is_given(name, value):
            given[name] = value
    engine = decided["engine"]
    if engine is not None and engine not in engine_names():
        return None
    return given, engine, decided["strict"] is True


def _is_given(name: str, value: object) -> bool:
    """Whether a value is one that the functions take for that argument; they refuse others."""
    kind = _GIVEN.get(name)
    return type(value) is kind and (value != "" if kind is str else isinstance(value, int) and value > 0)


def _argument(ctx: FunctionContext | MethodContext, index: int) -> Expression | None:
    """The one expression passed for a formal parameter, None where it is absent or starred."""
    if index >= len(ctx.args) or len(ctx.args[index]) != 1 or ctx.arg_kinds[index][0] not in (ARG_POS, ARG_NAMED):
        return None
    return ctx.args[index][0]


def _reader(ctx: FunctionContext | MethodContext, plugin: MeshfitPlugin) -> Reader:
    api: Any = ctx.api
    return Reader(api.tree, ctx.context.line, api.modules, plugin.settings.constructors)


def _type_of(ctx: FunctionContext | MethodContext, expr: Expression) -> Type | None:
    """The type mypy gave an expression of the call; None where it gave none."""
    api: Any = ctx.api
    try:
        found: Type = api.lookup_type(expr)
    except KeyError:
        return None
    return found
