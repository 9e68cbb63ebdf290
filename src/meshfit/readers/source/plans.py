"""Parallel plans as a model carries them after `post_init`: class, config and children merged."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import attributes as at, auto, configs
from meshfit.readers.source.values import UNKNOWN, ConfigObject, Node

if TYPE_CHECKING:
    from meshfit.readers.source.frames import Frame
    from meshfit.readers.source.index import External, Package

__all__ = ["PLANS", "base_model", "from_config", "input_embeddings", "post_init"]

PLANS: Final = ("tp", "ep", "pp", "fsdp")
"""The kinds of plan a transformers model carries, as `_<kind>_plan`."""


@dataclass(frozen=True, slots=True)
class _Merging:
    """What one version of transformers merges into a model's plans besides those of its children.

    Args:
        of_class: the class's own `_tp_plan`; older versions leave it on the class.
        config_everywhere: the config's plan on every model (4.x), not on the base model alone.
        adds_embedding: a rule for the input embedding where the plan has none.
    """

    of_class: bool
    config_everywhere: bool
    adds_embedding: bool


@cache
def _merging(package: Package) -> _Merging:
    """How the version at hand merges, read off its source."""
    mixin = _text(package, "distributed/mixin.py")
    if "def init_parallel_plans" in mixin:
        return _Merging(
            of_class=True,
            config_everywhere=False,
            adds_embedding='"embed_tokens": "embedding_rowwise"' in mixin,
        )
    guarded = r"if self\.base_model is self:\n\s+self\._pp_plan = self\.config"
    on_base = re.search(guarded, _text(package, "modeling_utils.py")) is not None
    return _Merging(of_class=False, config_everywhere=not on_base, adds_embedding=False)


def _text(package: Package, file: str) -> str:
    path = package.root / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def post_init(frame: Frame, node: Node) -> None:
    """Merge the plans as this version of transformers does when a model is built: class, config, children."""
    if node.cls is None:
        return
    merging = _merging(node.cls.module.package.shipped)
    merged = {kind: _declared(frame, node, f"_{kind}_plan") if merging.of_class else {} for kind in PLANS}
    if merging.config_everywhere or base_model(frame, node) is node:
        config = node.attributes.get("config")
        for kind in PLANS:
            merged[kind] = _joined(merged[kind], _config_plan(frame, config, kind))
        if merging.adds_embedding:
            _add_embedding(node, merged)
    for name, child in node.children():
        for kind in PLANS:
            own = f"_{kind}_plan"
            plan = child.attributes[own] if own in child.attributes else _class_plan(frame, child, kind)
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
        return _default_fsdp_plan(config.cls.module.package.shipped)
    if found is at.MISSING or found is None:
        return {}
    return found if isinstance(found, Mapping) else UNKNOWN


@cache
def _default_fsdp_plan(package: Package) -> Any:
    """What FSDP2 wraps where a config does not say: the base class's literal; UNKNOWN in versions without one."""
    text = _text(package, "configuration_utils.py")
    literal = re.search(r"^    base_model_fsdp_plan\b[^={]*= (\{[^}]*\})", text, re.MULTILINE)
    return UNKNOWN if literal is None else ast.literal_eval(literal[1])


def _joined(left: Any, right: Any) -> Any:
    return {**left, **right} if isinstance(left, Mapping) and isinstance(right, Mapping) else UNKNOWN


def _add_embedding(node: Node, merged: dict[str, Any]) -> None:
    embedding = node.attributes.get("embed_tokens")
    plan = merged["tp"]
    if plan and plan is not UNKNOWN and isinstance(embedding, Node) and _is_embedding(embedding):
        merged["tp"] = {"embed_tokens": "embedding_rowwise", **plan}


def _is_embedding(node: Node) -> bool:
    return node.kind == "Embedding" or (node.cls is not None and "torch.nn.Embedding" in node.cls.external_bases)


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
    cls = auto.model_class(config.cls.module.package.shipped, name, model_type)
    return UNKNOWN if cls is None else frame.engine.instantiate(cls, [config], {})
