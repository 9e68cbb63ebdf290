"""Configs of transformers, accelerate, DeepSpeed and torchtitan: their meshes, with what they say of the ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.lint.documents import Branch, branches
from meshfit.lint.recipe import Problem, Recipe, Written
from meshfit.lint.sections import mesh_of, number, settings, sizes, whole
from meshfit.readers.spellings import MESH_KEYS, SETTINGS, meant_key
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Consequence

__all__ = ["read_accelerate", "read_deepspeed", "read_torchtitan", "read_transformers"]

_ACCELERATE: Final = MESH_KEYS["accelerate"]
_MEGATRON: Final = MESH_KEYS["accelerate megatron"]
_TRANSFORMERS: Final = MESH_KEYS["transformers"]
_TORCHTITAN: Final = MESH_KEYS["torchtitan"]
_DEEPSPEED: Final = MESH_KEYS["deepspeed"]

_TRANSFORMERS_SETTINGS: Final = (
    *("tp_plan", "enable_sequence_parallel", "enable_expert_parallel", "fsdp_plan", "fsdp_cpu_offload"),
    *("fsdp_mixed_precision", "ep_plan", "ep_implementation"),
)
"""The other parameters of transformers' `DistributedConfig`, 5.23 distributed/configuration_utils.py."""

_SHARED_KEYS: Final = frozenset({"tp_size", "pp_size", "ep_size", "dp_replicate_size"})

_ACCELERATE_OTHERS: Final = frozenset(
    f"parallelism_config_{name}"
    for name in (
        *("cp_backend", "cp_comm_strategy", "sp_backend", "sp_seq_length", "sp_seq_length_is_variable"),
        "sp_attn_implementation",
    )
)
"""The other keys of `parallelism_config`, accelerate 1.15 commands/launch.py."""

_DEEPSPEED_SIGNS: Final = ("zero_optimization", "train_micro_batch_size_per_gpu", "train_batch_size")
_TORCHTITAN_TABLES: Final = ("parallelism", "training", "experimental")


def read_transformers(root: Branch) -> Iterator[Recipe]:
    """`DistributedConfig` as JSON or a mapping: a file of its keys alone, or a section `distributed_config`."""
    own = {*_TRANSFORMERS, *_TRANSFORMERS_SETTINGS}
    # sizes alone may be of any tool
    alone = any(key in own - _SHARED_KEYS for key in root.entries) and all(key in own for key in root.entries)
    for key, section in branches(root):
        if not (alone if section is root else key == "distributed_config") or not own.intersection(section.entries):
            continue
        if any(key not in own and meant_key(key, _TRANSFORMERS) is None for key in section.entries):
            continue  # the section of another tool
        found, problems = mesh_of(section, _TRANSFORMERS, Consequence.SILENT, known=own, strict=True)
        said = settings(section, _TRANSFORMERS_SETTINGS)
        if not found:
            continue
        if "tp" not in found and "tp_plan" in said:
            # filled from WORLD_SIZE when it starts
            found["tp"] = said["tp_plan"]._replace(value=UNKNOWN)
        switch = said.get("enable_expert_parallel")
        if switch is not None and switch.value is UNKNOWN:
            found["ep"] = switch
        yield Recipe(
            tool="transformers",
            spot=section.spot,
            engine="transformers",
            sizes=found,
            settings=said,
            problems=problems,
        )


def read_accelerate(root: Branch) -> Iterator[Recipe]:
    """The file of `accelerate config`: `parallelism_config`, and the older `megatron_lm_config`."""
    if not root.has("distributed_type") and not root.has("compute_environment"):
        return
    world, nodes = number(root, "num_processes"), number(root, "num_machines")
    ranks, machines = whole(world), whole(nodes)
    each = None
    if world is not None and ranks and machines and ranks % machines == 0:
        each = Written(ranks // machines, world.spot, world.key)
    for name, keys, known, engine in (
        ("parallelism_config", _ACCELERATE, _ACCELERATE_OTHERS, "accelerate"),
        ("megatron_lm_config", _MEGATRON, frozenset[str](), "megatron"),
    ):
        section = root.branch(name)
        if section is not None and section.entries:
            found, problems = mesh_of(section, keys, Consequence.SILENT, known=known, strict=True)
            yield Recipe(
                tool="accelerate",
                spot=section.spot,
                engine=engine,
                sizes=found,
                world=world,
                gpus_per_node=each,
                problems=problems,
            )


def read_deepspeed(root: Branch) -> Iterator[Recipe]:
    """The JSON of DeepSpeed: `tensor_parallel.autotp_size` and the sizes of Ulysses beside it.

    DeepSpeed cuts the model by means of its own, so its sizes are held against the ranks alone.
    """
    section = root.branch("tensor_parallel")
    if not any(root.has(sign) for sign in _DEEPSPEED_SIGNS):
        return
    found = sizes(root, {"sequence_parallel_size": "sp", "data_parallel_size": "dp"})
    problems: tuple[Problem, ...] = ()
    if section is not None:
        cut, problems = mesh_of(section, _DEEPSPEED, Consequence.CLEAN)
        found |= cut
    if found or problems:
        yield Recipe(
            tool="deepspeed",
            spot=section.spot if section is not None else root.spot,
            engine="generic",
            own=frozenset({"tp", "sp", "dp_shard"}),
            sizes=found,
            problems=problems,
        )


def read_torchtitan(root: Branch) -> Iterator[Recipe]:
    """The job file of torchtitan: `[parallelism]`, in older releases also `[training]` and `[experimental]`."""
    section = root.branch("parallelism")
    older = root.has("job") or root.has("experimental")
    tables = [
        table
        for name in _TORCHTITAN_TABLES
        if (older or name == "parallelism") and (table := root.branch(name)) is not None
    ]
    if not any(key in _TORCHTITAN for table in tables for key in table.entries):
        return
    found: dict[str, Written] = {}
    problems: tuple[Problem, ...] = ()
    for table in tables:
        # the older tables hold more than a mesh
        given, wrong = mesh_of(table, _TORCHTITAN, Consequence.CLEAN, strict=True, slips=table is not section)
        found, problems = given | found, (*problems, *wrong)
    shard = found.get("dp_shard")
    fill = None
    whole_width = next((number(table, "data_parallel_degree") for table in tables), None)
    if whole_width is not None:
        found["dp_shard"] = whole_width._replace(value=UNKNOWN)  # what the first releases made of it
    elif shard is None or shard.value == -1:
        found.pop("dp_shard", None)
        fill = "dp_shard"
    yield Recipe(
        tool="torchtitan",
        spot=(section or tables[0]).spot,
        engine="torchtitan",
        sizes=found,
        settings={} if section is None else settings(section, SETTINGS),
        fill=fill,
        seq_len=number(root, "training", "seq_len"),
        problems=problems,
    )
