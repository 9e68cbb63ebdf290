"""What Megatron-LM, the engines that use its functions, and vLLM write when a mesh does not fit."""

from __future__ import annotations

from typing import Final

from meshfit.crashes.pattern import Reading, crash
from meshfit.crashes.readings import named_sizes, plain_division, products

__all__ = ["PATTERNS"]

_CORE: Final = "Megatron-core transformer/transformer_config.py"
_BLOCK: Final = "Megatron-core transformer/transformer_block.py `get_num_layers_to_build`"
_ARGUMENTS: Final = "Megatron-LM training/arguments.py"
_HEADS: Final = "num_attention_heads"
_KV_HEADS: Final = "num_key_value_heads"
_N: Final = r"\d{1,9}"

_MEGATRON_PATTERNS: Final = (
    crash(
        "must be a multiple of tensor_model_parallel_size",
        rf"num_attention_heads \((?P<count>{_N})\) must be a multiple of tensor_model_parallel_size \((?P<size>{_N})\)",
        "TP003",
        "megatron",
        _CORE,
        named_sizes("tp", _HEADS),
    ),
    crash(
        "of tensor_model_parallel_size",
        rf"num_query_groups \((?P<count>{_N})\) must be a multiple (?:or divisor )?of tensor_model_parallel_size "
        rf"\((?P<size>{_N})\)",
        "TP002",
        "megatron",
        _CORE,
        named_sizes("tp", _KV_HEADS),
    ),
    crash(
        "is not divisible by total_model_size",
        rf"world size \((?P<world>{_N})\) is not divisible by total_model_size",
        "MS001",
        "megatron",
        _ARGUMENTS,
        products(),
    ),
    crash(
        "is not divisible by expert_tensor_model_pipeline_parallel size",
        rf"world_size \({_N}\) is not divisible by expert_tensor_model_pipeline_parallel size \({_N}\)",
        "EP004",
        "megatron",
        "Megatron-core parallel_state.py `initialize_model_parallel`",
    ),
    crash(
        ") is not divisible by ",
        rf"RuntimeError: world_size \((?P<world>{_N})\) is not divisible by (?P<ranks>{_N})\s*$",
        "MS001",
        "megatron",
        "Megatron-core parallel_state.py `initialize_model_parallel`",
        products(),
    ),
    crash(
        "is not divisible by tensor_model_parallel_size",
        rf"world_size`? \((?P<world>{_N})\) is not divisible by tensor_model_parallel_size \((?P<tp>{_N})\) x "
        rf"pipeline_model_parallel_size \((?P<pp>{_N})\)(?: x context_parallel_size \((?P<cp>{_N})\))?",
        "MS001",
        "megatron",
        "earlier releases of Megatron-core parallel_state.py",
        products("tp", "pp", "cp"),
    ),
    crash(
        "ngroups must be evenly divisible by tp_size",
        r"ngroups must be evenly divisible by tp_size",
        "TP004",
        "megatron",
        "Megatron-core ssm/mamba_mixer.py",
    ),
    crash(
        "should be a multiple of 2 * context-parallel-size",
        r"seq-length should be a multiple of 2 \* context-parallel-size",
        "CP005",
        "megatron",
        _ARGUMENTS,
    ),
    crash(
        "should be a multiple of expert model parallel_size",
        r"Number of experts should be a multiple of expert model parallel_size",
        "EP003",
        "megatron",
        _ARGUMENTS,
    ),
    crash(
        "should be divisible by expert parallel size",
        rf"Number of experts \((?P<count>{_N})\) should be divisible by expert parallel size \((?P<size>{_N})\)",
        "EP003",
        "nemo",
        "DeepSpeed 0.19 moe/layer.py",
        named_sizes("ep", "num_experts"),
    ),
)

_STAGES: Final = (
    crash(
        "pipeline_model_parallel_size",
        rf"num_layers=(?P<count>{_N}) should be divisible by config\.pipeline_model_parallel_size=(?P<size>{_N})",
        "PP012",
        "megatron",
        _BLOCK,
        named_sizes("pp", "num_hidden_layers"),
    ),
    crash(
        "num_layers should be divisible by pipeline_model_parallel_size",
        r"num_layers should be divisible by pipeline_model_parallel_size",
        "PP012",
        "megatron",
        _BLOCK,
    ),
    crash(
        "should be divisible by the pipeline-model-parallel size",
        r"Number of layers should be divisible by the pipeline-model-parallel size",
        "PP012",
        "megatron",
        _ARGUMENTS,
    ),
    crash(
        "must be divisible pipeline model parallel size",
        r"number of layers of the model must be divisible pipeline model parallel size",
        "PP012",
        "megatron",
        _ARGUMENTS,
    ),
    crash(
        "layers must be divisible by left over stages",
        r"the left over layers must be divisible by left over stages",
        "PP012",
        "megatron",
        _BLOCK,
    ),
    crash(
        "number of layers at middle stage",
        rf"number of layers at middle stage: {_N} must be divisible by",
        "PP012",
        "megatron",
        _CORE,
    ),
    crash(
        "should be divisible by vp_size",
        rf"should be divisible by vp_size {_N}",
        "PP013",
        "megatron",
        _BLOCK,
    ),
    crash(
        "must be divisible number of layers per virtual pipeline stage",
        r"must be divisible number of layers per virtual pipeline stage",
        "PP013",
        "megatron",
        _ARGUMENTS,
    ),
    crash(
        "must be divisible by pipeline parallel size",
        rf"Number of virtual stages \({_N}\) must be divisible by pipeline parallel size \((?P<size>{_N})\)",
        "PP013",
        "torchtitan",
        "torchtitan distributed/pipeline_parallel.py; NeMo Automodel has it too",
    ),
    crash(
        "pipeline-model-parallel size should be greater than 1",
        r"pipeline-model-parallel size should be greater than 1",
        "MS005",
        "megatron",
        "Megatron-core parallel_state.py; Megatron-LM training/arguments.py",
    ),
)

_SEQUENCE: Final = (
    crash(
        "First dimension of the tensor should be divisible by tensor parallel size",
        r"First dimension of the tensor should be divisible by tensor parallel size",
        "TP024",
        "megatron",
        "Megatron-core tensor_parallel/mappings.py",
        lambda match, scene: Reading(certain=False),  # noqa: ARG005
    ),
    crash(
        "without also enabling sequence parallelism",
        r"MoE and tensor parallelism are enabled without also enabling sequence parallelism",
        "TP025",
        "megatron",
        "Megatron-core transformer/moe/moe_layer.py",
    ),
)

_VLLM_PATTERNS: Final = (
    crash(
        "must be divisible by dcp_size",
        rf"tp_size=(?P<size>{_N}) must be divisible by dcp_size={_N}",
        "MS006",
        "vllm",
        "vLLM config/parallel.py",
    ),
    crash(
        "must be divisible by tensor parallel size",
        rf"Total number of attention heads \((?P<count>{_N})\) must be divisible by tensor parallel size "
        rf"\((?P<size>{_N})\)",
        "TP003",
        "vllm",
        "vLLM config/model.py `verify_with_parallel_config`",
        named_sizes("tp", _HEADS),
    ),
    crash(
        "cannot be larger than the number of available GPUs",
        rf"Tensor parallel size \((?P<tp>{_N})\) cannot be larger than the number of available GPUs "
        rf"\((?P<world>{_N})\)",
        "MS001",
        "vllm",
        "vLLM, where no cluster is set up",
        products("tp"),
    ),
    crash(
        " is not divisible by ",
        rf"AssertionError: (?P<count>{_N}) is not divisible by (?P<size>{_N})\s*$",
        "TP003 TP002 EP003",
        "vllm",
        "`divide` of vLLM distributed/utils.py and Megatron-core utils.py",
        plain_division,
    ),
)

PATTERNS: Final = (*_MEGATRON_PATTERNS, *_STAGES, *_SEQUENCE, *_VLLM_PATTERNS)
