"""How tools spell the sizes of a mesh: aliases that are read, and spellings that are refused with the right one."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from meshfit.mesh import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ALIASES", "JOINED", "MESH_KEYS", "SETTINGS", "SPELLINGS", "guess", "meant_key", "unknown_key"]

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"fsdp": "dp_shard", "shard": "dp_shard", "ddp": "dp_replicate", "replicate": "dp_replicate"}
)
"""Other names of an axis. `dp` is no plain alias: see `_data_parallel`."""

SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tensor_parallel_size": "tp_size",
        "tensor_model_parallel_size": "tp_size",
        "tensor_parallel_degree": "tp_size",
        "autotp_size": "tp_size",
        "pipeline_parallel_size": "pp_size",
        "pipeline_model_parallel_size": "pp_size",
        "pipeline_parallel_degree": "pp_size",
        "context_parallel_size": "cp_size",
        "context_parallel_degree": "cp_size",
        "expert_parallel_size": "ep_size",
        "expert_model_parallel_size": "ep_size",
        "expert_parallel_degree": "ep_size",
        "sequence_parallel_size": "sp_size",
        "ulysses_sequence_parallel_size": "sp_size",
        "data_parallel_size": "dp_size",
        "data_parallel_shard_degree": "dp_shard_size",
        "data_parallel_replicate_degree": "dp_replicate_size",
    }
)
"""Spellings of other tools. They are refused with the right one rather than read: an engine that does not know a
spelling drops it in silence, and whoever wrote it then has no parallelism at all."""

MESH_KEYS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "transformers": {
            "tp_size": "tp",
            "pp_size": "pp",
            "ep_size": "ep",
            "fsdp_size": "dp_shard",
            "dp_replicate_size": "dp_replicate",
        },
        "accelerate": {
            "parallelism_config_tp_size": "tp",
            "parallelism_config_cp_size": "cp",
            "parallelism_config_sp_size": "sp",
            "parallelism_config_dp_shard_size": "dp_shard",
            "parallelism_config_dp_replicate_size": "dp_replicate",
        },
        "accelerate megatron": {"megatron_lm_tp_degree": "tp", "megatron_lm_pp_degree": "pp"},
        "nemo": {
            "tp_size": "tp",
            "pp_size": "pp",
            "cp_size": "cp",
            "ep_size": "ep",
            "dp_size": "dp",
            "dp_replicate_size": "dp_replicate",
        },
        "axolotl": {
            "tensor_parallel_size": "tp",
            "context_parallel_size": "cp",
            "sequence_parallel_degree": "cp",
            "expert_parallel_size": "ep",
            "dp_shard_size": "dp_shard",
            "dp_replicate_size": "dp_replicate",
        },
        "llamafactory": {
            "tensor_model_parallel_size": "tp",
            "pipeline_model_parallel_size": "pp",
            "context_parallel_size": "cp",
            "expert_model_parallel_size": "ep",
        },
        "megatron": {
            "tensor_model_parallel_size": "tp",
            "pipeline_model_parallel_size": "pp",
            "context_parallel_size": "cp",
            "expert_model_parallel_size": "ep",
        },
        "torchtitan": {
            "tensor_parallel_degree": "tp",
            "pipeline_parallel_degree": "pp",
            "context_parallel_degree": "cp",
            "expert_parallel_degree": "ep",
            "data_parallel_shard_degree": "dp_shard",
            "data_parallel_replicate_degree": "dp_replicate",
        },
        "verl megatron": {
            "tensor_model_parallel_size": "tp",
            "pipeline_model_parallel_size": "pp",
            "context_parallel_size": "cp",
            "expert_model_parallel_size": "ep",
        },
        "verl fsdp": {"ulysses_sequence_parallel_size": "sp"},
        "verl rollout": {
            "tensor_model_parallel_size": "tp",
            "pipeline_model_parallel_size": "pp",
            "data_parallel_size": "dp",
            "expert_parallel_size": "ep",
        },
        "deepspeed": {"autotp_size": "tp"},
        "vllm": {
            "tensor_parallel_size": "tp",
            "pipeline_parallel_size": "pp",
            "data_parallel_size": "dp",
        },
    }
)
"""How each tool spells the sizes in its own files: tool -> key -> axis, `dp` for the whole data-parallel width."""

JOINED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "dp_shard_cp": ("dp_shard", "cp"),
        "dp_cp": ("dp_replicate", "dp_shard", "cp"),
        "efsdp": (),
        "ep_shard": (),
        "dp_shard_mod_ep": (),
        "dp_shard_in_ep": (),
        "world": (),
    }
)
"""Dims that join others or split them anew. They are no factors: the axes they are made of are named beside them, or
the mesh does not tell its sizes."""

SETTINGS: Final[Mapping[str, object]] = MappingProxyType(
    {
        "account_for_embedding_in_pipeline_split": False,
        "account_for_loss_in_pipeline_split": False,
        "activation_checkpointing": False,
        "cp_backend": "torch",
        "decode_context_parallel_size": None,
        "enable_expert_parallel": False,
        "enable_sequence_parallel": False,
        "ep_implementation": "auto",
        "ep_plan": None,
        "expert_tensor_parallel_size": None,
        "fsdp_cpu_offload": False,
        "fsdp_mixed_precision": False,
        "fsdp_plan": None,
        "microbatches": None,
        "module_fqns_per_model_part": None,
        "num_layers_in_first_pipeline_stage": None,
        "num_layers_in_last_pipeline_stage": None,
        "num_layers_per_virtual_pipeline_stage": None,
        "pipeline_model_parallel_layout": None,
        "pipeline_parallel_first_stage_less_layers": 1,
        "pipeline_parallel_last_stage_less_layers": 1,
        "pipeline_parallel_layers_per_stage": None,
        "pipeline_parallel_schedule": None,
        "sequence_packing": False,
        "sequence_parallel": None,
        "sp_backend": "deepspeed",
        "tp_plan": None,
        "virtual_pipeline_model_parallel_size": None,
    }
)
"""What a mesh may say besides sizes, and the value that says nothing: it is dropped, so that equal meshes are equal."""


def unknown_key(key: str) -> str:
    """Why a key of a mesh mapping is refused, with the right spelling where one is known."""
    if key in SPELLINGS:
        return f"unknown key {key!r} of the mesh; write {SPELLINGS[key]!r}"
    if key.removesuffix("_size") == "world":
        return f"{key!r} is not an axis of the mesh; pass it beside the mesh, as check(..., world_size=8)"
    keys = [f"{axis}_size" for axis in AXES]
    return (
        f"unknown key {key!r} of the mesh; sizes are {', '.join(keys)}{guess(key, [*keys, *AXES, *sorted(SETTINGS)])}"
    )


def guess(written: str, known: Iterable[str]) -> str:
    """`; did you mean 'tp_size'?`, empty when nothing known is close."""
    from difflib import get_close_matches  # 10 ms to import, and only a mistake needs it

    close = get_close_matches(written, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def meant_key(written: str, sizes: Mapping[str, str], *, slips: bool = False) -> str | None:
    """The size key that a key of a mesh section was meant to be; None when it may well mean something else.

    Args:
        written: a key that the section does not have.
        sizes: the section's size keys, each with its axis.
        slips: only slips of the fingers count, not the spellings of other tools.
    """
    axis = SPELLINGS.get(written, written).removesuffix("_size")
    for tool in MESH_KEYS.values():
        axis = tool.get(written, axis)
    own = [key for key, name in sizes.items() if name == ALIASES.get(axis, axis)]
    if own and "_" in written and not slips:
        return own[0]
    close = [key for key in sizes if _is_slip(written, key)]
    return min(close, key=lambda key: _slips(written, key), default=None)


_MEANINGS: Final = frozenset(
    {"tensor", "pipeline", "context", "expert", "sequence", "data", "model", "shard", "decode"}
)
"""Words by which keys differ on purpose."""


def _is_slip(written: str, key: str) -> bool:
    """Whether `written` is `key` with a slip of the fingers: one of a short key, two of a long one.

    `sp_size` is no slip of `tp_size`: where a short word or a meaningful one differs, another axis is meant.
    """
    if abs(len(written) - len(key)) > 2:
        return False
    words, own = written.lower().replace("-", "_").split("_"), key.split("_")
    differing = [word for word, other in zip(words, own, strict=False) if word != other]
    if len(words) == len(own) and len(differing) == 1 and (len(differing[0]) < 4 or differing[0] in _MEANINGS):
        return False
    return _slips("_".join(words), key) <= (1 if len(key) < 12 else 2)


def _slips(written: str, key: str) -> int:
    """Letters left out, added, exchanged or changed on the way from one word to the other."""
    before: list[int] = []
    row = list(range(len(key) + 1))
    for line, letter in enumerate(written, 1):
        last, before, row = before, row, [line]
        for column, other in enumerate(key, 1):
            cost = min(before[column] + 1, row[-1] + 1, before[column - 1] + (letter != other))
            turned = line > 1 and column > 1 and letter == key[column - 2] and written[line - 2] == other
            row.append(min(cost, last[column - 2] + 1) if turned else cost)
    return row[-1]
