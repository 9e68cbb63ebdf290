"""Texts that engines write, each with the rule behind it, and texts that resemble them and are something else."""

from __future__ import annotations

from typing import Final

TITAN: Final = (
    "AssertionError: Invalid parallel dims: dp_replicate(1) * dp_shard(2) * cp(1) * tp(2) * pp(1) != WORLD_SIZE(8)"
)

NAMED: Final = (
    ("RuntimeError: shape '[2, 16, -1, 16]' is invalid for input of size 256", "TP002", "0.5 heads"),
    ("RuntimeError: shape '[4, 178, -1, 128]' is invalid for input of size 45568", "TP002", "4 with tp_size 8"),
    ("RuntimeError: shape '[1, 8192, -1, 128]' is invalid for input of size 524288", "TP002", "64 columns"),
    ("RuntimeError: shape '[2, 16, -1, 32]' is invalid for input of size 1536", "TP002", "1.5 heads"),
    ("ValueError: `tp_size=2` was requested, but `GPT2LMHeadModel` has no `tp_plan`. Pass", "TP001", "tp_size is 2"),
    ("ValueError: `ep_size=4` was requested, but `LlamaForCausalLM` has no `ep_plan`. Pass", "EP001", "ep_size is 4"),
    ("ValueError: `fsdp_size=4` was requested, but `X` has no `fsdp_plan`. Pass", "DP001", "dp_shard_size is 4"),
    ("ValueError: `tp_plan` keys ['nope'] match nothing in LlamaForCausalLM.", "TP005", ""),
    ("ValueError: `ep_plan` keys ['nope'] match nothing in LlamaForCausalLM.", "EP008", ""),
    ("ValueError: Unsupported `tp_plan` styles: {'zzz'}. Supported styles are ['colwise']", "TP006", ""),
    ("ValueError: The `ep_router` style was removed, and `moe_tp_experts` is", "EP008", ""),
    ("ValueError: Conv1D has no `out_features`: colwise shards linear layers.", "TP007", ""),
    ("RuntimeError: The parallel mesh requires 3 processes, but world_size is 2.", "MS001", "2 ranks were started"),
    ("ValueError: Combining FSDP with pipeline parallelism is not supported yet.", "MS002", ""),
    ("ValueError: `ep_size` must divide `fsdp_size * tp_size`.", "EP004", ""),
    ("ValueError: `ep_size` must be a multiple of `tp_size`.", "EP004", ""),
    ("ValueError: AllReduceEP needs every rank of the expert group to hold the same batch (`ep_size", "EP005", ""),
    ("ValueError: Combining token dispatch with pipeline parallelism is not supported/tested yet.", "EP006", ""),
    ("ValueError: Cannot evenly shard 5 experts across 2 expert-parallel ranks.", "EP003", "num_experts is 5"),
    ("RuntimeError: Output 0 of _ToTorchTensor is a view and is being modified inplace. This view", "TP014", ""),
    ("AmbiguousGlobalPerLayerAttributeError: 'qk_rope_head_dim' is a per-layer attribute and may", "TP018", ""),
    ("AttributeError: 'PipelineIdentityLayer' object has no attribute 'attention_type'", "PP003", "attention_type"),
    ("AttributeError: PipelineIdentityLayer has no attribute `mamba`", "PP003", "mamba"),
    (
        (
            "ValueError: Context parallelism does not support attention layers of type ['sliding_attention'] (model "
            "Gemma3ForCausalLM). Context parallelism can only express full causal attention"
        ),
        "CP002",
        "sliding_attention",
    ),
    (
        (
            "ValueError: Sequence parallelism does not support attention layers of type ['linear_attention'] (model "
            "BambaForCausalLM). Those layers carry a recurrent state"
        ),
        "SP001",
        "linear_attention",
    ),
    (
        "ValueError: ParallelismConfig total_size (8) does not match num_processes (4). Please adjust",
        "MS001",
        "4 ranks were started",
    ),
    (
        "ValueError: Tensor/Context parallelism (tp/cp_size > 1) cannot be used with pure data parallelism (dp_repl",
        "MS003",
        "",
    ),
    (
        (
            "ValueError: Context Parallelism (CP) and Sequence Parallelism (SP) are mutually exclusive. Got cp_size=2 "
            "and sp_size=4. Please set either"
        ),
        "MS004",
        "sp_size is 4",
    ),
    ("ValueError: Attention head count 12 is not divisible by SP size 8", "SP002", "num_attention_heads is 12"),
    ("ValueError: KV attention head count 4 is not divisible by SP size 3 or vice versa", "SP003", "heads is 4"),
    ("ValueError: batch's seqlen=4098 isn't divisible by sp-size=4", "SP004", "seq_len is 4098"),
    ("AssertionError: num_key_value_heads (2) must be divisible by TP size (8)", "TP002", "tp_size is 8"),
    ("AssertionError: num_attention_heads (12) must be divisible by TP size (8)", "TP003", "heads is 12"),
    (
        (
            "ValueError: Transformer Engine attention head counts must be divisible by tensor-parallel size: "
            "num_attention_heads=32, num_gqa_groups=2, tp_size=8."
        ),
        "TP002",
        "num_key_value_heads is 2",
    ),
    ("ValueError: world_size (6) must be divisible by (tp * cp) (2 * 2 = 4)", "MS001", "6 ranks were started"),
    ("ValueError: non_pp_size=4 must be a multiple of ep_size=8", "EP004", "ep_size is 8"),
    ("AssertionError: n_routed_experts (6) must be divisible by ep_size (4)", "EP003", "num_experts is 6"),
    ("AssertionError: n_physical_experts=256 must be divisible by ep_size=3. Adjust num_", "EP003", "is 256"),
    ("AssertionError: Number of experts must be divisible by ep_size (ep_size=3)", "EP003", "ep_size is 3"),
    (
        "ValueError: padded_seq_len must be divisible by 2 * cp_size, got padded_seq_len=12 cp_size=4",
        "CP005",
        "seq_len is 12",
    ),
    ("ValueError: CP sequence length 12 must be divisible by 8", "CP005", "seq_len is 12"),
    ("ValueError: Number of stages (16) cannot exceed number of layers (8)", "PP007", "num_hidden_layers is 8"),
    (TITAN, "MS001", "8 ranks were started"),
    ("ValueError: expert_parallel_degree (8) must divide dp_shard * cp * tp (4)", "EP004", "ep_size is 8"),
    ("AssertionError: Sequence length 24 must be divisible by the product of TP degree", "CP005", "seq_len is 24"),
    ("ValueError: num_kv_heads (4) must be divisible by tensor_parallel_size (8)", "TP002", "tp_size is 8"),
    ("ValueError: num_heads (12) must be divisible by tensor_parallel_size (8)", "TP003", "heads is 12"),
    (
        "ValueError: num_attention_heads (12) must be a multiple of tensor_model_parallel_size (8).",
        "TP003",
        "num_attention_heads is 12",
    ),
    (
        "ValueError: num_query_groups (6) must be a multiple or divisor of tensor_model_parallel_size (4).",
        "TP002",
        "num_key_value_heads is 6",
    ),
    ("AssertionError: world size (6) is not divisible by total_model_size (total_model_size=4)", "MS001", "6 ranks"),
    ("RuntimeError: world_size (6) is not divisible by 4", "MS001", "6 ranks"),
    (
        "RuntimeError: world_size (8) is not divisible by expert_tensor_model_pipeline_parallel size (16)",
        "EP004",
        "",
    ),
    ("AssertionError: ngroups must be evenly divisible by tp_size", "TP004", ""),
    ("AssertionError: seq-length should be a multiple of 2 * context-parallel-size if context", "CP005", ""),
    ("AssertionError: Number of experts should be a multiple of expert model parallel_size.", "EP003", ""),
    ("NotImplementedError: This model does not have a tensor parallel plan.", "TP001", ""),
    (
        (
            "RuntimeError: world_size (8) is not divisible by tensor_model_parallel_size (3) x "
            "pipeline_model_parallel_size (1) x context_parallel_size (2)"
        ),
        "MS001",
        "tp_size is 3",
    ),
    (
        "15: RuntimeError: decoder world_size (4) is not divisible by expert_tensor_model_pipeline_parallel size (8)",
        "EP004",
        "",
    ),
    ("Value error, Tensor parallel size (16) cannot be larger than the number of available GPUs (8)", "MS001", "is 16"),
    ("AssertionError: num_layers=30 should be divisible by config.pipeline_model_parallel_size=4", "PP012", "is 30"),
    ("AssertionError: num_layers should be divisible by pipeline_model_parallel_size", "PP012", ""),
    ("AssertionError: Number of layers should be divisible by the pipeline-model-parallel size", "PP012", ""),
    ("AssertionError: number of layers of the model must be divisible pipeline model parallel size", "PP012", ""),
    ("AssertionError: With uneven pipelineing the left over layers must be divisible by left over stages", "PP012", ""),
    ("ValueError: number of layers at middle stage: 29 must be divisible bythe middle pipeline", "PP012", ""),
    ("            should be divisible by vp_size 3", "PP013", ""),
    (
        "number of layers per pipeline stage must be divisible number of layers per virtual pipeline stage",
        "PP013",
        "",
    ),
    ("ValueError: Number of virtual stages (5) must be divisible by pipeline parallel size (4). Model", "PP013", ""),
    ("RuntimeError: pipeline-model-parallel size should be greater than 1 with interleaved schedule", "MS005", ""),
    ("AssertionError: First dimension of the tensor should be divisible by tensor parallel size", "TP024", ""),
    (
        (
            "ValueError: During training, performance may degrade if MoE and tensor parallelism are enabled without "
            "also enabling sequence parallelism."
        ),
        "TP025",
        "",
    ),
    ("ValueError: tp_size=6 must be divisible by dcp_size=4.", "MS006", ""),
    ("AssertionError: Number of experts (6) should be divisible by expert parallel size (4)", "EP003", "is 6"),
    (
        "ValueError: Total number of attention heads (52) must be divisible by tensor parallel size (8).",
        "TP003",
        "num_attention_heads is 52",
    ),
    (
        (
            "meshfit.report.UnsupportedMeshError: Unsupported mesh for X:\n- Tensor parallelism (tp_size=8): … "
            "(TP002 tp-kv-heads; if ignored, crashes)"
        ),
        "TP002",
        "",
    ),
)
"""(text, the first rule, a part of the decoded numbers)."""

WITH_AN_AXIS: Final = (
    ("RuntimeError: narrow unexpectedly changed concrete size on dim 1: 128 -> 64", "tp=2", "TP010"),
    ("RuntimeError: strides should be multiple of 16 bytes", "tp=2", "TP012"),
    ("RuntimeError: aten.where.self got mixed torch.Tensor and DTensor, need to convert all", "tp=2", "TP015"),
    ("RuntimeError: aten.mm.default: got mixed torch.Tensor and DTensor, need to convert all", "tp=2", "TP010"),
    ("RuntimeError: aten.index_put.default got mixed torch.Tensor and DTensor, need to", "tp=2", "TP016"),
    ("RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x32 and 16x64)", "tp=2", "TP019"),
    ("RuntimeError: shape '[1, 21, 32, 128]' is invalid for input of size 43008", "tp=2", "TP016"),
    ("RuntimeError: shape '[32, -1, 16]' is invalid for input of size 256", "tp=2", "TP002"),
    ("AttributeError: 'GPT2Model' object has no attribute 'layers'", "pp=2", "PP002"),
    ("AttributeError: 'Llama4ForCausalLM' object has no attribute 'language_model'", "pp=2", "PP002"),
    ("AttributeError: 'BaseModelOutput' object has no attribute 'past_key_values'", "pp=2", "PP003"),
    (
        "RuntimeError: It seems like you tried to call `forward` from `inputs_embeds` without providing `input_ids`",
        "pp=2",
        "PP003",
    ),
    (
        (
            "ValueError: GPTJForCausalLM does not support an attention implementation through "
            "torch.nn.functional.scaled_dot_product_attention yet."
        ),
        "cp=2",
        "CP001",
    ),
    (
        (
            "RuntimeError: Attempting to broadcast a dimension of length 8 at -1! Mismatching argument at index 1 had "
            "torch.Size([2, 4, 16, 8]); but expected shape should be broadcastable to [2, 4, 16, 16]"
        ),
        "cp=2",
        "CP004",
    ),
    (
        "ValueError: Tensor/Context parallelism (tp/cp_size > 1) cannot be used with pure data parallelism",
        "cp=2",
        "CP006",
    ),
    ("ValueError: `fsdp_size=4` was requested, but `X` has no `fsdp_plan`. Pass", "dp_replicate=4", "DP002"),
)
"""(text, the mesh that ran, the first rule): other causes write these too."""

OTHER: Final = (
    "",
    "all is well, tp_size=8, loss 2.31",
    "KeyError: 'labels'",
    "AssertionError: ",
    "AttributeError: 'NoneType' object has no attribute 'shape'",
    "AttributeError: 'Trainer' object has no attribute 'layers'",
    "AttributeError: 'LlamaForCausalLM' object has no attribute 'foo'",
    "ValueError: too many values to unpack (expected 2)",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "RuntimeError: The size of tensor a (4) must match the size of tensor b (2) at non-singleton dimension 1",
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x100 and 16x64)",
    "RuntimeError: shape '[16, 2048, 32, 128]' is invalid for input of size 33554432",  # grouped-query, no mesh at all
    "RuntimeError: shape '[2, 8, -1, 4096]' is invalid for input of size 20480",  # the mask of a diffusion model
    "RuntimeError: shape '[2, 8, -1, 77]' is invalid for input of size 1000",
    "RuntimeError: strides should be multiple of 16 bytes",
    "RuntimeError: shape '[3, 224, 224]' is invalid for input of size 1000",
    "RuntimeError: shape '[2, 16, -1, 16]' is invalid for input of size 100",  # no whole number of columns
    "RuntimeError: shape '[-1, 16]' is invalid for input of size 100",
    "RuntimeError: shape '[2, 16, -1, 0]' is invalid for input of size 100",
    "RuntimeError: shape '[0, 16, -1, 16]' is invalid for input of size 0",
    "AssertionError: 25 is not divisible by 4",  # a vision tower's heads, it turned out
    "ValueError: embed_dim must be divisible by num_heads (got `embed_dim`: 100 and `num_heads`: 12)",
    "ValueError: Weight input_size_per_partition = 10944 is not divisible by min_thread_k = 128.",  # on one device
    "args: pp_size=2\nAttributeError: 'Qwen3ForCausalLM' object has no attribute 'embed_tokens'",  # another engine's
    "AttributeError: 'PipelineStageModule' object has no attribute 'cross_attention_layers'",
    "AttributeError: 'PPMissingLayer' object has no attribute 'self_attn'",
    "RuntimeError: aten.mm.default: got mixed torch.Tensor and DTensor, need to convert all",  # FSDP alone does it too
    "AssertionError: 96 is not divisible by 64",
    "ZeroDivisionError: integer modulo by zero",
    '    raise ValueError(f"`{kind}_size={size}` was requested, but `{type(self).__name__}` has no `{kind}_plan`")',
    'assert numerator % denominator == 0, "{} is not divisible by {}".format(numerator, denominator)',
    "global batch size (10) is not divisible by micro batch size (4)",
    "RuntimeError: NCCL error: unhandled system error",
)
"""Texts behind which no rule is known."""
