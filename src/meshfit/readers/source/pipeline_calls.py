"""Calls in a forward body: functions and child modules followed, tensor operations summed up, built-ins computed."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from meshfit.readers.source import pipeline_attributes, pipeline_iteration, pipeline_layers
from meshfit.readers.source.index import External, FunctionSource
from meshfit.readers.source.pipeline_builtins import run_builtin
from meshfit.readers.source.pipeline_members import call_member
from meshfit.readers.source.pipeline_values import (
    EMBEDS,
    IDS,
    NEUTRAL,
    Builtin,
    Callable_,
    Carried,
    ClassRef,
    ExternalRef,
    Frame,
    Known,
    Layers,
    Member,
    Mod,
    Opaque,
    Output,
    Seq,
    Table,
    Value,
    labels,
)

if TYPE_CHECKING:
    from meshfit.readers.source.pipeline_walk import Walk

__all__ = ["call_node", "invoke", "replaced_child"]

DEEPEST: Final = 12
"""Nested calls that are followed; deeper ones are summed up from their arguments."""

CONTENT_FREE: Final = frozenset(
    {"zeros_like", "ones_like", "empty_like", "full_like", "is_tensor", "rand_like", "randn_like"}
)
"""Functions of torch whose result depends on the shape of their argument only."""

SHAPE_READERS: Final = frozenset({"masking_utils", "modeling_attn_mask_utils"})
"""Modules of transformers whose functions read nothing but shape, dtype and device of the embeddings they get."""


def call_node(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    """The value of a call."""
    if isinstance(node.func, ast.Attribute) and _is_super(node.func.value):
        return _call_super(walk, frame, node, node.func.attr)
    callee = walk.evaluate(frame, node.func)
    args, kwargs, order = _arguments(walk, frame, node)
    if isinstance(callee, Builtin) and callee.name in ("getattr", "hasattr") and len(args) >= 2:
        return _dynamic_attribute(walk, frame, node, callee.name, args)
    return invoke(walk, frame, node, callee, args, kwargs, order)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _call_super(walk: Walk, frame: Frame, node: ast.Call, name: str) -> Value:
    args, kwargs, _ = _arguments(walk, frame, node)
    if frame.receiver is not None and frame.receiver.instance.cls is not None and frame.owner is not None:
        method = frame.receiver.instance.cls.method(name, after=frame.owner)
        if method is not None:
            return invoke(walk, frame, node, Callable_(method, frame.receiver), args, kwargs)
        if name == "forward" and frame.receiver.instance.cls.derives_from("torch.nn.Embedding"):
            return _embedding(walk, frame, node, args)
    return walk.spoil(frame, node, "transforms", *args, *kwargs.values())


def _arguments(walk: Walk, frame: Frame, node: ast.Call) -> tuple[list[Value], dict[str, Value], list[Value]]:
    args: list[Value] = []
    for argument in node.args:
        value = walk.evaluate(frame, argument)
        spread = pipeline_iteration.items(walk, value) if isinstance(argument, ast.Starred) else [value]
        args.extend(spread if spread is not None else [])
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        value = walk.evaluate(frame, keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value, Table):
            kwargs.update({k: v for k, v in value.items.items() if isinstance(k, str)})
        elif isinstance(value, Known) and isinstance(value.value, Mapping):
            kwargs.update({k: pipeline_iteration.lift(v) for k, v in value.value.items() if isinstance(k, str)})
    return args, kwargs, [*args, *kwargs.values()]


def _dynamic_attribute(walk: Walk, frame: Frame, node: ast.Call, name: str, args: list[Value]) -> Value:
    holder, key = args[0], args[1]
    if not isinstance(key, Known) or not isinstance(key.value, str):
        return Opaque(none=None)
    if isinstance(holder, Mod) and holder.stub is not None:
        # A replaced module has no attribute of the layer's own, so the default is what a stage sees.
        return (
            Known(False) if name == "hasattr" else (args[2] if len(args) > 2 else _missing(walk, frame, node, holder))
        )
    if isinstance(holder, Known) and holder.value is not None and frame.receiver is not None:
        expression = ast.Call(
            ast.Name(name, ast.Load()), [ast.Name("_holder", ast.Load()), ast.Constant(key.value)], []
        )
        local: dict[str, object] = {"_holder": holder.value}
        if name == "getattr" and len(args) > 2:
            default = pipeline_iteration.lower(args[2])
            local["_default"] = default
            expression.args.append(ast.Name("_default", ast.Load()))
        return pipeline_iteration.lift(frame.receiver.instance.evaluate(expression, local))
    if name == "hasattr":
        if isinstance(holder, Mod) and key.value in holder.instance.attributes:
            return Known(True)
        return Opaque()
    if isinstance(holder, Mod) and len(args) > 2 and not _has(holder, key.value):
        return args[2]
    return pipeline_attributes.attribute(walk, frame, node, holder, key.value)


def _has(module: Mod, name: str) -> bool:
    cls = module.instance.cls
    return name in module.instance.attributes or (cls is not None and cls.find(name) is not None)


def _missing(walk: Walk, frame: Frame, node: ast.Call, module: Mod) -> Value:
    walk.fault(f"reads-{module.stub}-attribute", walk.where(frame, node))
    return NEUTRAL


def invoke(
    walk: Walk,
    frame: Frame,
    node: ast.expr,
    callee: Value,
    args: list[Value],
    kwargs: dict[str, Value],
    order: list[Value] | None = None,
) -> Value:
    """Call a value. `order` lists the arguments as written."""
    order = order if order is not None else [*args, *kwargs.values()]
    match callee:
        case Mod():
            return _call_module(walk, frame, node, callee, args, kwargs)
        case Callable_(body=None, function=FunctionSource()):
            return _call_function(walk, frame, node, callee, args, kwargs)
        case Callable_(body=ast.Lambda(), scope=Frame()):
            return _call_lambda(walk, callee, args)
        case Builtin():
            return run_builtin(walk, frame, node, callee.name, args, kwargs)
        case Member():
            return call_member(walk, frame, node, callee, args, kwargs)
        case ExternalRef():
            return _call_external(walk, frame, node, callee.dotted, args, kwargs)
        case ClassRef():
            return _construct(walk, frame, node, callee, args, kwargs)
        case _:
            if _is_unread(frame, node) and any(labels(value) for value in order):
                walk.undecided = True
                return NEUTRAL
            return walk.spoil(frame, node, "transforms", *order)


def _is_unread(frame: Frame, node: ast.expr) -> bool:
    """Whether a function is called whose name no source that can be read defines: it may do anything, or nothing."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name not in frame.env and not hasattr(builtins, name) and frame.module.lookup(name) is None
        case _:
            return False


def _call_lambda(walk: Walk, callee: Callable_, args: list[Value]) -> Value:
    if callee.body is None or callee.scope is None:
        return NEUTRAL
    scope = callee.scope
    env = {**scope.env, **{a.arg: v for a, v in zip(callee.body.args.args, args, strict=False)}}
    inner = Frame(env, scope.module, scope.owner, scope.receiver, scope.depth + 1)
    return walk.evaluate(inner, callee.body.body) if inner.depth < DEEPEST else NEUTRAL


def _call_function(
    walk: Walk, frame: Frame, node: ast.expr, callee: Callable_, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    function = callee.function
    assert function is not None
    if function.module.name.rpartition(".")[2] in SHAPE_READERS:
        return Opaque(none=None)
    if frame.depth >= DEEPEST:
        return walk.spoil(frame, node, "transforms", *args, *kwargs.values())
    receiver = callee.receiver if isinstance(callee.receiver, Mod) else None
    given = [callee.receiver, *args] if callee.receiver is not None else args
    env = bind_arguments(walk, frame, function, given, kwargs)
    inner = Frame(
        env,
        function.module,
        function.owner,
        receiver or (frame.receiver if function.owner is None else None),
        frame.depth + 1,
    )
    inner.certain = frame.certain
    signal = walk.block(inner, function.node.body)
    if signal == "raise" and not inner.returns:
        return NEUTRAL
    return _returned(inner.returns, falls_through=signal == "")


def _returned(returns: list[Value], *, falls_through: bool) -> Value:
    outputs = [v for v in returns if isinstance(v, Output)]
    if outputs:
        return outputs[-1]
    if not returns:
        return Known(None)
    return pipeline_iteration.any_of([*returns, *([Known(None)] if falls_through else [])])


def bind_arguments(
    walk: Walk, frame: Frame, function: FunctionSource, args: list[Value], kwargs: Mapping[str, Value]
) -> dict[str, Value]:
    """The locals a call starts with."""
    spec = function.node.args
    names = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    env: dict[str, Value] = dict(zip(names, args, strict=False))
    if spec.vararg is not None:
        env[spec.vararg.arg] = Seq(list(args[len(names) :]))
    extra = Table()
    accepted = {*names, *(a.arg for a in spec.kwonlyargs)}
    for name, value in kwargs.items():
        if name in accepted:
            env[name] = value
        else:
            extra.items[name] = value
    if spec.kwarg is not None:
        env[spec.kwarg.arg] = extra
    outer = Frame({}, function.module, function.owner, frame.receiver, frame.depth)
    defaults = [*zip(reversed(names), reversed(spec.defaults), strict=False)]
    defaults += [(a.arg, d) for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None]
    for name, default in defaults:
        if name not in env:
            env[name] = walk.evaluate(outer, default)
    for name in accepted:
        env.setdefault(name, Opaque(none=None))
    return env


def _call_external(
    walk: Walk, frame: Frame, node: ast.expr, dotted: str, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    name = dotted.rpartition(".")[2]
    values = [*args, *kwargs.values()]
    if name.lower().endswith("dict"):
        return Table()
    if not dotted.startswith("torch"):
        return Opaque(frozenset().union(*(labels(v) for v in values)) if values else frozenset(), none=None)
    if name in CONTENT_FREE:
        return NEUTRAL
    if any(isinstance(v, Known) and v.absent for v in values):
        walk.fault("needs-input-ids", walk.where(frame, node))
        return NEUTRAL
    if name == "dropout" and args:
        return args[0]
    return walk.spoil(
        frame, node, {"layer_norm": "normalises", "rms_norm": "normalises"}.get(name, "transforms"), *values
    )


def _construct(
    walk: Walk, frame: Frame, node: ast.expr, callee: ClassRef, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    source = callee.source
    if any(
        b.dotted.rpartition(".")[2] == "ModelOutput" for c in source.mro for b in c.bases if isinstance(b, External)
    ):
        fields = list(
            dict.fromkeys(n for c in reversed(source.mro) for n, s in c.own.items() if isinstance(s, ast.AnnAssign))
        )
        filled = {**dict(zip(fields, args, strict=False)), **kwargs}
        return Output(source.name, filled, frozenset(fields))
    if not source.derives_from("torch.nn.Module"):
        # A plain object made in the body: a store that layers may share.
        return Table(rest=walk.spoil(frame, node, "transforms", *args, *kwargs.values()) if args or kwargs else None)
    return walk.spoil(frame, node, "transforms", *args, *kwargs.values())


def replaced_child(walk: Walk, name: str) -> Value | None:
    """A child of the base model that the walk's stage sees differently, None when it is as built."""
    if name == "layers":
        return Layers(tuple(walk.layers))
    if name == "norm" and walk.mode == "first":
        return Mod(walk.base, stub="norm")
    if name == "embed_tokens":
        built = walk.base.attributes.get("embed_tokens")
        if walk.mode == "later":
            return Mod(walk.base, stub="embedding")
        return Mod(built, index=-1) if built is not None and hasattr(built, "evaluate") else None  # type: ignore[arg-type]
    return None


def _call_module(
    walk: Walk, frame: Frame, node: ast.expr, module: Mod, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    if module.index is not None and module.index >= 0:
        return pipeline_layers.call_layer(walk, frame, node, module, args, kwargs)
    values = [*args, *kwargs.values()]
    first = values[0] if values else NEUTRAL
    if module.stub is not None:
        return first
    if module.index == -1:
        return _embedding(walk, frame, node, values)
    instance = module.instance
    if instance.cls is None:
        return _call_torch(walk, frame, node, module, values)
    if walk.current_layer is not None and not any(isinstance(v, Table | Seq) for v in values):
        return walk.spoil(frame, node, "transforms", *values)
    given = kwargs.get("inputs_embeds")
    if instance == walk.base and walk.mode == "whole" and isinstance(given, Opaque) and given is not walk.embedded:
        # The stages before the last call the base model themselves, with `input_ids`.
        walk.fault("embeds-outside-base", walk.where(frame, node))
    forward = instance.cls.method("forward")
    if forward is not None and frame.depth < DEEPEST:
        kind = _call_function(walk, frame, node, Callable_(forward, module), args, kwargs)
        return _named(walk, frame, node, module, kind, first)
    return walk.spoil(frame, node, _effect(instance.kind), *values)


def _named(walk: Walk, frame: Frame, node: ast.expr, module: Mod, result: Value, first: Value) -> Value:
    """A child's result is blamed on the call, where a reader of the base forward finds it."""
    if isinstance(result, Opaque) and isinstance(first, Carried) and result.cause is not None:
        cause = walk.spoil(frame, node, _effect(module.instance.kind), first).cause
        return Opaque(result.labels, result.none, cause, result.maybe)
    return result


def _effect(kind: str) -> str:
    if "Norm" in kind:
        return "normalises"
    return "projects" if kind == "Linear" else "transforms"


def _call_torch(walk: Walk, frame: Frame, node: ast.expr, module: Mod, values: list[Value]) -> Value:
    kind = module.instance.kind
    if any(isinstance(v, Known) and v.absent for v in values):
        walk.fault("needs-input-ids", walk.where(frame, node))
        return NEUTRAL
    if getattr(module.instance, "opaque", False):
        # A patched module: whatever it does, neither "sound" nor a fault can be concluded from it.
        walk.undecided = True
        return Opaque(none=None, maybe=any(isinstance(v, Carried) for v in values))
    if (kind.startswith("Dropout") or kind == "Identity") and values:
        return values[0]
    return walk.spoil(frame, node, _effect(kind), *values)


def _embedding(walk: Walk, frame: Frame, node: ast.expr, values: list[Value]) -> Value:
    if any(isinstance(v, Known) and v.absent for v in values):
        walk.fault("needs-input-ids", walk.where(frame, node))
    found = frozenset().union(*(labels(v) for v in values)) if values else frozenset()
    walk.embedded = Opaque((found - {IDS}) | ({EMBEDS} if IDS in found else frozenset()))
    return walk.embedded
