"""Examples of the rules of tensor parallelism."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshfit.rules.example import Example
from meshfit.structure import Conversion, ModuleInfo

__all__ = ["EXAMPLES", "TIED_TO_MORE"]

TIED_TO_MORE: Final[Mapping[str, Any]] = {
    "tied_head": True,
    "head_name": "lm_head",
    "embedding_name": "model.embed_tokens",
    "modules": {"lm_head": ModuleInfo("Linear", 32000)},
    "parameters": {"model.embed_tokens.weight": (32064, 64)},
}
"""A head tied to an embedding of more rows."""

_LAYER: Final = "model.layers.*"
_Q, _K, _V, _O = (f"{_LAYER}.self_attn.{name}_proj" for name in "qkvo")
_Q_NORM: Final = f"{_LAYER}.self_attn.q_norm"
_EXPERTS: Final = f"{_LAYER}.mlp.experts"
_COLUMN_Q: Final = {_Q: "colwise"}

EXAMPLES: Final = (
    Example("TP001", "transformers", "tp=2", "no tp_plan on the class, in its config or on a child", {"tp_plan": {}}),
    Example(
        "TP001",
        "nemo",
        "tp=2",
        "no TP plan on the model and none in meshfit.tp_plans",
        {"tp_plan": {}, "declared": {}},
    ),
    Example("TP002", "nemo", "tp=8", "num_key_value_heads: 4", {"kv_heads_per_layer": (4,)}),
    Example(
        "TP002",
        "transformers",
        "tp=8",
        "num_key_value_heads: 4, and a TP plan with k_proj and v_proj colwise",
        {
            "tp_plan": {_K: "colwise", _V: "colwise"},
            "modules": dict.fromkeys((_K, _V), ModuleInfo("Linear", 512, ("num_key_value_heads", 4))),
        },
    ),
    Example("TP003", "nemo", "tp=8", "num_attention_heads: 12", {"heads_per_layer": (12,)}),
    Example(
        "TP003",
        "transformers",
        "tp=8",
        "num_attention_heads: 12, and a TP plan with q_proj colwise",
        {"tp_plan": _COLUMN_Q, "modules": {_Q: ModuleInfo("Linear", 768, ("num_attention_heads", 12))}},
    ),
    Example(
        "TP005",
        "transformers",
        "tp=2",
        'DistributedConfig(tp_plan={"layers.*.up": "colwise"}), and no module of that name',
        {"tp_plan": {}, "parameters": {}, "modules": {}},
        {"tp_plan": {"layers.*.up": "colwise"}},
    ),
    Example("TP006", "transformers", "tp=2", 'base_model_tp_plan with "q_proj": "column"', {"tp_plan": {_Q: "column"}}),
    Example(
        "TP007",
        "transformers",
        "tp=2",
        'a TP plan with "transformer.h.*.attn.c_attn": "colwise", where c_attn is a Conv1D',
        {
            "tp_plan": {"transformer.h.*.attn.c_attn": "colwise"},
            "modules": {"transformer.h.*.attn.c_attn": ModuleInfo("Conv1D")},
        },
    ),
    Example(
        "TP008",
        "transformers",
        "tp=2",
        'a TP plan of {"lm_head": "colwise_gather_output"} alone',
        {
            "tp_plan": {"lm_head": "colwise_gather_output"},
            "parameters": {"lm_head.weight": (128, 64)},
            "layer_lists": ("model.layers",),
        },
    ),
    Example(
        "TP029",
        "transformers",
        "tp=2",
        "tie_word_embeddings: true, vocab_size: 32000, and a text_config with vocab_size: 32064",
        {
            "tp_plan": {"model.embed_tokens": "embedding_rowwise", "lm_head": "colwise_gather_output"},
            **TIED_TO_MORE,
        },
    ),
    Example("TP009", "generic", "tp=16", "nodes of 8 devices", {"gpus_per_node": 8}),
    Example(
        "TP010",
        "transformers",
        "tp=2",
        "tie_word_embeddings: true, vocab_size: 32000, and a TP plan with lm_head, without the embedding",
        {
            "tp_plan": {"lm_head": "colwise_gather_output"},
            "parameters": {"model.embed_tokens.weight": (32000, 64)},
            "tied_head": True,
            "head_name": "lm_head",
            "embedding_name": "model.embed_tokens",
        },
    ),
    Example(
        "TP011",
        "transformers",
        "tp=2",
        'a TP plan with "lm_head": "colwise"',
        {"tp_plan": {"lm_head": "colwise"}, "head_name": "lm_head"},
    ),
    Example(
        "TP012",
        "transformers",
        "tp=4",
        "moe_intermediate_size: 36 in bfloat16, and a TP plan that cuts the experts",
        {
            "dtype_bytes": 2,
            "tp_plan": {f"{_EXPERTS}.down_proj": "rowwise", _EXPERTS: "moe_tp_experts"},
            "experts_implementation": None,
            "parameters": {f"{_EXPERTS}.down_proj": (8, 64, 36)},
        },
    ),
    Example(
        "TP013",
        "transformers",
        "tp=2",
        "checkpoints hold q, k and v in one tensor that is chunked on load, and the TP plan cuts k_proj colwise",
        {
            "tp_plan": {_K: "colwise"},
            "parameters": {f"{_K}.weight": (32, 64)},
            "conversions": (Conversion(("self_attn.q_proj.weight", "self_attn.k_proj.weight"), (("Chunk", 0),)),),
        },
    ),
    Example(
        "TP014",
        "transformers",
        "tp=2",
        "a forward with self.o_proj(x).mul_(2), and a TP plan with o_proj rowwise",
        {
            "tp_plan": {_O: "rowwise"},
            "modules": {_O: ModuleInfo("Linear", 64)},
            "inplace_outputs": frozenset({_O}),
        },
    ),
    Example(
        "TP015",
        "transformers",
        "tp=2",
        "a forward that reads self.embed_tokens.weight, and a TP plan with embed_tokens embedding_rowwise",
        {
            "tp_plan": {"model.embed_tokens": "embedding_rowwise"},
            "parameters": {"model.embed_tokens.weight": (128, 64)},
            "raw_weight_reads": frozenset({"model.embed_tokens"}),
        },
    ),
    Example(
        "TP016",
        "transformers",
        "tp=2",
        "a forward with self.q_proj(x).view(batch, seq, self.num_heads, self.head_dim), and a TP plan with q_proj "
        "colwise",
        {
            "tp_plan": _COLUMN_Q,
            "parameters": {f"{_Q}.weight": (64, 64)},
            "tensor_faults": (("assumes-whole-width", _Q),),
        },
    ),
    Example(
        "TP017",
        "transformers",
        "tp=2",
        "q_norm takes the output of q_proj, which the TP plan cuts colwise, and has no rule of its own",
        {
            "tp_plan": _COLUMN_Q,
            "parameters": {f"{_Q_NORM}.weight": (8,)},
            "modules": {},
            "dataflow": {_Q_NORM: frozenset({_Q})},
        },
    ),
    Example(
        "TP018",
        "transformers",
        "tp=2",
        "latent attention with kv_a_proj_with_mqa styled mla_kv_a_proj, and layers that differ in qk_rope_head_dim",
        {
            "tp_plan": {f"{_LAYER}.self_attn.kv_a_proj_with_mqa": "mla_kv_a_proj"},
            "modules": {f"{_LAYER}.self_attn.kv_a_proj_with_mqa": ModuleInfo("Linear", 64)},
            "per_layer_attributes": frozenset({"qk_rope_head_dim"}),
        },
    ),
    Example(
        "TP019",
        "transformers",
        "tp=2",
        "a TP plan with o_proj rowwise that leaves v_proj, which feeds it, whole",
        {"tp_plan": {_O: "rowwise"}, "linear_inputs": ((_O, frozenset({_V})),)},
    ),
    Example(
        "TP020",
        "nemo",
        "tp=2",
        "a nested ModelCapabilities with supports_tp = False",
        {"declared": {"tp": False}},
    ),
    Example(
        "TP021",
        "nemo",
        "tp=2",
        "a nested ModelCapabilities with supports_tp = True, and no TP plan",
        {"tp_plan": {}, "declared": {"tp": True}},
    ),
)
