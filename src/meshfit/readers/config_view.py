"""What a configuration says of a model, whether it is a live object, a mapping or one evaluated from source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshfit.readers.layer_kinds import names_recurrent_layers

__all__ = ["ABSENT", "EXPERT_COUNTS", "ConfigView", "view_facts"]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()
"""What a missing attribute reads as; distinct from None, which a model may well say."""

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
EXPERT_COUNTS: Final = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
"""What configs call the number of experts."""
_BYTES: Final = {
    "float64": 8,
    "float32": 4,
    "float": 4,
    "float16": 2,
    "half": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
}


@dataclass(frozen=True)
class ConfigView:
    """A configuration by its attributes.

    Args:
        read: attribute name -> value; ABSENT where there is none, any other stranger where the value is not known.
        varying: attribute -> the values that some layers have instead of the common one.
    """

    read: Callable[[str], Any]
    varying: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def whole_number(self, names: Iterable[str]) -> int | None:
        """The first of `names` that holds an int above 0; None when none does (a wrong type is no number)."""
        values = map(self.read, names)
        return next((value for value in values if type(value) is int and value > 0), None)

    def lacks(self, *names: str) -> bool:
        """Whether none of `names` is set to anything."""
        return all(self.read(name) in (ABSENT, None) for name in names)


def view_facts(config: ConfigView, text: ConfigView) -> dict[str, Any]:
    """Sizes, layer kinds and switches.

    Args:
        config: the whole configuration.
        text: its part for the text decoder; the same object where it is not composite.
    """
    facts: dict[str, Any] = {}
    for fact, names in _SIZES.items():
        size = text.whole_number(names)
        if size is not None:
            facts[fact] = size
        elif fact in _OPTIONAL and text.lacks(*names):
            facts[fact] = None
    facts.update(_heads(text, facts))
    facts.update(_experts(text))
    facts.update(_layers(text))
    for switch in ("tie_word_embeddings", "is_encoder_decoder"):
        value = config.read(switch)
        if isinstance(value, bool) or value in (ABSENT, None):
            facts[switch] = value is True
    facts["is_multimodal"] = text is not config
    facts["is_hybrid"] = any(names_recurrent_layers(part.read) for part in (config, text))
    for fact in ("attn_implementation", "experts_implementation"):
        value = config.read(f"_{fact}")
        if value is None or isinstance(value, str):
            facts[fact] = value
    if config.lacks("quantization_config"):  # else a quantiser picks weights and kernels of its own
        facts["dtype_bytes"] = _dtype_bytes(config, text)
    return facts


def _heads(text: ConfigView, known: Mapping[str, Any]) -> dict[str, Any]:
    """Key/value heads (all heads where the config names none), head dim, and the counts where layers differ."""
    facts: dict[str, Any] = {}
    heads = known.get("num_attention_heads")
    named = text.whole_number(("num_key_value_heads",))
    if named is not None:
        facts["num_key_value_heads"] = named
    elif heads is not None and text.lacks("num_key_value_heads"):
        facts["num_key_value_heads"] = heads
    dim = text.whole_number(("head_dim",))
    if dim is not None or text.lacks("head_dim"):
        facts["head_dim"] = dim
    for fact, name in (("heads_per_layer", "num_attention_heads"), ("kv_heads_per_layer", "num_key_value_heads")):
        value = text.read(name)
        if isinstance(value, list | tuple) and value and all(type(one) is int and one > 0 for one in value):
            facts[fact] = tuple(dict.fromkeys(value))
        elif name in known or name in facts:
            counts = (facts.get(name) or known[name], *text.varying.get(name, ()))
            facts[fact] = tuple(sorted({count for count in counts if type(count) is int}))
    facts["per_layer_attributes"] = frozenset(text.varying)
    return facts


def _experts(text: ConfigView) -> dict[str, Any]:
    experts = text.whole_number(EXPERT_COUNTS)
    if experts is None:
        return {"num_experts": None, "moe_intermediate_size": None} if text.lacks(*EXPERT_COUNTS) else {}
    width = text.whole_number(("moe_intermediate_size",))
    return {"num_experts": experts} if width is None else {"num_experts": experts, "moe_intermediate_size": width}


def _layers(text: ConfigView) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    kinds = text.read("layer_types")
    if kinds in (ABSENT, None):
        facts["layer_types"] = None
    elif isinstance(kinds, list | tuple) and all(isinstance(kind, str) for kind in kinds):
        facts["layer_types"] = tuple(kinds)
    window = text.read("sliding_window")
    if window in (ABSENT, None):
        facts["sliding_window"] = None
    elif type(window) is int:
        facts["sliding_window"] = window
    return facts


def _dtype_bytes(config: ConfigView, text: ConfigView) -> int:
    dtypes = (part.read("dtype") for part in (config, text))
    named = next((dtype for dtype in dtypes if dtype not in (ABSENT, None)), None)
    return _BYTES.get(str(named).removeprefix("torch."), 4)
