"""What a `torch.nn` constructor makes: the parameters and sizes of its modules, and the shapes of tensor factories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import calls, expressions as ex
from meshfit.readers.source.frames import Frame
from meshfit.readers.source.index import ClassSource, ModuleSource
from meshfit.readers.source.values import UNKNOWN, Node, Param, Symbolic, Tensor

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping

__all__ = ["SHAPE_KEEPING", "Activations", "build_module", "factory", "is_tensor_factory"]

SHAPE_KEEPING: Final = frozenset(
    {"to", "clone", "detach", "float", "half", "contiguous", "requires_grad_", "fill_", "zero_", "normal_", "uniform_"}
)
_ELEMENTWISE: Final = frozenset(
    {"sqrt", "rsqrt", "log", "exp", "expm1", "abs", "neg", "empty_like", "ones_like", "zeros_like"}
)
_FACTORIES: Final = frozenset(
    {
        "ones",
        "zeros",
        "empty",
        "rand",
        "randn",
        "full",
        "randint",
        "normal",
        "tensor",
        "arange",
        "linspace",
        "FloatTensor",
        "Tensor",
    }
)

Signature = tuple[tuple[str, Any], ...]


def _bind(signature: Signature, args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    bound = dict(signature)
    for (name, _), value in zip(signature, args, strict=False):
        bound[name] = value
    bound.update({name: value for name, value in kwargs.items() if name in bound})
    return bound


def _shape(*sizes: Any) -> Param:
    return Param(None if any(size is UNKNOWN for size in sizes) else sizes)


def _flag(value: Any) -> bool:
    return value is not UNKNOWN and value is not None and bool(value)


def _linear(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    b = _bind((("in_features", UNKNOWN), ("out_features", UNKNOWN), ("bias", True)), args, kwargs)
    made: dict[str, Any] = {"in_features": b["in_features"], "out_features": b["out_features"]}
    made["weight"] = _shape(b["out_features"], b["in_features"])
    made["bias"] = _shape(b["out_features"]) if _flag(b["bias"]) else None
    return made


def _embedding(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    b = _bind((("num_embeddings", UNKNOWN), ("embedding_dim", UNKNOWN), ("padding_idx", None)), args, kwargs)
    return {**b, "weight": _shape(b["num_embeddings"], b["embedding_dim"])}


def _layer_norm(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    signature = (("normalized_shape", UNKNOWN), ("eps", 1e-5), ("elementwise_affine", True), ("bias", True))
    b = _bind(signature, args, kwargs)
    weight = _shape(*_sizes(b["normalized_shape"]))
    affine = _flag(b["elementwise_affine"])
    return {
        "weight": weight if affine else None,
        "bias": weight if affine and _flag(b["bias"]) else None,
        "eps": b["eps"],
    }


def _rms_norm(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    b = _bind((("normalized_shape", UNKNOWN), ("eps", None), ("elementwise_affine", True)), args, kwargs)
    return {
        "weight": _shape(*_sizes(b["normalized_shape"])) if _flag(b["elementwise_affine"]) else None,
        "eps": b["eps"],
    }


def _sizes(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _convolution(dims: int, *, transposed: bool = False) -> Callable[[list[Any], Mapping[str, Any]], dict[str, Any]]:
    order: tuple[str, ...] = ("in_channels", "out_channels", "kernel_size", "stride", "padding")
    order += ("output_padding", "groups", "bias") if transposed else ("dilation", "groups", "bias")
    signature = tuple((name, {"groups": 1, "bias": True}.get(name, UNKNOWN)) for name in order)

    def build(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        b = _bind(signature, args, kwargs)
        kernel = _sizes(b["kernel_size"])
        kernel = kernel * dims if len(kernel) == 1 else kernel
        first, second = (b["in_channels"], b["out_channels"]) if transposed else (b["out_channels"], b["in_channels"])
        known = isinstance(second, int) and isinstance(b["groups"], int) and b["groups"] > 0
        weight = _shape(first, second // b["groups"] if known else UNKNOWN, *kernel)
        bias = _shape(b["out_channels"]) if _flag(b["bias"]) else None
        return {"weight": weight, "bias": bias, "in_channels": b["in_channels"], "out_channels": b["out_channels"]}

    return build


def _batch_norm(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    b = _bind((("num_features", UNKNOWN), ("eps", 1e-5), ("momentum", 0.1), ("affine", True)), args, kwargs)
    shape = _shape(b["num_features"]) if _flag(b["affine"]) else None
    return {"weight": shape, "bias": shape}


def _group_norm(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    b = _bind((("num_groups", UNKNOWN), ("num_channels", UNKNOWN), ("eps", 1e-5), ("affine", True)), args, kwargs)
    shape = _shape(b["num_channels"]) if _flag(b["affine"]) else None
    return {"weight": shape, "bias": shape}


def _recurrent(gates: int) -> Callable[[list[Any], Mapping[str, Any]], dict[str, Any]]:
    signature: Signature = (("input_size", UNKNOWN), ("hidden_size", UNKNOWN), ("num_layers", 1), ("bias", True))
    signature += (("batch_first", False), ("dropout", 0.0), ("bidirectional", False))

    def build(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        b = _bind(signature, args, kwargs)
        width, layers = b["hidden_size"], b["num_layers"]
        if not isinstance(width, int) or not isinstance(layers, int):
            return {}
        directions = ("", "_reverse") if _flag(b["bidirectional"]) else ("",)
        made: dict[str, Any] = {}
        for layer in range(layers):
            source = b["input_size"] if layer == 0 else width * len(directions)
            for suffix in directions:
                made[f"weight_ih_l{layer}{suffix}"] = _shape(gates * width, source)
                made[f"weight_hh_l{layer}{suffix}"] = _shape(gates * width, width)
                if _flag(b["bias"]):
                    made[f"bias_ih_l{layer}{suffix}"] = _shape(gates * width)
                    made[f"bias_hh_l{layer}{suffix}"] = _shape(gates * width)
        return made

    return build


def _prelu(args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"weight": _shape(_bind((("num_parameters", 1),), args, kwargs)["num_parameters"])}


def _nothing(_args: list[Any], _kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {}


_BUILDERS: Final[dict[str, Callable[[list[Any], Mapping[str, Any]], dict[str, Any]]]] = {
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "Conv1d": _convolution(1),
    "Conv2d": _convolution(2),
    "Conv3d": _convolution(3),
    "ConvTranspose1d": _convolution(1, transposed=True),
    "ConvTranspose2d": _convolution(2, transposed=True),
    "ConvTranspose3d": _convolution(3, transposed=True),
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "BatchNorm3d": _batch_norm,
    "GroupNorm": _group_norm,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "PReLU": _prelu,
}


def build_module(frame: Frame, node: Node, kind: str, args: list[Any], kwargs: Mapping[str, Any]) -> None:
    """Give `node` what `torch.nn.<kind>(*args, **kwargs)` would have: sizes, parameters, children."""
    if kind in ("ModuleList", "Sequential", "ParameterList"):
        _fill(node, args)
        return
    if kind in ("ModuleDict", "ParameterDict"):
        if args and isinstance(args[0], dict):
            node.attributes.update({str(name): child for name, child in args[0].items()})
        return
    if kind == "MultiheadAttention":
        _multihead(frame, node, args, kwargs)
        return
    node.attributes.update(_BUILDERS.get(kind, _nothing)(args, kwargs))


def _fill(node: Node, args: list[Any]) -> None:
    if len(args) == 1 and isinstance(args[0], dict):
        node.attributes.update({str(name): child for name, child in args[0].items()})
        return
    items = ex.iterate(args[0]) if len(args) == 1 and not isinstance(args[0], Node) else args
    if len(args) == 1 and isinstance(args[0], Node) and args[0].kind in ("ModuleList", "Sequential"):
        items = [child for _, child in args[0].children()] if node.kind == "ModuleList" else args
    if items is None:
        node.complete = False
        return
    for index, child in enumerate(items):
        node.attributes[str(index)] = child
        node.complete = node.complete and child is not UNKNOWN


def _multihead(frame: Frame, node: Node, args: list[Any], kwargs: Mapping[str, Any]) -> None:
    b = _bind((("embed_dim", UNKNOWN), ("num_heads", UNKNOWN), ("dropout", 0.0), ("bias", True)), args, kwargs)
    width = b["embed_dim"]
    triple = width * 3 if isinstance(width, int) else UNKNOWN
    node.attributes.update(embed_dim=width, num_heads=b["num_heads"], in_proj_weight=_shape(triple, width))
    if _flag(b["bias"]):
        node.attributes["in_proj_bias"] = _shape(triple)
    out = Node("NonDynamicallyQuantizableLinear", None, node.evaluator)
    build_module(frame, out, "Linear", [width, width, b["bias"]], {})
    node.attributes["out_proj"] = out


def is_tensor_factory(name: str) -> bool:
    """Whether `torch.<name>` makes a tensor whose shape its arguments tell."""
    return name in _FACTORIES or name in _ELEMENTWISE


def factory(name: str, args: list[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """`torch.ones(2, 3)` and its kin by shape."""
    sizes = args
    if name in _ELEMENTWISE:
        return Tensor(args[0].shape if args and isinstance(args[0], Tensor | Param) else None)
    if name == "tensor":
        return Tensor((len(args[0]),) if args and isinstance(args[0], list | tuple) else ())
    if name == "linspace":
        steps = args[2] if len(args) > 2 else kwargs.get("steps")
        return Tensor((steps,) if isinstance(steps, int) else None)
    if name in ("normal", "arange") and "size" not in kwargs:
        return Tensor()
    if name in ("full", "randint") or (args and isinstance(args[0], list | tuple)):
        sizes = list(args[0]) if args and isinstance(args[0], list | tuple) else [UNKNOWN]
    if "size" in kwargs:
        sizes = list(_sizes(kwargs["size"]))
    if not all(isinstance(size, int) for size in sizes):
        return Tensor()
    return Tensor(tuple(sizes))


@dataclass(frozen=True, eq=False)
class Activations:
    """transformers' table of activations by name: an item is an instance of the class it names."""

    table: Mapping[str, ast.expr]
    module: ModuleSource

    def build(self, frame: Frame, name: Any) -> Any:
        """The activation module of that name, UNKNOWN when there is none."""
        if isinstance(name, Symbolic):
            return name.activation(lambda plain: self.build(frame, plain))
        entry = self.table.get(name) if isinstance(name, str) else None
        if entry is None:
            return UNKNOWN
        inside = Frame(frame.engine, self.module)
        made = ex.evaluate(inside, entry)
        args: dict[str, Any] = {}
        if isinstance(made, tuple) and len(made) == 2:
            made, args = made
        if isinstance(made, ClassSource):
            return frame.engine.instantiate(made, [], dict(args))
        return calls.external_module(frame, made, [], dict(args))
