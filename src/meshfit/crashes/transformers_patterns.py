"""What transformers, accelerate, DeepSpeed's Ulysses and torch below them write when a mesh does not fit."""

from __future__ import annotations

import re
from typing import Final

from meshfit.crashes.pattern import Reading, Scene, crash
from meshfit.crashes.readings import (
    broadcast_by_cp,
    cut_view,
    grouped_rows,
    mixed_tensors,
    multiplied,
    named_sizes,
    no_plan,
    products,
    refused_layers,
    unknown_names,
)

__all__ = ["PATTERNS"]

_MIXIN: Final = "transformers 5.23 distributed/mixin.py `_resolve_parallel_plans`"
_CONFIG: Final = "transformers 5.23 distributed/configuration_utils.py `DistributedConfig`"
_PIPELINE: Final = "transformers 5.23 distributed/pipeline_parallel.py `apply_pipeline_parallelism`"
_ACCELERATE: Final = "accelerate 1.15 parallelism_config.py `ParallelismConfig`"
_BIG: Final = "accelerate 1.15 big_modeling.py"
_ULYSSES: Final = "DeepSpeed 0.19 runtime/sequence_parallel/ulysses_sp.py"
_DTENSOR: Final = "torch 2.13 distributed/tensor"

_PARTS: Final = frozenset({"layers", "embed_tokens", "norm", "lm_head"})
"""The attributes that transformers' pipeline moves between stages."""


def _missing_part(match: re.Match[str], scene: Scene) -> Reading | None:
    """An attribute error: of the code that splits a model into stages, or of a forward that met a stand-in layer."""
    owner, attribute = match["owner"], match["attribute"]
    told = f"{owner} has no {attribute}" if attribute else ""
    if any(
        frame.path.replace("\\", "/").endswith("transformers/distributed/pipeline_parallel.py")
        for frame in scene.frames
    ):
        return Reading(told, {"pp": scene.sizes.get("pp", 2)}, certain=attribute in _PARTS)
    if attribute == "past_key_values":
        return Reading(told, codes=("PP003",), certain=False) if re.search(r"Output(?:With|$)", owner) else None
    if scene.frames or (attribute and not re.search(r"For[A-Z]|Model|LMHead|Encoder|Decoder", owner)):
        return None
    return Reading(told, certain=False) if attribute in _PARTS or "pp" in scene.axes else None


def _stand_in(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    """Only transformers' pipeline puts a PipelineIdentityLayer where the layers of other stages were."""
    return Reading(f"a forward reads {match['attribute']} of a layer that another stage holds")


def _by_axes(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    """Both axes are named at once; the rule is the one of the axis in use."""
    codes = ("CP006", "MS003") if "cp" in scene.axes and "tp" not in scene.axes else ("MS003", "CP006")
    return Reading(codes=codes)


_PLANS: Final = (
    crash(
        "was requested, but",
        r"`(?P<kind>tp|ep|fsdp)_size=(?P<size>\d{1,9})` was requested, but `(?P<owner>\w{1,200})` "
        r"has no `(?P=kind)_plan`",
        "TP001 EP001 DP001 DP002",
        "transformers",
        _MIXIN,
        no_plan,
    ),
    crash(
        "This model does not have a tensor parallel plan",
        r"This model does not have a tensor parallel plan",
        "TP001",
        "transformers",
        "transformers 4 modeling_utils.py `from_pretrained`",
        lambda match, scene: Reading("", {"tp": scene.sizes.get("tp", 2)}, {"tp_plan": {}}),  # noqa: ARG005
    ),
    crash(
        "match nothing in",
        r"`(?P<kind>tp|ep)_plan` keys \[(?P<names>[^\]]{1,2000})\] match nothing in",
        "TP005 EP008",
        "transformers",
        _MIXIN,
        unknown_names,
    ),
    crash(
        "Supported styles are",
        r"Unsupported `(?P<kind>tp|ep)_plan` styles: \{(?P<names>[^}]{1,2000})\}\. Supported styles are",
        "TP006 EP008",
        "transformers",
        f"{_MIXIN}, `_validate_parallel_plan`",
        unknown_names,
    ),
    crash("The `ep_router` style was removed", r"The `ep_router` style was removed", "EP008", "transformers", _MIXIN),
    crash(
        "shards linear layers",
        r"\b\w{1,200} has no `(?:out|in)_features`: (?:col|row)wise shards linear layers",
        "TP007",
        "transformers",
        "transformers 5.23 distributed/tensor_parallel.py `install_forward`",
    ),
)

_MESHES: Final = (
    crash(
        "The parallel mesh requires",
        r"The parallel mesh requires (?P<ranks>\d{1,9}) processes, but world_size is (?P<world>\d{1,9})",
        "MS001",
        "transformers",
        "transformers 5.23 distributed/utils.py `initialize_distributed_mesh`",
        products(),
    ),
    crash(
        "must be divisible by dp_replicate_size * fsdp_size",
        r"WORLD_SIZE \((?P<world>\d{1,9})\) must be divisible by dp_replicate_size \* fsdp_size",
        "MS001",
        "transformers",
        _CONFIG,
        products(),
    ),
    crash(
        "Combining FSDP with pipeline parallelism is not",
        r"Combining FSDP with pipeline parallelism is not",
        "MS002",
        "transformers",
        _CONFIG,
    ),
    crash("must divide `fsdp_size * tp_size`", r"`ep_size` must divide `fsdp_size", "EP004", "transformers", _CONFIG),
    crash("`ep_size` must be a multiple of", r"`ep_size` must be a multiple of", "EP004", "transformers", _CONFIG),
    crash(
        "expert group to hold the same batch",
        r"needs every rank of the expert group to hold the same batch",
        "EP005",
        "transformers",
        "transformers 5.23 distributed/expert_parallel.py",
    ),
    crash(
        "Combining token dispatch with pipeline parallelism",
        r"Combining token dispatch with pipeline parallelism",
        "EP006",
        "transformers",
        _CONFIG,
    ),
    crash(
        "Cannot evenly shard",
        r"Cannot evenly shard (?P<count>\d{1,9}) experts across (?P<size>\d{1,9}) expert-parallel ranks",
        "EP003",
        "transformers",
        "transformers 5.23 distributed/expert_parallel.py `MoEParamShard.shard_param`",
        named_sizes("ep", "num_experts"),
    ),
    crash(
        "ParallelismConfig total_size",
        r"ParallelismConfig total_size \((?P<ranks>\d{1,9})\) does not match num_processes \((?P<world>\d{1,9})\)",
        "MS001",
        "accelerate",
        _ACCELERATE,
        products(),
    ),
    crash(
        "cannot be used with pure data parallelism",
        r"Tensor/Context parallelism \(tp/cp_size > 1\) cannot be used with pure data parallelism",
        "MS003 CP006",
        "accelerate",
        _ACCELERATE,
        _by_axes,
    ),
    crash(
        "(SP) are mutually exclusive",
        r"Context Parallelism \(CP\) and Sequence Parallelism \(SP\) are mutually exclusive\. "
        r"Got cp_size=(?P<cp>\d{1,9}) and sp_size=(?P<sp>\d{1,9})",
        "MS004",
        "accelerate",
        _ACCELERATE,
        products("cp", "sp"),
    ),
)

_FORWARDS: Final = (
    crash(
        "is invalid for input of size",
        r"shape '\[(?P<shape>-?\d{1,12}(?:, -?\d{1,12}){1,5})\]' is invalid for input of size (?P<numel>\d{1,15})",
        "TP002 TP003",
        "transformers",
        "torch's view, on the output of a projection that ColwiseParallel cut",
        cut_view,
    ),
    crash(
        "narrow unexpectedly changed concrete size",
        r"narrow unexpectedly changed concrete size on dim",
        "TP010",
        "transformers",
        f"{_DTENSOR}/placement_types.py, under transformers' tied head",
        needs="tp",
    ),
    crash(
        "strides should be multiple of",
        r"strides should be multiple of (?P<bytes>\d{1,4}) bytes",
        "TP012",
        "transformers",
        "torch 2.13 `grouped_mm`, under transformers integrations/moe.py",
        grouped_rows,
        needs="tp",
    ),
    crash(
        "of _ToTorchTensor is a view and is being modified inplace",
        r"Output \d+ of _ToTorchTensor is a view and is being modified inplace",
        "TP014",
        "transformers",
        f"{_DTENSOR} `to_local`, under transformers' tensor parallelism",
    ),
    crash(
        "got mixed torch.Tensor and DTensor",
        r"aten\.(?P<operation>\w{1,60})\.\w{1,60}:? got mixed torch\.Tensor and DTensor",
        "TP015 TP016 TP010",
        "transformers",
        f"{_DTENSOR}/_dispatch.py",
        mixed_tensors,
        needs="tp",
    ),
    crash(
        "'qk_rope_head_dim' is a per-layer attribute",
        r"'qk_rope_head_dim' is a per-layer attribute",
        "TP018",
        "transformers",
        "transformers 5.23 distributed/tensor_parallel.py `MlaKvAProjParallel`",
    ),
    crash(
        "shapes cannot be multiplied",
        r"mat1 and mat2 shapes cannot be multiplied \(\d{1,9}x(?P<left>\d{1,9}) and (?P<right>\d{1,9})x\d{1,9}\)",
        "TP019",
        "transformers",
        "torch's matmul, on layouts of a plan that disagree",
        multiplied,
        needs="tp",
    ),
    crash(
        "PipelineIdentityLayer",
        r"AttributeError: '?PipelineIdentityLayer'? (?:object )?has no attribute [`']?(?P<attribute>\w{1,100})",
        "PP003",
        "transformers",
        _PIPELINE,
        _stand_in,
    ),
    crash(
        "has no attribute '",
        r"AttributeError: '(?P<owner>\w{1,200})' object has no attribute '(?P<attribute>\w{0,200})'",
        "PP002",
        "transformers",
        _PIPELINE,
        _missing_part,
        needs="pp",
    ),
    crash(
        "call `forward` from `inputs_embeds` without",
        r"tried to call `forward` from `inputs_embeds` without providing `input_ids`",
        "PP003",
        "transformers",
        "transformers' own check in a base forward, met on a stage that has no input_ids",
        needs="pp",
    ),
    crash(
        "does not support attention layers of type",
        r"(?P<axis>Context|Sequence) parallelism does not support attention layers of type "
        r"\[?(?P<kinds>[^\]()]{1,500})\]? \(model (?P<owner>\w{1,200})\)",
        "CP002 SP001",
        "accelerate",
        _BIG,
        lambda match, scene: refused_layers(match, scene)._replace(
            codes=("CP002",) if match["axis"] == "Context" else ("SP001",)
        ),
    ),
    crash(
        "does not support an attention implementation through torch.nn.functional.scaled_dot_product_attention",
        r"\w{1,200} does not support an attention implementation through torch\.nn\.functional\.scaled_dot_product",
        "CP001",
        "accelerate",
        "transformers 5.23 modeling_utils.py, asked for sdpa",
        lambda match, scene: Reading("", {"cp": scene.sizes.get("cp", 2)}, {"supports_sdpa": False}, certain=False),  # noqa: ARG005
        needs="cp",
    ),
    crash(
        "Attempting to broadcast a dimension of length",
        r"had torch\.Size\(\[(?P<have>[\d, ]{1,100})\]\); but expected shape should be broadcastable to "
        r"\[(?P<want>[\d, ]{1,100})\]",
        "CP004",
        "accelerate",
        "torch's broadcast of a whole mask or position over a rank's part",
        broadcast_by_cp,
        needs="cp",
    ),
    crash(
        "is not divisible by SP size",
        r"Attention head count (?P<count>\d{1,9}) is not divisible by SP size (?P<size>\d{1,9})",
        "SP002",
        "accelerate",
        _ULYSSES,
        named_sizes("sp", "num_attention_heads"),
    ),
    crash(
        "KV attention head count",
        r"KV attention head count (?P<count>\d{1,9}) is not divisible by SP size (?P<size>\d{1,9})",
        "SP003",
        "accelerate",
        _ULYSSES,
        named_sizes("sp", "num_key_value_heads"),
    ),
    crash(
        "isn't divisible by sp-size",
        r"seqlen=(?P<count>\d{1,9}) isn't divisible by sp-size=(?P<size>\d{1,9})",
        "SP004",
        "accelerate",
        _ULYSSES,
        named_sizes("sp", "seq_len"),
    ),
)

PATTERNS: Final = (*_PLANS, *_MESHES, *_FORWARDS)
