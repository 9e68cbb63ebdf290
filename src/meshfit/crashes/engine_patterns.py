"""What NeMo Automodel, torchtitan, Megatron, vLLM and DeepSpeed write when a mesh does not fit."""

from __future__ import annotations

import re
from typing import Final

from meshfit.crashes.pattern import Reading, Scene, crash
from meshfit.crashes.readings import heads_facts, named_sizes, plain_division, products

__all__ = ["PATTERNS"]

_NEMO: Final = "NeMo Automodel components/distributed"
_TITAN: Final = "torchtitan distributed/parallel_dims.py `_validate`"
_CORE: Final = "Megatron-core transformer/transformer_config.py"
_BLOCK: Final = "Megatron-core transformer/transformer_block.py `get_num_layers_to_build`"
_ARGUMENTS: Final = "Megatron-LM training/arguments.py"
_HEADS: Final = "num_attention_heads"
_KV_HEADS: Final = "num_key_value_heads"
_N: Final = r"\d{1,9}"


def _te_heads(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    """Transformer Engine names both counts; the one that does not divide is at fault."""
    heads, groups, size = int(match["heads"]), int(match["groups"]), int(match["size"])
    uneven = groups % size != 0
    fact, count = (_KV_HEADS, groups) if uneven else (_HEADS, heads)
    told = f"{_HEADS} is {heads}, {_KV_HEADS} is {groups}, tp_size is {size}"
    return Reading(told, {"tp": size}, heads_facts(fact, count), codes=("TP002",) if uneven else ("TP003",))


_NEMO_PATTERNS: Final = (
    crash(
        "must be divisible by TP size",
        rf"num_key_value_heads \((?P<count>{_N})\) must be divisible by TP size \((?P<size>{_N})\)",
        "TP002",
        "nemo",
        f"{_NEMO}/parallelizer.py `validate_tp_mesh`",
        named_sizes("tp", _KV_HEADS),
    ),
    crash(
        "must be divisible by TP size",
        rf"num_attention_heads \((?P<count>{_N})\) must be divisible by TP size \((?P<size>{_N})\)",
        "TP003",
        "nemo",
        f"{_NEMO}/parallelizer.py `validate_tp_mesh`",
        named_sizes("tp", _HEADS),
    ),
    crash(
        "attention head counts must be divisible by tensor-parallel size",
        rf"num_attention_heads=(?P<heads>{_N}), num_gqa_groups=(?P<groups>{_N}), tp_size=(?P<size>{_N})",
        "TP002 TP003",
        "nemo",
        f"{_NEMO}/context_parallel/utils.py",
        _te_heads,
    ),
    crash(
        "Hugging Face tp plan is not supported for",
        r"Hugging Face tp plan is not supported for",
        "TP001",
        "nemo",
        f"{_NEMO}/parallelizer.py",
        lambda match, scene: Reading("", {"tp": scene.sizes.get("tp", 2)}, {"tp_plan": {}, "declared": {}}),  # noqa: ARG005
    ),
    crash(
        "must be divisible by (",
        rf"world_size \((?P<world>{_N})\) must be divisible by \([^()]{{1,200}}\) \([^()]{{1,200}} = (?P<ranks>{_N})\)",
        "MS001",
        "nemo",
        f"{_NEMO}/mesh_utils.py",
        products(),
    ),
    crash(
        "must be a multiple of ep_size=",
        rf"non_pp_size={_N} must be a multiple of ep_size=(?P<size>{_N})",
        "EP004",
        "nemo",
        f"{_NEMO}/mesh_utils.py",
        named_sizes("ep"),
    ),
    crash(
        "must be divisible by ep_size",
        rf"n_(?:routed|physical)_experts[ =]\(?(?P<count>{_N})\)? must be divisible by ep_size[ =]\(?(?P<size>{_N})",
        "EP003",
        "nemo",
        "NeMo Automodel components/moe/experts.py; vLLM's expert layers",
        named_sizes("ep", "num_experts"),
    ),
    crash(
        "Number of experts must be divisible by ep_size",
        rf"Number of experts must be divisible by ep_size \(ep_size=(?P<size>{_N})\)",
        "EP003",
        "nemo",
        "NeMo Automodel components/moe/experts.py",
        named_sizes("ep"),
    ),
    crash(
        "must be divisible by 2 * cp_size",
        rf"padded_seq_len must be divisible by 2 \* cp_size, got padded_seq_len=(?P<count>{_N}) cp_size=(?P<size>{_N})",
        "CP005",
        "nemo",
        f"{_NEMO}/context_parallel/sharder.py",
        named_sizes("cp", "seq_len"),
    ),
    crash(
        "CP sequence length",
        rf"CP sequence length (?P<count>{_N}) must be divisible by {_N}",
        "CP005",
        "nemo",
        f"{_NEMO}/context_parallel/utils.py",
        named_sizes("cp", "seq_len"),
    ),
    crash(
        "cannot exceed number of layers",
        rf"Number of stages \((?P<size>{_N})\) cannot exceed number of layers \((?P<count>{_N})\)",
        "PP007",
        "nemo",
        f"{_NEMO}/pipelining/functional.py",
        named_sizes("pp", "num_hidden_layers"),
    ),
)

_TITAN_PATTERNS: Final = (
    crash(
        "Invalid parallel dims",
        rf"Invalid parallel dims: dp_replicate\((?P<dp_replicate>{_N})\) \* dp_shard\((?P<dp_shard>{_N})\) \* "
        rf"cp\((?P<cp>{_N})\) \* tp\((?P<tp>{_N})\) \* pp\((?P<pp>{_N})\) != WORLD_SIZE\((?P<world>{_N})\)",
        "MS001",
        "torchtitan",
        _TITAN,
        products("pp", "dp_replicate", "dp_shard", "cp", "tp"),
    ),
    crash(
        "must divide dp_shard * cp * tp",
        rf"expert_parallel_degree \((?P<size>{_N})\) must divide dp_shard \* cp \* tp \({_N}\)",
        "EP004",
        "torchtitan",
        _TITAN,
        named_sizes("ep"),
    ),
    crash(
        "must be divisible by the product of TP degree",
        rf"(?:Sequence length|Token count) (?P<count>{_N}) must be divisible by the product of TP degree",
        "CP005",
        "torchtitan",
        "torchtitan models' parallelize functions",
        named_sizes("cp", "seq_len"),
    ),
    crash(
        "must be divisible by tensor_parallel_",
        rf"n(?:um)?_kv_heads \((?P<count>{_N})\) must be divisible by tensor_parallel_(?:size|degree) "
        rf"\((?P<size>{_N})\)",
        "TP002",
        "torchtitan",
        "torchtitan models' configs",
        named_sizes("tp", _KV_HEADS),
    ),
    crash(
        "must be divisible by tensor_parallel_",
        rf"n(?:um)?_heads \((?P<count>{_N})\) must be divisible by tensor_parallel_(?:size|degree) \((?P<size>{_N})\)",
        "TP003",
        "torchtitan",
        "torchtitan models' configs",
        named_sizes("tp", _HEADS),
    ),
)

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
        " is not divisible by ",
        rf"AssertionError: (?P<count>{_N}) is not divisible by (?P<size>{_N})\s*$",
        "TP003 TP002 EP003",
        "vllm",
        "`divide` of vLLM distributed/utils.py and Megatron-core utils.py",
        plain_division,
    ),
)

PATTERNS: Final = (
    *_NEMO_PATTERNS,
    *_TITAN_PATTERNS,
    *_MEGATRON_PATTERNS,
    *_STAGES,
    *_SEQUENCE,
    *_VLLM_PATTERNS,
)
