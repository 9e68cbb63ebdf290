"""Examples of the rules of every axis but tensor parallelism, and of the mesh as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshfit.rules.example import Example
from meshfit.rules.tensor_examples import TIED_TO_MORE
from meshfit.structure import Conversion, ModuleInfo

__all__ = ["EXAMPLES"]

_EXPERTS: Final = "model.layers.*.mlp.experts"
_GROUPED: Final = {f"{_EXPERTS}.down_proj": "grouped_gemm"}
_NOT_DECLARED: Final[Mapping[str, Any]] = {"declared": {}}

_MESH: Final = (
    Example("MS001", "transformers", "tp=2", "torchrun starts 8 ranks", {"world_size": 8}),
    Example("MS001", "nemo", "tp=4", "torchrun starts 6 ranks", {"world_size": 6}),
    Example("MS002", "transformers", "pp=2,dp_shard=2", "any model"),
    Example("MS003", "accelerate", "tp=2,dp_replicate=4", "any model"),
    Example("MS004", "accelerate", "cp=2,sp=4", "any model"),
    Example("DP001", "transformers", "dp_shard=2", "no fsdp_plan on the class or in its config", {"fsdp_plan": {}}),
    Example("DP002", "transformers", "dp_replicate=2", "no fsdp_plan on the class or in its config", {"fsdp_plan": {}}),
    Example(
        "DP003",
        "transformers",
        "dp_shard=2",
        "checkpoints hold q, k and v in one tensor that is chunked on load",
        {
            "parameters": {"model.layers.*.self_attn.k_proj.weight": (32, 64)},
            "conversions": (Conversion(("q_proj.weight", "k_proj.weight"), (("Chunk", 0),)),),
        },
    ),
    Example(
        "DP004",
        "transformers",
        "dp_shard=2",
        "a vision tower whose q_proj is permuted on load",
        {
            "is_multimodal": True,
            "parameters": {"tower.q_proj.weight": (64, 64)},
            "layer_lists": ("model.layers",),
            "head_name": "lm_head",
            "embedding_name": "model.embed_tokens",
            "conversions": (Conversion(("tower.*q_proj",), (("PermuteForRope", 0),)),),
        },
    ),
    Example(
        "DP006",
        "transformers",
        "dp_shard=2",
        "embed_tokens is a ModuleList, an embedding for each codebook, and the fsdp_plan names it",
        {
            "fsdp_plan": {"model.embed_tokens": "free_full_weight"},
            "modules": {"model.embed_tokens": ModuleInfo("ModuleList")},
        },
    ),
    Example(
        "DP007",
        "transformers",
        "dp_shard=16",
        "num_local_experts: 8, and checkpoints that list the experts one by one",
        {
            "parameters": {f"{_EXPERTS}.down_proj": (8, 64, 96)},
            "conversions": (Conversion((f"{_EXPERTS}.down_proj",), (("MergeModulelist", 0),)),),
        },
    ),
    Example(
        "DP008",
        "transformers",
        "dp_shard=2",
        "_init_weights fills a non-persistent buffer of every layer when it is called for the whole model",
        {"loading_faults": (("buffer-left-empty", "model.layers.*.mamba.scale"),)},
    ),
    Example(
        "DP009",
        "transformers",
        "dp_shard=2",
        "tie_word_embeddings: true, vocab_size: 32000, and a text_config with vocab_size: 32064",
        TIED_TO_MORE,
    ),
    Example(
        "DP010",
        "transformers",
        "dp_replicate=2",
        "tie_word_embeddings: true, vocab_size: 32000, and a text_config with vocab_size: 32064",
        TIED_TO_MORE,
    ),
)

_PIPELINE: Final = (
    Example(
        "PP015",
        "transformers",
        "pp=2,tp=4",
        "a TP plan that cuts the layers",
        {"base_model_prefix": "model", "tp_plan": {"model.layers.*.mlp.up_proj": "colwise"}},
    ),
    Example("PP001", "nemo", "pp=2", "no _pp_plan on the class", {"pp_plan": {}, **_NOT_DECLARED}),
    Example(
        "PP002",
        "transformers",
        "pp=2",
        "a base model with .embed_tokens and .layers, whose final norm is called .final_layernorm",
        {
            "base_model_prefix": "model",
            "base_children": frozenset({"embed_tokens", "layers", "final_layernorm"}),
            "head_children": frozenset({"model", "lm_head"}),
        },
    ),
    Example(
        "PP003",
        "transformers",
        "pp=2",
        "a base forward that computes a mask from input_ids",
        {"pipeline_faults": (("needs-input-ids", "modeling_mine.py:70"),)},
    ),
    Example("PP004", "transformers", "pp=2", "any model"),
    Example("PP005", "transformers", "pp=16", "num_hidden_layers: 8", {"num_hidden_layers": 8}),
    Example("PP006", "transformers", "pp=3", "num_hidden_layers: 8", {"num_hidden_layers": 8}),
    Example("PP007", "nemo", "pp=16", "num_hidden_layers: 8", {"num_hidden_layers": 8}),
    Example("PP008", "nemo", "pp=2", "tie_word_embeddings: true", {"tied_head": True}),
    Example("PP009", "nemo", "pp=2", "is_encoder_decoder: true", {"is_encoder_decoder": True}),
    Example("PP010", "nemo", "pp=4", "2 microbatches a step", settings={"microbatches": 2}),
    Example("PP011", "accelerate", "pp=2", "any model"),
    Example(
        "PP020", "nemo", "pp=2", "a nested ModelCapabilities with supports_pp = False", {"declared": {"pp": False}}
    ),
    Example(
        "PP021",
        "nemo",
        "pp=2",
        "a nested ModelCapabilities with supports_pp = True, and no _pp_plan",
        {"pp_plan": {}, "declared": {"pp": True}},
    ),
)

_CONTEXT: Final = (
    Example("CP001", "accelerate", "cp=2", "_supports_sdpa = False on the class", {"supports_sdpa": False}),
    Example(
        "CP001",
        "nemo",
        "cp=2",
        "model.backend.attn: flex",
        {"backend_attn": "flex", "te_injected": False, "owns_cp_attention": False, "is_hybrid": False, **_NOT_DECLARED},
    ),
    Example(
        "CP002",
        "accelerate",
        "cp=2",
        "layer_types: [sliding_attention, full_attention]",
        {"layer_types": ("sliding_attention", "full_attention")},
    ),
    Example(
        "CP003",
        "accelerate",
        "cp=2",
        'attn_implementation="flash_attention_2"',
        {"attn_implementation": "flash_attention_2", "supports_sdpa": True},
    ),
    Example(
        "CP004",
        "accelerate",
        "cp=2",
        "a forward that counts positions from the length of its input",
        {"context_faults": (("local-positions", "model"),)},
    ),
    Example("CP005", "accelerate", "cp=4", "sequences of 4100 tokens", {"seq_len": 4100}),
    Example("CP005", "torchtitan", "cp=2,tp=4", "sequences of 4104 tokens", {"seq_len": 4104}),
    Example("CP006", "accelerate", "cp=2,dp_replicate=4", "any model"),
    Example(
        "CP020", "nemo", "cp=2", "a nested ModelCapabilities with supports_cp = False", {"declared": {"cp": False}}
    ),
    Example(
        "CP021",
        "nemo",
        "cp=2",
        "a nested ModelCapabilities with supports_cp = True, no backend, and _supports_sdpa = False",
        {"backend_attn": None, "supports_sdpa": False, "declared": {"cp": True}},
    ),
    Example(
        "SP001",
        "accelerate",
        "sp=2",
        "layer_types: [linear_attention, full_attention]",
        {"layer_types": ("linear_attention", "full_attention")},
    ),
    Example("SP002", "accelerate", "sp=8", "num_attention_heads: 12", {"num_attention_heads": 12}),
    Example("SP003", "accelerate", "sp=3", "num_key_value_heads: 4", {"num_key_value_heads": 4}),
    Example("SP004", "accelerate", "sp=4", "sequences of 4098 tokens", {"seq_len": 4098}),
)

_EXPERT: Final = (
    Example("EP001", "transformers", "tp=2,ep=2", "no ep_plan on the class or in its config", {"ep_plan": {}}),
    Example("EP001", "nemo", "ep=2", "no MoEFSDPSyncMixin and no expert plan", {"ep_plan": {}, **_NOT_DECLARED}),
    Example(
        "EP002",
        "transformers",
        "tp=2,ep=2",
        "an ep_plan for experts, in a config that builds none",
        {"ep_plan": _GROUPED, "parameters": {"lm_head.weight": (128, 64)}, "modules": {}},
    ),
    Example("EP002", "torchtitan", "ep=2,dp_shard=2", "a dense model", {"num_experts": None}),
    Example(
        "EP003",
        "transformers",
        "ep=4,dp_shard=4",
        "num_experts: 6",
        {"ep_plan": _GROUPED, "parameters": {f"{_EXPERTS}.down_proj": (6, 64, 64)}},
    ),
    Example("EP003", "nemo", "ep=4", "num_experts: 6", {"num_experts": 6}),
    Example("EP004", "transformers", "ep=2", "any model"),
    Example("EP004", "nemo", "ep=8", "torchrun starts 4 ranks", {"world_size": 4}),
    Example(
        "EP005",
        "transformers",
        "ep=2,dp_shard=2",
        'DistributedConfig(ep_implementation="all_reduce")',
        settings={"ep_implementation": "all_reduce"},
    ),
    Example(
        "EP006",
        "transformers",
        "tp=2,pp=2,ep=2",
        f'an ep_plan with "{_EXPERTS}": "ep_dispatch_experts"',
        {"ep_plan": {_EXPERTS: "ep_dispatch_experts"}},
    ),
    Example(
        "EP007",
        "transformers",
        "tp=2,ep=2",
        "checkpoints hold all experts in one tensor that is chunked on load",
        {
            "ep_plan": _GROUPED,
            "parameters": {f"{_EXPERTS}.down_proj": (8, 64, 64)},
            "conversions": (Conversion((f"{_EXPERTS}.down_proj",), (("Chunk", 0),)),),
        },
    ),
    Example(
        "EP008",
        "transformers",
        "tp=2,ep=2",
        'DistributedConfig(ep_plan={"model.layers.*.mlp": "ep_router"})',
        settings={"ep_plan": {"model.layers.*.mlp": "ep_router"}},
    ),
    Example(
        "EP020", "nemo", "ep=2", "a nested ModelCapabilities with supports_ep = False", {"declared": {"ep": False}}
    ),
    Example(
        "EP021",
        "nemo",
        "ep=2",
        "a nested ModelCapabilities with supports_ep = True, and no expert plan",
        {"ep_plan": {}, "declared": {"ep": True}},
    ),
    Example(
        "PK001",
        "transformers",
        "tp=2",
        "sequence packing, and a forward(input_ids, **kwargs) that never reads seq_lens",
        {"forward_parameters": ("input_ids", "**kwargs"), "is_pretrained": True, **_NOT_DECLARED},
        {"sequence_packing": True},
    ),
    Example(
        "PK002",
        "nemo",
        "cp=2",
        "sequence packing, and a model without a backend",
        {"backend_attn": None, **_NOT_DECLARED},
        {"sequence_packing": True},
    ),
    Example(
        "PK003",
        "nemo",
        "ep=2",
        "activation_checkpointing: true, and a MoE model",
        {"ep_plan": {_EXPERTS: "ep_dispatch_experts"}},
        {"activation_checkpointing": True},
    ),
)

EXAMPLES: Final = (*_MESH, *_PIPELINE, *_CONTEXT, *_EXPERT)
