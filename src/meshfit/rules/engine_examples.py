"""Examples of the rules that torchtitan, Megatron-LM and vLLM enforce in ways of their own."""

from __future__ import annotations

from typing import Any, Final

from meshfit.rules.example import Example

__all__ = ["EXAMPLES"]

_DENSE: Final[dict[str, Any]] = {"num_experts": None}
_HYBRID: Final[dict[str, Any]] = {"is_hybrid": True}

_TORCHTITAN: Final = (
    Example("TP004", "torchtitan", "tp=8", "linear_num_key_heads: 12", {"linear_num_key_heads": 12}),
    Example("TP024", "torchtitan", "tp=8", "2044 tokens in a microbatch", {"seq_len": 2044}),
    Example("PP007", "torchtitan", "pp=8", "num_hidden_layers: 4", {"num_hidden_layers": 4}),
    Example(
        "PP013",
        "torchtitan",
        "pp=4",
        "num_hidden_layers: 32, and 8 layers a stage",
        {"num_hidden_layers": 32},
        {"pipeline_parallel_layers_per_stage": 8},
    ),
    Example("EP004", "torchtitan", "ep=8,dp_shard=2,tp=2", "any model"),
    Example("SP005", "torchtitan", "sp=2", "any model"),
)

_MEGATRON: Final = (
    Example(
        "MS005",
        "megatron",
        "tp=2",
        "--num-virtual-stages-per-pipeline-rank 2",
        settings={"virtual_pipeline_model_parallel_size": 2},
    ),
    Example(
        "TP002",
        "megatron",
        "tp=8",
        "num_attention_heads: 48, num_key_value_heads: 6",
        {"kv_heads_per_layer": (6,), "heads_per_layer": (48,)},
    ),
    Example("TP004", "megatron", "tp=4", "a hybrid with mamba_n_groups: 2", {**_HYBRID, "mamba_groups": 2}),
    Example("TP022", "megatron", "tp=8", "intermediate_size: 8644", {**_DENSE, "intermediate_size": 8644}),
    Example(
        "TP023",
        "megatron",
        "tp=8",
        "num_experts: 64, moe_intermediate_size: 1412",
        {"num_experts": 64, "moe_intermediate_size": 1412},
    ),
    Example(
        "TP024",
        "megatron",
        "tp=8",
        "--seq-length 2044, --sequence-parallel",
        {"seq_len": 2044},
        {"sequence_parallel": True},
    ),
    Example(
        "TP025",
        "megatron",
        "tp=2",
        "num_experts: 64, and no --sequence-parallel",
        {"num_experts": 64},
        {"sequence_parallel": False},
    ),
    Example("PP012", "megatron", "pp=4", "num_hidden_layers: 30", {"num_hidden_layers": 30}),
    Example(
        "PP013",
        "megatron",
        "pp=4",
        "num_hidden_layers: 32, and --num-virtual-stages-per-pipeline-rank 3",
        {"num_hidden_layers": 32},
        {"virtual_pipeline_model_parallel_size": 3},
    ),
    Example("CP005", "megatron", "cp=4", "--seq-length 2044", {"seq_len": 2044}),
    Example("CP007", "megatron", "tp=2,cp=4", "a hybrid with mamba_num_heads: 12", {**_HYBRID, "mamba_heads": 12}),
    Example("EP002", "megatron", "ep=8", "no experts in this config", _DENSE),
    Example("EP004", "megatron", "ep=8,tp=2", "torchrun starts 8 ranks", {"world_size": 8}),
)

_VLLM: Final = (
    Example("MS001", "vllm", "tp=8", "4 devices", {"world_size": 4}),
    Example(
        "MS006",
        "vllm",
        "tp=8",
        "--decode-context-parallel-size 3",
        settings={"decode_context_parallel_size": 3},
    ),
    Example(
        "TP004", "vllm", "tp=8", "a hybrid with linear_num_value_heads: 12", {**_HYBRID, "linear_num_value_heads": 12}
    ),
    Example(
        "TP023",
        "vllm",
        "tp=8,dp_replicate=4",
        "num_experts: 64, moe_intermediate_size: 1424",
        {"num_experts": 64, "moe_intermediate_size": 1424},
    ),
    Example(
        "TP026",
        "vllm",
        "tp=8",
        "num_attention_heads: 32, num_key_value_heads: 8, and --decode-context-parallel-size 2",
        {"num_attention_heads": 32, "num_key_value_heads": 8},
        {"decode_context_parallel_size": 2},
    ),
    Example("TP027", "vllm", "tp=6", "vocab_size: 151936", {"vocab_size": 151936}),
    Example("PP005", "vllm", "pp=8", "num_hidden_layers: 4", {"num_hidden_layers": 4}),
    Example("EP004", "vllm", "ep=4,tp=8", "any model"),
)

EXAMPLES: Final = (*_TORCHTITAN, *_MEGATRON, *_VLLM)
