"""What NeMo Automodel and torchtitan write when a mesh does not fit."""

from __future__ import annotations

import re
from typing import Final

from meshfit.crashes.pattern import Reading, Scene, crash
from meshfit.crashes.readings import heads_facts, named_sizes, products

__all__ = ["PATTERNS"]

_NEMO: Final = "NeMo Automodel components/distributed"
_TITAN: Final = "torchtitan distributed/parallel_dims.py `_validate`"
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

PATTERNS: Final = (*_NEMO_PATTERNS, *_TITAN_PATTERNS)
