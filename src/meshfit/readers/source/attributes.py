"""Attributes and items of evaluated values."""

from __future__ import annotations

import ast
import math
from typing import Any, Final

from meshfit.readers.source import auto, calls, configs, expressions as ex, torch_modules
from meshfit.readers.source.frames import Frame
from meshfit.readers.source.index import ClassSource, External, FunctionNode, FunctionSource, ModuleSource
from meshfit.readers.source.values import (
    UNKNOWN,
    Bound,
    ConfigObject,
    Native,
    Node,
    Param,
    Signature,
    Symbolic,
    Tensor,
    Traced,
)

__all__ = ["CONTAINERS", "MISSING", "class_attribute", "item", "length", "load", "lookup", "store"]

CONTAINERS: Final = frozenset({"ModuleList", "Sequential", "ModuleDict", "ParameterList", "ParameterDict"})
MISSING: Final = object()
"""The object has no such attribute."""

_NATIVE_TYPES: Final = (dict, list, tuple, set, frozenset, str, int, float, range)
_PRETRAINED_DEFAULTS: Final = {
    "base_model_prefix": "",
    "main_input_name": "input_ids",
    "supports_gradient_checkpointing": False,
    "_supports_sdpa": False,
    "_supports_flash_attn": False,
    "_supports_flex_attn": False,
    "_supports_context_parallel": True,
    "_supports_attention_backend": False,
    "_tied_weights_keys": None,
    "_tp_plan": None,
    "_ep_plan": None,
    "_pp_plan": None,
    "_fsdp_plan": None,
    "_no_split_modules": None,
    "_keep_in_fp32_modules": None,
}
"""Class attributes of transformers' `PreTrainedModel`, which is not followed."""


def load(frame: Frame, value: Any, name: str) -> Any:
    """`value.name`; UNKNOWN when it is missing or cannot be computed."""
    found = lookup(frame, value, name)
    return UNKNOWN if found is MISSING else found


def lookup(frame: Frame, value: Any, name: str) -> Any:
    """`value.name`, MISSING when the object is known not to have it."""
    if isinstance(value, ConfigObject):
        return configs.lookup(frame, value, name)
    if isinstance(value, Node):
        return _of_node(frame, value, name)
    if isinstance(value, ClassSource):
        found = class_attribute(frame, value, name, None)
        if found is MISSING and name in ("_from_config", "from_config"):
            return Native(name, lambda *a, **k: frame.engine.instantiate(value, list(a), k))
        if found is MISSING and name == "__name__":
            return value.name
        if found is MISSING and name == "__init__" and configs.is_config_class(value):
            return configs.signature(value)
        inherited = found is MISSING and value.external_bases and not name.startswith("__")
        return Native(name, lambda *_a, **_k: UNKNOWN) if inherited else found
    if isinstance(value, ModuleSource):
        return ex.defined(frame, value.lookup(name))
    if isinstance(value, External):
        constant = getattr(math, name, None) if value.dotted == "math" else None
        return constant if isinstance(constant, float) else External(f"{value.dotted}.{name}")
    if isinstance(value, Tensor | Param):
        return _of_tensor(value, name)
    if isinstance(value, auto.SubConfig | Signature):
        return getattr(value, name, UNKNOWN)
    if isinstance(value, Bound | Native):
        return UNKNOWN
    if isinstance(value, _NATIVE_TYPES) and not name.startswith("__"):
        method = getattr(value, name, MISSING)
        return Native(name, method) if callable(method) else method
    return MISSING if value is None else UNKNOWN


def _of_node(frame: Frame, node: Node, name: str) -> Any:
    if name in node.attributes:
        return node.attributes[name]
    if name == "__class__":
        return node.cls or External(f"torch.nn.{node.kind}")
    if node.cls is not None:
        found = class_attribute(frame, node.cls, name, node)
        if found is not MISSING:
            return found
    method = calls.module_method(frame, node, name)
    if method is not None:
        return method
    if name in _PRETRAINED_DEFAULTS and _is_pretrained(node):
        return _PRETRAINED_DEFAULTS[name]
    if name == "training":
        return True
    return MISSING if node.complete and node.cls is not None else UNKNOWN


def _is_pretrained(node: Node) -> bool:
    return node.cls is not None and any(base.endswith(".PreTrainedModel") for base in node.cls.external_bases)


def class_attribute(frame: Frame, cls: ClassSource, name: str, target: Any) -> Any:
    """Attribute `name` of a class, bound to `target` where it is a method; MISSING when no class of the MRO has it."""
    found = cls.find(name)
    if found is None:
        return MISSING
    statement, owner = found
    if isinstance(statement, FunctionNode):
        return _method(frame, statement, owner, target, cls)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        if statement.value is None:
            return MISSING
        inside = Frame(frame.engine, owner.module, dict(owner.constants), owner)
        return ex.evaluate(inside, statement.value)
    if isinstance(statement, ast.ClassDef):
        return ClassSource(statement, owner.module)
    return UNKNOWN


def _method(
    frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: ClassSource, target: Any, cls: ClassSource
) -> Any:
    function = FunctionSource(node, owner.module, owner)
    decorators = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list}
    if decorators & {"property", "cached_property"}:
        return UNKNOWN if target is None else calls.run(frame.engine, Bound(function, target), [], {})
    if "setter" in decorators:
        return UNKNOWN
    if "staticmethod" in decorators:
        return Bound(function)
    if "classmethod" in decorators:
        return Bound(function, cls)
    return Bound(function, target)


def _of_tensor(value: Tensor | Param, name: str) -> Any:
    if name == "shape":
        return UNKNOWN if value.shape is None else value.shape
    if name == "ndim":
        return UNKNOWN if value.shape is None else len(value.shape)
    if name in ("data", "T", "mT"):
        return Tensor(value.shape if name == "data" else None)
    if name == "size" and value.shape is not None:
        shape = value.shape
        return Native("size", lambda dim=None: shape if dim is None else shape[dim])
    if name in ("tolist", "item", "numpy"):
        return Native(name, lambda *_a, **_k: UNKNOWN)
    if name in ("dtype", "device", "requires_grad"):
        return UNKNOWN
    if name == "unsqueeze" and value.shape is not None:
        widened = (1, *value.shape)
        return Native(name, lambda dim: Tensor(widened if dim == 0 else None))
    if name in torch_modules.SHAPE_KEEPING:
        return Native(name, lambda *_a, **_k: Tensor(value.shape))
    return Native(name, lambda *_a, **_k: Tensor())


def store(frame: Frame, holder: Any, name: str, value: Any) -> None:
    """`holder.name = value`."""
    if isinstance(holder, Node):
        if isinstance(value, Traced):
            value = value.value
        if isinstance(holder.attributes.get(name), Node | Param) and not isinstance(value, Node | Param):
            holder.attributes.pop(name)
        holder.attributes[name] = value
    elif isinstance(holder, ConfigObject):
        configs.store(frame, holder, name, value)


def length(value: Any) -> int:
    """`len(value)` of a container module."""
    return sum(1 for _ in value.children())


def item(frame: Frame, holder: Any, key: Any) -> Any:
    """`holder[key]`, UNKNOWN when there is none."""
    if isinstance(holder, Node):
        return _child(holder, key)
    if isinstance(holder, configs.PerLayerView):
        return holder[key]
    if isinstance(holder, torch_modules.Activations):
        return holder.build(frame, key)
    if isinstance(holder, dict | list | tuple | str | range):
        try:
            if isinstance(key, slice) and not isinstance(holder, Symbolic):
                key = slice(*(int(p) if isinstance(p, Symbolic) else p for p in (key.start, key.stop, key.step)))
            return key.pick(holder) if isinstance(key, Symbolic) else holder[key]
        except (KeyError, IndexError, TypeError):
            return UNKNOWN
    if isinstance(holder, External) and holder.dotted.endswith(".CONFIG_MAPPING"):
        return auto.config_class(frame.module.package.shipped, key) or UNKNOWN
    if isinstance(holder, External | ClassSource):
        return holder
    return UNKNOWN


def _child(holder: Node, key: Any) -> Any:
    children = [child for _, child in holder.children()]
    if isinstance(key, str):
        return holder.attributes.get(key, UNKNOWN)
    if isinstance(key, int) and -len(children) <= key < len(children):
        return children[key]
    if isinstance(key, slice):
        return Node(holder.kind, None, holder.evaluator, attributes={str(i): c for i, c in enumerate(children[key])})
    return UNKNOWN
