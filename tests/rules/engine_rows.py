"""The rows of the engines that have models of their own: torchtitan, Megatron-LM and vLLM."""

from __future__ import annotations

from rows import DENSE, HYBRID, ROWS, SHARED_OUT, Row, row

from meshfit.rules import executed_examples

__all__ = ["ALL_ROWS", "Row"]

TORCHTITAN = [
    row("TP004", "torchtitan", "tp=4", "linear_num_value_heads (6)", "tp_size (4)", linear_num_value_heads=6),
    row("TP024", "torchtitan", "tp=4", "seq_len (6)", "tp_size (4)", seq_len=6),
    row("CP005", "torchtitan", "cp=2", "seq_len (6)", "2 * cp_size (4)", seq_len=6),
    row("PP007", "torchtitan", "pp=11", "num_hidden_layers (8)", "pp_size (11)", good_mesh="pp=10"),
    row(
        "PP007",
        "torchtitan",
        "pp=6",
        "num_hidden_layers (8)",
        "2 stages a rank (12)",
        settings={"pipeline_parallel_schedule": "Interleaved1F1B"},
        good_mesh="pp=5",
    ),
    row(
        "PP007",
        "torchtitan",
        "pp=6",
        "counted as 2 and 1",
        "pp_size (6)",
        settings={"pipeline_parallel_first_stage_less_layers": 2},
        good_mesh="pp=5",
    ),
    row(
        "PP013",
        "torchtitan",
        "pp=4",
        "(2) makes 5 stages",
        "pp_size (4)",
        settings={"pipeline_parallel_layers_per_stage": 2},
        good_mesh="pp=5",
    ),
    row(
        "PP013",
        "torchtitan",
        "pp=5",
        "(2) makes 5 stages",
        "2 stages or more",
        settings={"pipeline_parallel_layers_per_stage": 2, "pipeline_parallel_schedule": "LoopedBFS"},
        good_mesh="tp=2",
    ),
    row("EP004", "torchtitan", "ep=4,dp_shard=2,dp_replicate=2", "2 ranks", "ep_size (4)", good_mesh="ep=2,dp_shard=2"),
    row("EP004", "torchtitan", "ep=4,tp=2", "2 ranks", "ep_size (4)", world_size=2),
]

MEGATRON = [
    row("MS001", "megatron", "tp=4", "4 ranks", "world_size (6)", world_size=6),
    row(
        "MS005",
        "megatron",
        "tp=2",
        "(2)",
        "pp_size is 1",
        settings={"virtual_pipeline_model_parallel_size": 2},
        good_mesh="tp=2,pp=2",
    ),
    row("TP002", "megatron", "tp=3", "num_key_value_heads (4)", "tp_size (3)", good_mesh="tp=8"),
    row("TP003", "megatron", "tp=16", "num_attention_heads (8)", "tp_size (16)", good_mesh="tp=8"),
    row("TP004", "megatron", "tp=4", "mamba_groups (2)", "tp_size (4)", **HYBRID, mamba_groups=2),
    row("TP004", "megatron", "tp=4", "linear_num_key_heads (6)", "tp_size (4)", **HYBRID, linear_num_key_heads=6),
    row("TP022", "megatron", "tp=4", "intermediate_size (90)", "tp_size (4)", **DENSE, intermediate_size=90),
    row("TP023", "megatron", "tp=4", "moe_intermediate_size (90)", "4 ranks", moe_intermediate_size=90),
    row(
        "TP023",
        "megatron",
        "tp=4",
        "moe_intermediate_size (96)",
        "64 ranks",
        settings={"expert_tensor_parallel_size": 64},
        moe_intermediate_size=96,
    ),
    row("TP024", "megatron", "tp=4", "seq_len (6)", "(4)", settings={"sequence_parallel": True}, seq_len=6),
    row("TP024", "megatron", "tp=4,cp=3", "seq_len (6)", "cp_size * tp_size (12)", **SHARED_OUT, seq_len=6),
    row("TP025", "megatron", "tp=2", "num_experts 8", "tp_size (2)", settings={"sequence_parallel": False}),
    row("PP012", "megatron", "pp=3", "num_hidden_layers (8)", "pp_size (3)", good_mesh="pp=4"),
    row(
        "PP012",
        "megatron",
        "pp=4",
        "num_hidden_layers (8) with 2",
        "pp_size (4)",
        settings={"account_for_embedding_in_pipeline_split": True, "account_for_loss_in_pipeline_split": True},
        good_mesh="pp=5",
    ),
    row(
        "PP012",
        "megatron",
        "pp=3",
        "num_hidden_layers (8) less the 3",
        "pp_size (3)",
        settings={"num_layers_in_first_pipeline_stage": 3},
        good_mesh="pp=6",
    ),
    row(
        "PP012",
        "megatron",
        "pp=2",
        "less the 2 and 3 of",
        "pp_size (2)",
        settings={"num_layers_in_first_pipeline_stage": 2, "num_layers_in_last_pipeline_stage": 3},
        good_mesh="pp=3",
    ),
    row(
        "PP013",
        "megatron",
        "pp=2",
        "the 4 layers",
        "virtual_pipeline_model_parallel_size (3)",
        settings={"virtual_pipeline_model_parallel_size": 3},
        good_mesh="tp=2",
    ),
    row(
        "PP013",
        "megatron",
        "pp=4",
        "the 2 layers",
        "num_layers_per_virtual_pipeline_stage (4)",
        settings={"num_layers_per_virtual_pipeline_stage": 4},
        good_mesh="pp=2",
    ),
    row("CP005", "megatron", "cp=4", "seq_len (12)", "(8)", seq_len=12),
    row("CP007", "megatron", "cp=4,tp=2", "mamba_heads (12)", "tp_size * cp_size (8)", **HYBRID, mamba_heads=12),
    row("CP007", "megatron", "cp=4", "mamba_groups (6)", "(4)", **HYBRID, mamba_groups=6),
    row("CP007", "megatron", "cp=4", "linear_num_key_heads (2)", "(4)", **HYBRID, linear_num_key_heads=2),
    row("EP002", "megatron", "ep=2,dp_shard=2", "MoE model", **DENSE),
    row("EP003", "megatron", "ep=3", "num_experts (8)", "ep_size (3)", good_mesh="ep=2"),
    row("EP004", "megatron", "ep=4,tp=2,pp=2", "world_size (8)", "= 16", world_size=8),
    row("EP004", "megatron", "ep=4,dp_shard=2", "world_size (2)", "= 4", good_mesh="ep=4,dp_shard=8"),
]

VLLM = [
    row("MS001", "vllm", "tp=8", "8 ranks", "world_size is 4", world_size=4),
    row(
        "MS006",
        "vllm",
        "tp=8",
        "tp_size (8)",
        "decode_context_parallel_size (3)",
        settings={"decode_context_parallel_size": 3},
        good_mesh="tp=6",
    ),
    row(
        "MS006",
        "vllm",
        "tp=4,cp=2",
        "(3) is neither cp_size (2)",
        "(8)",
        settings={"decode_context_parallel_size": 3},
        good_mesh="tp=4,cp=3",
    ),
    row("TP002", "vllm", "tp=3", "num_key_value_heads (4)", "tp_size (3)", good_mesh="tp=8"),
    row("TP003", "vllm", "tp=16", "num_attention_heads (8)", "tp_size (16)", good_mesh="tp=8"),
    row("TP004", "vllm", "tp=4", "mamba_groups (2)", "tp_size (4)", **HYBRID, mamba_groups=2),
    row("TP004", "vllm", "tp=4", "linear_num_value_heads (6)", "tp_size (4)", **HYBRID, linear_num_value_heads=6),
    row("TP022", "vllm", "tp=4", "intermediate_size (90)", "tp_size (4)", **DENSE, intermediate_size=90),
    row("TP023", "vllm", "tp=4", "moe_intermediate_size (90)", "tp_size (4)", moe_intermediate_size=90),
    row("TP023", "vllm", "tp=4,dp_shard=8", "(48)", "32 ranks", "* 8 data", moe_intermediate_size=48),
    row(
        "TP026",
        "vllm",
        "tp=4",
        "decode_context_parallel_size (2)",
        "gives 1 to each",
        "num_key_value_heads (4)",
        settings={"decode_context_parallel_size": 2},
        good_mesh="tp=8",
    ),
    row(
        "TP026",
        "vllm",
        "tp=16",
        "the 2 query heads",
        "(4)",
        settings={"decode_context_parallel_size": 4},
        good_mesh="dp_shard=2",
    ),
    row("TP027", "vllm", "tp=3", "vocab_size (65)", "filled up to 128", "tp_size (3)", vocab_size=65, good_mesh="tp=2"),
    row("PP005", "vllm", "pp=16", "num_hidden_layers (8)", "pp_size (16)", good_mesh="pp=8"),
    row("EP002", "vllm", "ep=2,tp=2", "MoE model", **DENSE),
    row("EP004", "vllm", "ep=4,tp=2,dp_replicate=4", "ep_size (4)", "8 ranks", good_mesh="ep=8,tp=2,dp_replicate=4"),
    row("EP004", "vllm", "ep=4,tp=8", "ep_size (4)", "8 ranks", good_mesh="ep=8,tp=8"),
]

EXECUTED = [
    row(e.code, e.engine, e.mesh, "a small twin of MyForCausalLM", **e.facts) for e in executed_examples.EXAMPLES
]

ALL_ROWS = (*ROWS, *TORCHTITAN, *MEGATRON, *VLLM, *EXECUTED)
