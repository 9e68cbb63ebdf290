"""Facts that a live config object holds. A value of the wrong type is unknown, never an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from meshfit.readers.attributes import ABSENT, attribute, config_value, varying, whole_number
from meshfit.readers.layer_kinds import names_recurrent_layers

__all__ = ["config_facts", "is_hybrid", "text_config"]

_SIZES: Final[Mapping[str, tuple[str, ...]]] = {
    "hidden_size": ("hidden_size",),
    "intermediate_size": ("intermediate_size",),
    "num_attention_heads": ("num_attention_heads",),
    "num_hidden_layers": ("num_hidden_layers",),
    "vocab_size": ("vocab_size",),
    "linear_num_key_heads": ("linear_num_key_heads",),
    "linear_num_value_heads": ("linear_num_value_heads",),
    "mamba_heads": ("mamba_num_heads", "mamba_n_heads"),
    "mamba_groups": ("mamba_n_groups", "n_groups"),
}
"""Fact -> the config attributes that hold it."""

_OPTIONAL: Final = ("linear_num_key_heads", "linear_num_value_heads", "mamba_heads", "mamba_groups")
_EXPERTS: Final = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_BYTES: Final = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}


def text_config(config: Any) -> Any:
    """The config of the text decoder: the object itself unless it is composite."""
    read = getattr(config, "get_text_config", None)
    if callable(read):
        try:
            return read()
        except (ValueError, TypeError, AttributeError):
            # Several text configs, or a stand-in without the usual ones.
            return config
    nested = config_value(config, "text_config")
    return config if nested is ABSENT or nested is None else nested


def config_facts(config: Any) -> dict[str, Any]:
    """Sizes, layer kinds and switches of `config` (any object, or a mapping); empty for None."""
    if config is None or config is ABSENT:
        return {}
    text = text_config(config)
    facts: dict[str, Any] = {}
    for fact, names in _SIZES.items():
        size = whole_number(text, names)
        if size is not None:
            facts[fact] = size
        elif fact in _OPTIONAL and all(config_value(text, name) in (ABSENT, None) for name in names):
            facts[fact] = None
    facts.update(_heads(text, facts))
    facts.update(_experts(text))
    facts.update(_layers(text))
    facts["tie_word_embeddings"] = config_value(config, "tie_word_embeddings") is True
    facts["is_encoder_decoder"] = config_value(config, "is_encoder_decoder") is True
    facts["is_multimodal"] = text is not config
    facts["dtype_bytes"] = _dtype_bytes(config, text)
    for fact in ("attn_implementation", "experts_implementation"):
        value = config_value(config, f"_{fact}")
        if value is None or isinstance(value, str):
            facts[fact] = value
    return facts


def _heads(text: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Key/value heads (all heads where the config names none), head dim, and the counts where layers differ."""
    facts: dict[str, Any] = {}
    heads = known.get("num_attention_heads")
    named = config_value(text, "num_key_value_heads")
    if type(named) is int and named > 0:
        facts["num_key_value_heads"] = named
    elif named in (ABSENT, None) and heads is not None:
        facts["num_key_value_heads"] = heads
    dim = config_value(text, "head_dim")
    if type(dim) is int and dim > 0:
        facts["head_dim"] = dim
    elif dim in (ABSENT, None):
        facts["head_dim"] = None
    for fact, name in (("heads_per_layer", "num_attention_heads"), ("kv_heads_per_layer", "num_key_value_heads")):
        value = config_value(text, name)
        if isinstance(value, list | tuple) and value and all(type(one) is int and one > 0 for one in value):
            facts[fact] = tuple(dict.fromkeys(value))
        elif name in known or name in facts:
            counts = (facts.get(name) or known[name], *varying(text).get(name, ()))
            facts[fact] = tuple(sorted({count for count in counts if type(count) is int}))
    return facts


def _experts(text: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    experts = whole_number(text, _EXPERTS)
    if experts is not None:
        facts["num_experts"] = experts
        width = whole_number(text, ("moe_intermediate_size",))
        if width is not None:
            facts["moe_intermediate_size"] = width
    elif all(config_value(text, name) in (ABSENT, None) for name in _EXPERTS):
        facts["num_experts"] = facts["moe_intermediate_size"] = None
    return facts


def _layers(text: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    kinds = config_value(text, "layer_types")
    if kinds in (ABSENT, None):
        facts["layer_types"] = None
    elif isinstance(kinds, list | tuple) and all(isinstance(kind, str) for kind in kinds):
        facts["layer_types"] = tuple(kinds)
    window = config_value(text, "sliding_window")
    if window in (ABSENT, None):
        facts["sliding_window"] = None
    elif type(window) is int:
        facts["sliding_window"] = window
    return facts


def _dtype_bytes(config: Any, text: Any) -> int:
    for source in (config, text):
        dtype = config_value(source, "dtype")
        if dtype not in (ABSENT, None):
            return _BYTES.get(str(dtype).removeprefix("torch."), 4)
    return 4


def is_hybrid(model: Any) -> bool:
    """Whether a config names layers that are no attention: the model's, its `text_config`, its language model's."""
    configs = [attribute(model, "config")]
    configs.append(config_value(configs[0], "text_config") if configs[0] is not ABSENT else ABSENT)
    inner = attribute(model, "language_model")
    configs.append(attribute(inner, "config") if inner is not ABSENT and inner is not None else ABSENT)
    known = [config for config in configs if config is not ABSENT and config is not None]
    return any(names_recurrent_layers(partial(config_value, config)) for config in known)
