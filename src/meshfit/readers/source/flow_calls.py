"""Calls in a forward body: which module, method or function runs, with which arguments, and what comes back."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from meshfit.readers.source import flow_context as context, flow_tensors as tensors
from meshfit.readers.source.flow_builtins import BUILTINS, arguments, container_method
from meshfit.readers.source.flow_shapes import summarised
from meshfit.readers.source.flow_shift import moved_along_tokens
from meshfit.readers.source.flow_values import (
    ATTENTION,
    EMPTY,
    HOLDER,
    OPAQUE,
    SHAPE,
    TENSOR,
    Cut,
    Value,
    is_instance,
    parameter_shape,
    plain_value,
    tensor,
    union,
)
from meshfit.readers.source.index import ClassSource, External, FunctionSource
from meshfit.readers.source.values import UNKNOWN, Instance, undimmed

if TYPE_CHECKING:
    from meshfit.readers.source.flow_walk import Frame, Walk

__all__ = ["Method", "bind", "call", "call_module", "item_assigned", "leaf_kind"]

MIXING: Final = frozenset(
    {"Linear", "Embedding", "Conv1d", "Conv2d", "Conv3d", "Conv1D", "LSTM", "GRU", "EmbeddingBag"}
)
"""Leaf modules whose output is a new tensor: what reached their input no longer shows dim by dim."""
_INHERITED: Final = frozenset({"get_input_embeddings", "get_submodule", "forward", "__call__"})
"""Methods of classes that are not followed, known by what they mean."""
_HARMLESS: Final = frozenset({"Identity", "Dropout"})
_NORMS: Final = frozenset({"LayerNorm", "RMSNorm", "Softmax", "LogSoftmax"})
_EMBEDDING_NAMES: Final = ("embed_tokens", "model", "language_model", "text_model", "decoder", "transformer")


class Method(NamedTuple):
    """A method of a module, bound."""

    instance: Instance
    path: str
    function: FunctionSource


def leaf_kind(instance: Instance) -> str | None:
    """The `torch.nn` class whose forward runs, None when the forward is the source's own."""
    cls = instance.cls
    if cls is None:
        return instance.kind
    if cls.method("forward") is not None:
        return None
    return next(
        (base.rpartition(".")[2] for base in sorted(cls.external_bases) if base.startswith("torch.nn")), instance.kind
    )


def call(walk: Walk, frame: Frame, node: ast.Call) -> Value:
    """The value of a call expression."""
    function = node.func
    if isinstance(function, ast.Attribute):
        if isinstance(function.value, ast.Call) and getattr(function.value.func, "id", "") == "super":
            return _super(walk, frame, node, function.attr)
        base = walk.value(frame, function.value)
        return _method_call(walk, frame, node, base, function.attr)
    if isinstance(function, ast.Name) and function.id not in frame.env:
        builtin = BUILTINS.get(function.id)
        if builtin is not None:
            return builtin(walk, frame, node)
        known = _known_import(walk, frame, node, function.id)
        if known is not None:
            return known
    return _apply(walk, frame, node, walk.value(frame, function))


def _known_import(walk: Walk, frame: Frame, node: ast.Call, name: str) -> Value | None:
    """A mask builder or an output class of transformers, known without parsing the long file it comes from."""
    statement = frame.function.module.names.get(name)
    source = (statement.module or "") if isinstance(statement, ast.ImportFrom) else ""
    if source.endswith("modeling_outputs"):
        args, kwargs = arguments(walk, frame, node)
        return Value(labels=union(args), fields=kwargs or None)
    if source.endswith(("masking_utils", "modeling_attn_mask_utils")):
        args, kwargs = arguments(walk, frame, node)
        return context.mask_function(name, args, kwargs)
    return None


def _apply(walk: Walk, frame: Frame, node: ast.Call, target: Value) -> Value:
    const = target.const
    args, kwargs = arguments(walk, frame, node)
    if is_instance(const):
        return call_module(walk, frame, target, args, kwargs)
    if isinstance(const, Method):
        return _follow(walk, frame, const.function, const.instance, const.path, args, kwargs)
    if const is ATTENTION:
        return context.attention(walk, frame, args, kwargs)
    if isinstance(const, FunctionSource):
        return _function(walk, frame, const, args, kwargs)
    if isinstance(const, External):
        return _external(walk, frame, node, const.dotted, args, kwargs)
    if isinstance(const, ClassSource):
        return Value(labels=union(args), fields=kwargs or None)
    name = getattr(const, "__name__", None)
    if callable(const) and isinstance(name, str):
        return tensors.function(walk, frame, f"torch.{name}", args, kwargs)
    return _unknown(args, kwargs)


def _external(
    walk: Walk, frame: Frame, node: ast.Call, dotted: str, args: list[Value], kwargs: dict[str, Value]
) -> Value:
    moved_along_tokens(walk, frame, node, dotted.rpartition(".")[2], args, kwargs)
    return tensors.function(walk, frame, dotted, args, kwargs)


def _unknown(args: list[Value], kwargs: Mapping[str, Value]) -> Value:
    values = (*args, *kwargs.values())
    const = TENSOR if any(value.const is TENSOR for value in values) else UNKNOWN
    return Value(const, union(values))


def _function(walk: Walk, frame: Frame, function: FunctionSource, args: list[Value], kwargs: dict[str, Value]) -> Value:
    name = function.node.name
    masked = context.mask_function(name, args, kwargs)
    if masked is not None:
        return masked
    if name.endswith("attention_forward"):
        return context.attention(walk, frame, args, kwargs)
    if name == "apply_chunking_to_forward" and args and isinstance(args[0].const, Method):
        method = args[0].const
        return _follow(walk, frame, method.function, method.instance, method.path, args[3:], kwargs)
    return _follow(walk, frame, function, None, frame.path, args, kwargs)


def _follow(
    walk: Walk,
    frame: Frame,
    function: FunctionSource,
    instance: Instance | None,
    path: str,
    args: list[Value],
    kwargs: dict[str, Value],
) -> Value:
    inner = walk.enter(function, instance if instance is not None else frame.instance, path, frame.depth + 1)
    bind(inner, args, kwargs, method=instance is not None)
    if instance is None:
        inner.env.setdefault("self", OPAQUE)
    return walk.run(inner)


def bind(frame: Frame, args: list[Value], kwargs: dict[str, Value], *, method: bool) -> None:
    """Give the parameters of the frame's function their arguments, or their defaults."""
    spec = frame.function.node.args
    names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
    decorators = {getattr(d, "id", "") for d in frame.function.node.decorator_list}
    if method and "staticmethod" not in decorators:
        frame.env[names[0] if names else "self"] = Value(frame.instance, path=frame.path)
        names = names[1:]
    env = frame.env
    for name, default in zip(names[::-1], spec.defaults[::-1], strict=False):
        env[name] = _default(default)
    for parameter, keyword_default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        env[parameter.arg] = OPAQUE if keyword_default is None else _default(keyword_default)
    for name, value in zip(names, args, strict=False):
        env[name] = value
    for name in names:
        env.setdefault(name, OPAQUE)
    known = {*names, *(parameter.arg for parameter in spec.kwonlyargs)}
    extra = {name: value for name, value in kwargs.items() if name not in known}
    env.update({name: value for name, value in kwargs.items() if name in known})
    if spec.vararg is not None:
        env[spec.vararg.arg] = Value(items=tuple(args[len(names) :]))
    if spec.kwarg is not None:
        env[spec.kwarg.arg] = Value(fields=extra)


def _default(node: ast.expr) -> Value:
    return Value(node.value) if isinstance(node, ast.Constant) else OPAQUE


def call_module(walk: Walk, frame: Frame, target: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """A module called: its own forward followed, or the leaf of torch it is."""
    instance: Instance = target.const  # type: ignore[assignment]
    path = target.path
    kwargs = context.before_module(walk, instance, path, kwargs)
    values = (*args, *kwargs.values())
    if has_own_parameters(instance):
        labels = union(value for value in values if value.const is not None)
        walk.recorder.fed(path, labels, linear=leaf_kind(instance) == "Linear")
    kind = leaf_kind(instance)
    if values and _is_own_lookup(frame, values[0]) and kind not in _HARMLESS:
        walk.recorder.tensor_fault("embedding-transforms-output", frame.path)
    if kind is not None:
        return _leaf(walk, frame, kind, target, args, kwargs)
    assert instance.cls is not None
    forward = instance.cls.method("forward")
    assert forward is not None
    result = _follow(walk, frame, forward, instance, path, args, kwargs)
    return _stamped(result, path)


def _stamped(result: Value, path: str) -> Value:
    """The result of a module, marked as its output."""
    if result.const is TENSOR or (result.const is UNKNOWN and result.items is None and result.fields is None):
        own = frozenset((path,))
        return Value(TENSOR, result.labels | own, alias=result.alias | own, cut=result.cut)
    if result.items is not None:
        return Value(items=tuple(_stamped(v, path) if v.const is TENSOR else v for v in result.items))
    return result


def _leaf(walk: Walk, frame: Frame, kind: str, target: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    path = target.path
    instance: Instance = target.const  # type: ignore[assignment]
    first = args[0] if args else next(iter(kwargs.values()), OPAQUE)
    if kind == "Identity":
        return first
    if kind == "Sequential":
        value = first
        for name, child in instance.attributes.items():
            if is_instance(child):
                value = call_module(walk, frame, Value(child, path=f"{path}.{name}"), [value], {})
        return value
    own = frozenset((path,))
    if kind in MIXING:
        context.leaf_called(walk, frame, kind, path, first)
        width = instance.attributes.get("out_features")
        cut = Cut(None, undimmed(width), own) if isinstance(width, int) and width > 1 else None
        return tensor(own, own, cut)
    if kind in _NORMS and first.cut is not None and first.cut.heads is None:
        summarised(walk, first.cut)
    alias = first.alias if kind.startswith("Dropout") else EMPTY
    return tensor(first.labels | own, alias | own, first.cut)


def item_assigned(walk: Walk, frame: Frame, holder: Value) -> None:
    """An item of `holder` is assigned: what an embedding must not do to its own output."""
    if _is_own_lookup(frame, holder):
        walk.recorder.tensor_fault("embedding-assigns-output", frame.path)


def _is_own_lookup(frame: Frame, value: Value) -> bool:
    """Whether the frame is an embedding's own forward and the value what its table gave."""
    cls = frame.instance.cls if frame.instance is not None else None
    return cls is not None and frame.path in value.labels and "torch.nn.Embedding" in cls.external_bases


def has_own_parameters(instance: Instance) -> bool:
    """Whether the module itself, not a child, holds parameters."""
    return any(parameter_shape(value) is not None for value in instance.attributes.values())


def _super(walk: Walk, frame: Frame, node: ast.Call, name: str) -> Value:
    args, kwargs = arguments(walk, frame, node)
    instance = frame.instance
    if instance is None or instance.cls is None:
        return _unknown(args, kwargs)
    method = instance.cls.method(name, after=frame.function.owner)
    if method is not None:
        return _follow(walk, frame, method, instance, frame.path, args, kwargs)
    if name == "forward":
        kinds = sorted(base.rpartition(".")[2] for base in instance.cls.external_bases if base.startswith("torch.nn"))
        kind = next((k for k in kinds if k != "Module"), "Module")
        return _leaf(walk, frame, kind, Value(instance, path=frame.path), args, kwargs)
    return _unknown(args, kwargs)


def _method_call(walk: Walk, frame: Frame, node: ast.Call, base: Value, name: str) -> Value:
    const = base.const
    if is_instance(const):
        if name in _INHERITED and (const.cls is None or const.cls.method(name) is None):
            return _inherited(walk, frame, node, base, name)
        found = walk.load(frame, base, name)
        if found is not OPAQUE:
            return _apply(walk, frame, node, found)
        return _inherited(walk, frame, node, base, name)
    if const is TENSOR or const is SHAPE or base.shape is not None:
        args, kwargs = arguments(walk, frame, node)
        return tensors.method(walk, frame, base, name, args, kwargs)
    if const is ATTENTION:
        return base
    if isinstance(const, External):
        args, kwargs = arguments(walk, frame, node)
        return _external(walk, frame, node, f"{const.dotted}.{name}", args, kwargs)
    if base.fields is not None or base.items is not None:
        return container_method(walk, frame, node, base, name)
    if const is UNKNOWN:
        args, kwargs = arguments(walk, frame, node)
        return tensors.method(walk, frame, base, name, args, kwargs)
    found = walk.load(frame, base, name)
    if found.const is not UNKNOWN:
        return _apply(walk, frame, node, found)
    return _computed(walk, frame, node, const, name)


def _computed(walk: Walk, frame: Frame, node: ast.Call, const: object, name: str) -> Value:
    """A method of a config or another plain object, as its reader computes it."""
    args, kwargs = arguments(walk, frame, node)
    if frame.instance is None or const is None or any(v.const in (UNKNOWN, TENSOR) for v in (*args, *kwargs.values())):
        return _unknown(args, kwargs)
    names = {f"_a{i}": value.const for i, value in enumerate(args)}
    expression = ast.Call(ast.Attribute(HOLDER, name, ast.Load()), [ast.Name(n, ast.Load()) for n in names], [])
    return plain_value(frame.instance.evaluate(expression, {"_holder": const, **names}))


def _inherited(walk: Walk, frame: Frame, node: ast.Call, base: Value, name: str) -> Value:
    """A method that a module has from a class that is not followed (`PreTrainedModel`, `nn.Module`)."""
    instance: Instance = base.const  # type: ignore[assignment]
    args, kwargs = arguments(walk, frame, node)
    if name == "get_input_embeddings":
        return input_embeddings(base) or OPAQUE
    if name in ("forward", "__call__"):
        return call_module(walk, frame, base, args, kwargs)
    if name == "get_submodule" and len(args) == 1 and isinstance(args[0].const, str):
        found = base
        for part in args[0].const.split("."):
            found = walk.load(frame, found, part)
        return found
    if name in ("values", "keys", "items") and leaf_kind(instance) == "ModuleDict":
        return Value(instance, path=base.path)
    return _unknown(args, kwargs)


def input_embeddings(base: Value) -> Value | None:
    """What `get_input_embeddings()` of transformers finds: an attribute of the model or of its base model."""
    if not is_instance(base.const):
        return None
    instance = base.const
    names = (instance.attributes.get("_input_embed_layer"), *_EMBEDDING_NAMES)
    for name in names:
        child = instance.attributes.get(name) if isinstance(name, str) else None
        if child is None or not is_instance(child):
            continue
        found = Value(child, path=f"{base.path}.{name}" if base.path else str(name))
        if leaf_kind(child) == "Embedding" or name not in _EMBEDDING_NAMES[1:]:
            return found
        nested = input_embeddings(found)
        if nested is not None:
            return nested
    return None
