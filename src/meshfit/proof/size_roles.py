"""What a size in a config counts, told by how its key is spelled."""

from __future__ import annotations

import re
from typing import Final, Literal

__all__ = ["Role", "family", "role_of"]

Role = Literal[
    "layers", "heads", "head_dim", "rope_dim", "experts", "topk", "groups", "vocabulary", "token", "positions",
    "window", "period", "offset", "leading", "trailing", "rotary", "width", "other",
]  # fmt: skip
"""What a whole number of a config counts.

`period` and `offset` repeat a kind of layer, `leading` and `trailing` count the first or last layers of a kind;
`rotary` is the rotated part of a head; `window` is how many positions a layer sees.
"""

_SPELLINGS: Final[tuple[tuple[Role, str], ...]] = (
    ("token", r"(?:_token_ids?|_token_index|_token_idx|^(?:bo|eo|boi|eoi|boa|eoa)\w?_token\w*)$"),
    ("vocabulary", r"vocab_size|_vocab$|vocabulary_size|^n_tokens$|^num_embeddings$"),
    ("other", r"type_vocab|^num_channels$|^in_chan|kernel|^vocab_offset$|mel_bins|codebook|^dilation"),
    ("leading", r"^(?:first_k_dense_replace|num_dense_layers|n_dense_layers|moe_layer_start_index)$"),
    ("trailing", r"^(?:num_kv_shared_layers|max_window_layers|moe_layer_end_index)$"),
    ("other", r"nextn_predict_layers|feature_layer|residual_layers|adapter_layers|extract_layers|feature_layers"),
    ("offset", r"_layer_offset$"),
    ("period", r"layer_period$|_interval$|every_n_layers$|window_pattern$|sparse_step$|layer_step$|layer_freq$"),
    ("period", r"^cross_attention_f|^n_layers_per_attn_res_block$"),
    ("layers", r"(?:^|_)(?:num_hidden_layers|num_layers|n_layers?|encoder_layers|decoder_layers|depth|layers)$"),
    ("layers", r"^num_(?:\w+_)?layers$|num_layers_per_stack$|^num_hidden_groups$"),
    ("rope_dim", r"rope_head_dim$|pe_head_dim$"),
    ("head_dim", r"(?:^|_)(?:head_?dim|d_kv|kv_channels|d_head|dim_head|head_size|head_dims|headdim)$"),
    ("heads", r"(?:^|_)(?:num|n|attention|kv|index)?_?heads?(?:_kv)?$|(?:^|_)heads$|^num_query_groups$|^n_head_kv$"),
    ("heads", r"^(?:mamba_)?n_?groups$"),
    ("topk", r"experts_per_tok(?:en)?$|^moe_top_?k$|^moe_k$|^num_selected_experts$|^num_experts_per_topk$"),
    ("groups", r"^(?:n_group|num_expert_group|topk_group)$"),
    ("other", r"shared_experts$|zero_expert"),
    ("experts", r"(?:^|_)(?:num|n)_(?:local_|routed_|moe_)?experts$|^moe_num_experts$|_experts$"),
    ("rotary", r"^rotary_n?dims?$"),
    ("positions", r"(?:max_position_embeddings|n_positions|max_seq_len|max_sequence_length|n_ctx)$"),
    ("window", r"^(?:\w+_)?(?:sliding_window|sliding_window_size|attention_chunk_size|local_attention|index_topk)$"),
    ("window", r"^(?:mamba_)?chunk_size$|^attention_window(?:_size)?$|attn_chunk_length$"),
    ("other", r"image|patch|stride|window|chunk|block|seq|position|max_|pool(?!er)|pretrain|sampl|crop|grid"),
    ("other", r"_per_(?!layer)|group_size|num_labels|num_class|resolution|kernel"),
    ("width", r"size|dim|width|rank|inner|ffn|embd|d_model|d_latents|d_?ff|hidden|features|units|state|d_ssm"),
)  # fmt: skip

_COMPILED: Final = tuple((role, re.compile(pattern)) for role, pattern in _SPELLINGS)


def role_of(key: str) -> Role:
    """What the size under that key counts; `other` for what stays as it is."""
    key = key.removesuffix("_per_layer")
    return next((role for role, pattern in _COMPILED if pattern.search(key)), "other")


def family(key: str) -> str:
    """The part of a model that a key speaks of: `mamba` of `mamba_n_heads`, empty for the model's common sizes."""
    words = key.split("_")
    return next((word for word in words if word in _FAMILIES), "") if len(words) > 1 else ""


_FAMILIES: Final = frozenset(
    {"mamba", "linear", "swa", "index", "encoder", "decoder", "vision", "audio", "text", "cross", "indexer", "global"}
)
