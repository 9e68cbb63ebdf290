"""Valid facts and meshes, from which every row of the rule tests is one change away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.structure import Conversion, ModuleInfo

HEADS = ("num_attention_heads", 8)
KV_HEADS = ("num_key_value_heads", 4)
LAYER = "model.layers.*"
EXPERTS = f"{LAYER}.mlp.experts"

MODULES = {
    "model": ModuleInfo("DecoderModel"),
    "model.embed_tokens": ModuleInfo("Embedding", 64),
    "model.layers": ModuleInfo("ModuleList"),
    f"{LAYER}.self_attn.q_proj": ModuleInfo("Linear", 64, HEADS),
    f"{LAYER}.self_attn.k_proj": ModuleInfo("Linear", 32, KV_HEADS),
    f"{LAYER}.self_attn.v_proj": ModuleInfo("Linear", 32, KV_HEADS),
    f"{LAYER}.self_attn.o_proj": ModuleInfo("Linear", 64),
    f"{LAYER}.self_attn.q_norm": ModuleInfo("RMSNorm"),
    f"{LAYER}.mlp": ModuleInfo("SparseBlock"),
    EXPERTS: ModuleInfo("Experts"),
    "model.norm": ModuleInfo("RMSNorm"),
    "lm_head": ModuleInfo("Linear", 128),
}

PARAMETERS = {
    "model.embed_tokens.weight": (128, 64),
    f"{LAYER}.self_attn.q_proj.weight": (64, 64),
    f"{LAYER}.self_attn.k_proj.weight": (32, 64),
    f"{LAYER}.self_attn.v_proj.weight": (32, 64),
    f"{LAYER}.self_attn.o_proj.weight": (64, 64),
    f"{LAYER}.self_attn.q_norm.weight": (8,),
    f"{EXPERTS}.gate_up_proj": (8, 128, 64),
    f"{EXPERTS}.down_proj": (8, 64, 64),
    "model.norm.weight": (64,),
    "lm_head.weight": (128, 64),
}

TP_PLAN = {
    "model.embed_tokens": "embedding_rowwise",
    f"{LAYER}.self_attn.q_proj": "colwise",
    f"{LAYER}.self_attn.k_proj": "colwise",
    f"{LAYER}.self_attn.v_proj": "colwise",
    f"{LAYER}.self_attn.o_proj": "rowwise",
    f"{LAYER}.self_attn.q_norm": "replicated_with_grad_allreduce",
    f"{EXPERTS}.gate_up_proj": "packed_colwise",
    f"{EXPERTS}.down_proj": "rowwise",
    EXPERTS: "moe_tp_experts",
    "lm_head": "colwise_gather_output",
}

EP_PLAN = {
    f"{EXPERTS}.gate_up_proj": "grouped_gemm",
    f"{EXPERTS}.down_proj": "grouped_gemm",
    EXPERTS: "ep_dispatch_experts",
}

MERGED_EXPERTS = Conversion((f"{EXPERTS}.gate_up_proj",), (("MergeModulelist", 0), ("Concatenate", 1)))
"""How per-expert checkpoints become one tensor: sound under every cut."""


def facts(**changes: Any) -> ModelFacts:
    """A decoder with experts that every engine runs on any mesh its sizes divide."""
    valid: dict[str, Any] = {
        "class_name": "DecoderForCausalLM",
        "engine": "transformers",
        "hidden_size": 64,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "num_hidden_layers": 8,
        "vocab_size": 128,
        "num_experts": 8,
        "intermediate_size": 128,
        "moe_intermediate_size": 64,
        "heads_per_layer": (8,),
        "kv_heads_per_layer": (4,),
        "linear_num_key_heads": None,
        "linear_num_value_heads": None,
        "mamba_heads": None,
        "mamba_groups": None,
        "layer_types": ("full_attention",) * 8,
        "sliding_window": None,
        "is_encoder_decoder": False,
        "is_multimodal": False,
        "dtype_bytes": 2,
        "tp_plan": TP_PLAN,
        "ep_plan": EP_PLAN,
        "fsdp_plan": {LAYER: "free_full_weight"},
        "pp_plan": {"layers": (["hidden_states"], ["hidden_states"])},
        "registered_tp_plan": False,
        "moe_mixin": False,
        "backend_attn": None,
        "te_injected": False,
        "owns_cp_attention": False,
        "supports_cp_sdpa": False,
        "supports_sdpa": True,
        "attn_implementation": None,
        "experts_implementation": None,
        "is_hybrid": False,
        "forward_parameters": ("input_ids", "seq_lens"),
        "is_pretrained": True,
        "has_generate": True,
        "gradient_checkpointing": True,
        "declared": {},
        "parameters": PARAMETERS,
        "modules": MODULES,
        "layer_lists": ("model.layers",),
        "base_model_prefix": "model",
        "base_children": frozenset({"embed_tokens", "layers", "norm"}),
        "head_children": frozenset({"model", "lm_head"}),
        "per_layer_attributes": frozenset(),
        "tied_head": False,
        "head_name": "lm_head",
        "embedding_name": "model.embed_tokens",
        "conversions": (MERGED_EXPERTS,),
        "inplace_outputs": frozenset(),
        "raw_weight_reads": frozenset(),
        "dataflow": {},
        "linear_inputs": (),
        "pipeline_faults": (),
        "context_faults": (),
        "tensor_faults": (),
        "loading_faults": (),
    }
    return ModelFacts(**{**valid, **changes})


def mesh(text: str = "tp=2", **settings: Any) -> MeshSpec:
    """A mesh from its text, with settings beside the sizes."""
    return replace(MeshSpec.parse(text), settings=settings)


def without(mapping: dict[str, Any], *names: str) -> dict[str, Any]:
    """The mapping less some keys."""
    return {name: value for name, value in mapping.items() if name not in names}
