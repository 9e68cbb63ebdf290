"""Flags of Megatron-LM and of ms-swift, which hands them on: sizes, settings, and what they say of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from meshfit.lint.flags import Flags
from meshfit.lint.flags_line import Line
from meshfit.lint.launchers import Ranks
from meshfit.lint.recipe import Recipe, Spot, Written
from meshfit.readers.spellings import MESH_KEYS

__all__ = ["read_megatron", "read_swift"]

_MEGATRON: Final = MESH_KEYS["megatron"]
_SERVED: Final = {f"vllm_{key}": axis for key, axis in MESH_KEYS["vllm"].items()}
_OWN_SCRIPT: Final = re.compile(r"(?:.*/)?pretrain_\w+\.py\Z")
_SWIFT: Final = re.compile(r"(?:.*/)?swift/cli/_megatron/\w+\.py\Z|swift\.cli\._megatron\.\w+\Z")
_GROUPED: Final = ("num_query_groups", "group_query_attention", "multi_latent_attention")
_SIGNS: Final = frozenset({"--tensor-model-parallel-size", "--pipeline-model-parallel-size"})
"""Flags that are Megatron-LM's beyond doubt: no other program spells them with dashes."""

_MEGATRON_FACTS: Final[Mapping[str, str]] = {
    "hidden_size": "hidden_size",
    "num_attention_heads": "num_attention_heads",
    "num_layers": "num_hidden_layers",
    "ffn_hidden_size": "intermediate_size",
    "kv_channels": "head_dim",
    "num_experts": "num_experts",
    "moe_ffn_hidden_size": "moe_intermediate_size",
}
"""Flags of Megatron-LM's megatron/training/arguments.py, and the facts they set."""
_MEGATRON_COUNTS: Final[Mapping[str, str]] = {
    "decoder_first_pipeline_num_layers": "num_layers_in_first_pipeline_stage",
    "decoder_last_pipeline_num_layers": "num_layers_in_last_pipeline_stage",
    "expert_tensor_parallel_size": "expert_tensor_parallel_size",
    "num_layers_per_virtual_pipeline_stage": "num_layers_per_virtual_pipeline_stage",
    "num_virtual_stages_per_pipeline_rank": "virtual_pipeline_model_parallel_size",
    "virtual_pipeline_model_parallel_size": "virtual_pipeline_model_parallel_size",
    "pipeline_model_parallel_layout": "pipeline_model_parallel_layout",
}
_MEGATRON_SWITCHES: Final[Mapping[str, str]] = {
    "account_for_embedding_in_pipeline_split": "account_for_embedding_in_pipeline_split",
    "account_for_loss_in_pipeline_split": "account_for_loss_in_pipeline_split",
    "sequence_parallel": "sequence_parallel",
}
"""Flags of Megatron-LM, and the settings of a mesh that they are."""
_LAYOUTS: Final = (
    *("hybrid_layer_pattern", "hybrid_override_pattern", "mtp_num_layers", "encoder_num_layers", "decoder_num_layers"),
    # Megatron-DeepSpeed leaves the stages to DeepSpeed
    *("deepspeed", "deepspeed_config", "pp_partition_method", "no_pipeline_parallel"),
    *("standalone_embedding_stage", "pipeline_model_parallel_split_rank", "custom_pipeline_layers", "noop_layers"),
)
"""Flags by which stages get other numbers of layers than their even share, in ways that no rule knows."""
_ELSEWHERE: Final = ("yaml_cfg", "use_checkpoint_args", "use_mp_args_from_checkpoint_args", "hf_model_path", "config")
"""Flags by which another file sets sizes."""
_MEGATRON_OTHERS: Final = frozenset(
    {
        *("expert_tensor_parallel_size", "virtual_pipeline_model_parallel_size", "target_tensor_parallel_size"),
        *("target_pipeline_parallel_size", "encoder_tensor_model_parallel_size", "tensor_parallel_num_weight_shards"),
        *("encoder_pipeline_model_parallel_size", "ds_sequence_parallel_size", "model_parallel_size"),
        *("target_tensor_model_parallel_size", "target_pipeline_model_parallel_size", "vllm_tensor_parallel_size"),
        *("sequence_parallel_size", "hierarchical_context_parallel_sizes", "vllm_data_parallel_size"),
    }
)


def read_megatron(line: Line) -> Iterator[Recipe]:
    """`pretrain_gpt.py` and whatever else takes Megatron-LM's flags."""
    begin = line.after_script()
    if begin is None:
        return
    flags = line.flags(begin)
    named = _OWN_SCRIPT.match(line.names[begin - 1]) is not None
    if named or not _SIGNS.isdisjoint(flag.key.text for flag in flags.given):
        yield from _recipe(flags, line.spot, line.ranks(begin), tool="megatron", aliases=named)


def read_swift(line: Line) -> Iterator[Recipe]:
    """`megatron sft …` of ms-swift, and the vLLM that its commands start."""
    begin = line.after_match(_SWIFT) or line.after("megatron", "sft", "pt", "rlhf", "export")
    if begin is not None:
        flags = line.flags(begin)
        ranks = line.ranks(begin)
        world = ranks.world or line.of_environment("NPROC_PER_NODE", "NNODES")
        yield from _recipe(flags, line.spot, ranks._replace(world=world), tool="ms-swift", aliases=True)
    else:
        begin = line.after("swift", "sft", "pt", "rlhf", "infer", "deploy", "rollout", "eval", "sample", "app")
        if begin is None:
            return
        flags = line.flags(begin)
    if flags.has(*_SERVED):
        sizes, problems = flags.mesh(_SERVED, line.spot, complete=True, aliases=False)
        yield Recipe(
            tool="ms-swift",
            spot=line.spot,
            engine="vllm",
            sizes=sizes,
            model=flags.word("model"),
            problems=problems,
        )


def _recipe(flags: Flags, whole: Spot, ranks: Ranks, *, tool: str, aliases: bool) -> Iterator[Recipe]:
    complete = not flags.has(*_ELSEWHERE)
    sizes, problems = flags.mesh(_MEGATRON, whole, complete=complete, known=_MEGATRON_OTHERS, aliases=aliases)
    if not problems and not flags.has(*_MEGATRON):
        return
    own = {"pp"} if flags.has(*_LAYOUTS) else set[str]()
    kind = flags.word("cp_comm_type")
    if flags.has("cp_comm_type") and (kind is None or kind.value != "p2p"):
        own.add("cp")
    counted = not flags.has("tensor_parallel_num_weight_shards", "gtp_weight_remat_size")
    own_model = tool == "megatron"
    settings = flags.settings(_MEGATRON_COUNTS, _MEGATRON_SWITCHES, whole, complete=complete)
    if not own_model:
        # ms-swift sets what Megatron-LM takes from tp, swift/megatron/arguments/megatron_args.py
        settings.setdefault("expert_tensor_parallel_size", Written(1, whole, "expert_tensor_parallel_size"))
    elif aliases and complete and not flags.open:
        # a script that trains shares tokens out only when it is told to
        settings.setdefault("sequence_parallel", Written(False, whole, "sequence_parallel"))
    yield Recipe(
        tool=tool,
        spot=whole,
        engine="megatron",
        sizes=sizes,
        own=frozenset(own),
        settings=settings,
        model=None if own_model else flags.word("model"),
        facts=_facts(flags) if own_model else {},
        world=ranks.world if counted else None,
        gpus_per_node=ranks.gpus_per_node,
        seq_len=flags.number("seq_length") if own_model and not flags.has("decoder_seq_length") else None,
        problems=problems,
    )


def _facts(flags: Flags) -> dict[str, Written]:
    facts = {}
    for flag, fact in _MEGATRON_FACTS.items():
        said = flags.number(flag)
        if said is not None and type(said.value) is int and said.value > 0:
            facts[fact] = said  # a negative one stands for what the checkpoint says
    groups, heads = flags.number("num_query_groups"), facts.get("num_attention_heads")
    if groups is not None and flags.has("group_query_attention"):
        if type(groups.value) is int and groups.value > 0:
            facts["num_key_value_heads"] = groups
    elif heads is not None and not flags.open and not flags.has(*_GROUPED, *_ELSEWHERE):
        # without groups each head has keys of its own, megatron/core/transformer/transformer_config.py
        facts["num_key_value_heads"] = heads
    return facts
