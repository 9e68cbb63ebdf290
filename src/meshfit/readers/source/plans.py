"""Parallel plans as a model carries them after `post_init`: class, config and children merged."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import attributes as at
from meshfit.readers.source import auto, configs
from meshfit.readers.source.values import UNKNOWN, ConfigObject, Node

if TYPE_CHECKING:
    from meshfit.readers.source.frames import Frame
    from meshfit.readers.source.index import External, Package

__all__ = ["PLANS", "base_model", "from_config", "input_embeddings", "post_init"]

PLANS: Final = ("tp", "ep", "pp", "fsdp")
"""The kinds of plan a transformers model carries, as `_<kind>_plan`."""


def post_init(frame: Frame, node: Node) -> None:
    """Merge the plans as transformers' `init_parallel_plans` does: class, config on the base model, children."""
    if node.cls is None:
        return
    merged = {kind: _declared(frame, node, f"_{kind}_plan") for kind in PLANS}
    if base_model(frame, node) is node:
        config = node.attributes.get("config")
        for kind in PLANS:
            merged[kind] = _joined(merged[kind], _config_plan(frame, config, kind))
        _add_embedding(node, merged)
    for name, child in node.children():
        for kind in PLANS:
            plan = child.attributes.get(f"_{kind}_plan") or _class_plan(frame, child, kind)
            if plan is UNKNOWN:
                merged[kind] = UNKNOWN
            elif isinstance(plan, Mapping):
                merged[kind] = _joined(merged[kind], {f"{name}.{key}": style for key, style in plan.items()})
    for kind in PLANS:
        node.attributes[f"_{kind}_plan"] = merged[kind]
    node.attributes["all_tied_weights_keys"] = _tied_weights(frame, node)


def _tied_weights(frame: Frame, node: Node) -> Any:
    """Parameter -> the parameter it shares, where the config says to tie; children's included."""
    assert node.cls is not None
    config = node.attributes.get("config")
    flag = configs.lookup(frame, config, "tie_word_embeddings") if isinstance(config, ConfigObject) else UNKNOWN
    declared = at.class_attribute(frame, node.cls, "_tied_weights_keys", None)
    tied: dict[str, str] = {}
    if flag is UNKNOWN or declared is UNKNOWN:
        return UNKNOWN
    if flag is not at.MISSING and flag and isinstance(declared, Mapping):
        tied.update(declared)
    elif flag is not at.MISSING and flag and isinstance(declared, list):
        tied.update(dict.fromkeys(declared, ""))
    for name, child in node.children():
        inner = child.attributes.get("all_tied_weights_keys", {})
        if inner is UNKNOWN:
            return UNKNOWN
        tied.update({f"{name}.{key}": f"{name}.{source}" for key, source in inner.items()})
    return tied


def _class_plan(frame: Frame, child: Node, kind: str) -> Any:
    return None if child.cls is None else _declared(frame, child, f"_{kind}_plan")


def _declared(frame: Frame, node: Node, name: str) -> Any:
    assert node.cls is not None
    found = at.class_attribute(frame, node.cls, name, None)
    if found is at.MISSING or found is None:
        return {}
    return dict(found) if isinstance(found, Mapping) else UNKNOWN


def _config_plan(frame: Frame, config: Any, kind: str) -> Any:
    if not isinstance(config, ConfigObject):
        return UNKNOWN
    found = configs.lookup(frame, config, f"base_model_{kind}_plan")
    if kind == "fsdp" and found is None:
        return _default_fsdp_plan(config.cls.module.package)
    if found is at.MISSING or found is None:
        return {}
    return found if isinstance(found, Mapping) else UNKNOWN


@cache
def _default_fsdp_plan(package: Package) -> Any:
    """What FSDP2 wraps where a config does not say: the base class's literal; UNKNOWN in versions without one."""
    path = package.root / "configuration_utils.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    literal = re.search(r"^    base_model_fsdp_plan\b[^={]*= (\{[^}]*\})", text, re.MULTILINE)
    return UNKNOWN if literal is None else ast.literal_eval(literal[1])


def _joined(left: Any, right: Any) -> Any:
    return {**left, **right} if isinstance(left, Mapping) and isinstance(right, Mapping) else UNKNOWN


def _add_embedding(node: Node, merged: dict[str, Any]) -> None:
    embedding = node.attributes.get("embed_tokens")
    plan = merged["tp"]
    if plan and plan is not UNKNOWN and isinstance(embedding, Node) and _is_embedding(embedding):
        assert node.cls is not None
        if _shards_embeddings(node.cls.module.package):
            merged["tp"] = {"embed_tokens": "embedding_rowwise", **plan}


def _is_embedding(node: Node) -> bool:
    return node.kind == "Embedding" or (node.cls is not None and "torch.nn.Embedding" in node.cls.external_bases)


@cache
def _shards_embeddings(package: Package) -> bool:
    """Whether this version adds the input embedding to a plan that does not name it."""
    path = package.root / "distributed" / "mixin.py"
    return path.is_file() and '"embed_tokens": "embedding_rowwise"' in path.read_text(encoding="utf-8")


def base_model(frame: Frame, node: Node) -> Any:
    """The child that `base_model_prefix` names, or the model itself."""
    prefix = at.lookup(frame, node, "base_model_prefix")
    return node.attributes.get(prefix, node) if isinstance(prefix, str) else UNKNOWN


def input_embeddings(frame: Frame, node: Node) -> Any:
    """The input embedding where transformers' default accessors look for it, UNKNOWN elsewhere."""
    for holder in (node, base_model(frame, node), node.attributes.get("language_model"), node.attributes.get("model")):
        if isinstance(holder, Node):
            for name in ("embed_tokens", "wte", "word_embeddings", "tok_embeddings"):
                if isinstance(holder.attributes.get(name), Node):
                    return holder.attributes[name]
    return UNKNOWN


def from_config(frame: Frame, callee: External, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
    """`AutoModel.from_config(config)`: the class the mapping holds for the config's model type, built."""
    config = args[0] if args else kwargs.get("config", UNKNOWN)
    if not isinstance(config, ConfigObject):
        return UNKNOWN
    name = callee.dotted.split(".")[-2]
    model_type = configs.lookup(frame, config, "model_type")
    if not isinstance(model_type, str):
        return UNKNOWN
    cls = auto.model_class(config.cls.module.package, name, model_type)
    return UNKNOWN if cls is None else frame.engine.instantiate(cls, [config], {})
