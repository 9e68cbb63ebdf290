"""Programs whose command lines hold meshes, told by their names or by flags that nothing else has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from meshfit.lint.files_beside import FilesBeside
from meshfit.lint.flags_configs import read_named
from meshfit.lint.flags_hydra import read_overrides
from meshfit.lint.flags_line import Line, whole
from meshfit.lint.flags_megatron import read_megatron, read_swift
from meshfit.lint.launchers import Command
from meshfit.lint.recipe import Recipe, Written
from meshfit.lint.shell_text import Places
from meshfit.readers.spellings import MESH_KEYS
from meshfit.readers.unknown import UNKNOWN

__all__ = ["read_command"]

_VLLM: Final = MESH_KEYS["vllm"]
_TORCHTITAN: Final = {f"parallelism.{key}": axis for key, axis in MESH_KEYS["torchtitan"].items()}
_NEMO: Final = {f"distributed.{key}": axis for key, axis in MESH_KEYS["nemo"].items()}
_ACCELERATE: Final = MESH_KEYS["accelerate"]
_ACCELERATE_MEGATRON: Final = MESH_KEYS["accelerate megatron"]
_ENVIRONMENT: Final = {key.upper(): axis for key, axis in _ACCELERATE.items()}
_AXOLOTL: Final = MESH_KEYS["axolotl"]
_LLAMAFACTORY: Final = MESH_KEYS["llamafactory"]

_SILENT: Final = frozenset(
    {
        *("echo", "printf", "cat", "grep", "egrep", "sed", "awk", "test", "[", ":", "true", "false", "cp", "mv", "rm"),
        *("mkdir", "ls", "tee", "logger", "git", "pip", "pip3", "cd", "pkill", "kill", "which", "ps", "pgrep", "trap"),
        *("alias", "find", "curl", "wget", "touch", "head", "tail", "diff", "man", "info", "log"),
    }
)
"""Commands that run nothing of what they are given."""
_VLLM_OTHERS: Final = frozenset(
    {
        *("decode_context_parallel_size", "prefill_context_parallel_size", "data_parallel_size_local"),
        *("speculative_draft_tensor_parallel_size", "sequence_parallel_size", "data_parallel_rank"),
    }
)
_VLLM_COUNTS: Final = {"decode_context_parallel_size": "decode_context_parallel_size"}
_VLLM_SWITCHES: Final = {"enable_expert_parallel": "enable_expert_parallel"}
_SHORT: Final = {
    "tp": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "dp": "data_parallel_size",
    "dcp": "decode_context_parallel_size",
    "pcp": "prefill_context_parallel_size",
    "ep": "enable_expert_parallel",
}
_TORCHTITAN_COUNTS: Final = {
    f"parallelism.{name}": name
    for name in (
        *("module_fqns_per_model_part", "pipeline_parallel_first_stage_less_layers", "pipeline_parallel_schedule"),
        *("pipeline_parallel_last_stage_less_layers", "pipeline_parallel_layers_per_stage"),
    )
}
_TORCHTITAN_SWITCHES: Final = {"parallelism.enable_sequence_parallel": "sequence_parallel"}
_NEMO_SWITCHES: Final = {
    "distributed.sequence_parallel": "sequence_parallel",
    "distributed.activation_checkpointing": "activation_checkpointing",
}
_SERVERS: Final = re.compile(r"vllm\.entrypoints\.(?:openai\.)?api_server\Z|vllm/vllm-openai(?::|\Z)")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def read_command(command: Command, text: str, places: Places, files: FilesBeside) -> Iterator[Recipe]:
    """The meshes of one command.

    Args:
        command: the command, its variables put in.
        text: the script.
        places: of the script.
        files: that the script can name.
    """
    line = Line(command, text, places)
    if line.names[0].rpartition("/")[2] not in _SILENT:
        for read in _READERS:
            yield from read(line)
        yield from read_named(line, files)


def _vllm(line: Line) -> Iterator[Recipe]:
    """`vllm serve MODEL -tp 8`, the servers by their modules, and the image that has one for its entry point."""
    begin = line.after("vllm", "serve")
    named = None
    if begin is not None and begin < len(line.names) and not line.names[begin].startswith("-"):
        field = line.command.fields[begin]
        named = Written(field.text, line.places.spot(field), "model") if field.known else None
        begin += 1
    elif begin is None:
        begin = line.after_match(_SERVERS)
    if begin is None:
        return
    flags = line.flags(begin, short=_SHORT)
    sizes, problems = flags.mesh(_VLLM, line.spot, complete=True, known=_VLLM_OTHERS)
    if flags.has("config") or not (problems or flags.has(*_VLLM)):
        return
    ring = flags.number("prefill_context_parallel_size")
    if ring is not None:
        sizes["cp"] = ring
    ranks = line.ranks(begin)
    yield Recipe(
        tool="vllm",
        spot=line.spot,
        engine="vllm",
        sizes=sizes,
        settings=flags.settings(_VLLM_COUNTS, _VLLM_SWITCHES, line.spot, complete=True),
        model=flags.word("model", "model_tag") or named,
        world=ranks.devices,
        gpus_per_node=ranks.gpus_per_node,
        problems=problems,
    )


def _torchtitan(line: Line) -> Iterator[Recipe]:
    """`--parallelism.tensor_parallel_degree 8` of torchtitan; the config that it names gives the other sizes."""
    return _dotted(line, "torchtitan", _TORCHTITAN, _TORCHTITAN_COUNTS, _TORCHTITAN_SWITCHES)


def _nemo(line: Line) -> Iterator[Recipe]:
    """`--distributed.tp_size=1` of NeMo Automodel; the recipe that it names gives the other sizes."""
    if not any("automodel" in name.lower() or "finetune" in name for name in line.names):
        return iter(())
    return _dotted(line, "nemo", _NEMO, _NONE, _NEMO_SWITCHES)


def _dotted(
    line: Line, tool: str, keys: Mapping[str, str], counts: Mapping[str, str], switches: Mapping[str, str]
) -> Iterator[Recipe]:
    prefix = next(iter(keys)).partition(".")[0]
    begin = next((index for index, name in enumerate(line.names) if name.startswith(f"--{prefix}.")), None)
    if begin is None:
        return
    program = line.after_script()
    program = begin if program is None else program
    flags = line.flags(program)
    sizes, problems = flags.mesh(keys, line.spot, complete=False)
    sizes.pop("dp", None)  # what the others leave
    shard = sizes.get("dp_shard")
    if shard is not None and shard.value == -1:
        sizes["dp_shard"] = shard._replace(value=UNKNOWN)
    if problems or flags.has(*keys):
        yield Recipe(
            tool=tool,
            spot=line.places.spot(line.command.fields[begin]),
            engine=tool,
            sizes=sizes,
            settings=flags.settings(counts, switches, line.spot, complete=False),
            model=flags.word("model.pretrained_model_name_or_path"),
            world=line.ranks(program).world,
            seq_len=flags.number("training.seq_len") if tool == "torchtitan" else None,
            problems=problems,
        )


def _accelerate(line: Line) -> Iterator[Recipe]:
    """`accelerate launch --parallelism_config_tp_size 8`, and the same sizes from the environment."""
    begin, program = line.after("accelerate", "launch"), line.after_script() or len(line.names)
    flags = line.flags(begin or 0, program if begin else 0)
    ranks = line.ranks(program)
    for keys, engine in ((_ACCELERATE, "accelerate"), (_ACCELERATE_MEGATRON, "megatron")):
        if flags.has(*keys):
            complete = engine == "accelerate" and not flags.has("config_file")
            sizes, problems = flags.mesh(keys, line.spot, complete=complete, aliases=False)
            yield Recipe(
                tool="accelerate",
                spot=line.spot,
                engine=engine,
                sizes=sizes,
                world=ranks.world,
                gpus_per_node=ranks.gpus_per_node,
                problems=problems,
            )
    told = {key: run for key, run in line.command.environment.items() if key in _ENVIRONMENT}
    if told and line.after_script() is not None and not flags.has(*_ACCELERATE):
        yield Recipe(
            tool="accelerate",
            spot=line.spot,
            engine="accelerate",
            sizes={_ENVIRONMENT[key]: Written(whole(run), line.places.spot(run), key) for key, run in told.items()},
            world=ranks.world,
            gpus_per_node=ranks.gpus_per_node,
        )


def _axolotl(line: Line) -> Iterator[Recipe]:
    """`axolotl train config.yaml --tensor-parallel-size 2`: sizes that replace those of the file."""
    begin = line.after("axolotl", "train") or line.after("axolotl.cli.train")
    if begin is None:
        return
    flags = line.flags(begin)
    sizes, problems = flags.mesh(_AXOLOTL, line.spot, complete=False, aliases=False)
    if problems or flags.has(*_AXOLOTL):
        for axis in ("dp_shard", "dp_replicate"):
            if sizes[axis].value == 1:
                sizes[axis] = sizes[axis]._replace(value=UNKNOWN)  # its own word for "not set"
        yield Recipe(
            tool="axolotl",
            spot=line.spot,
            engine="accelerate",
            own=frozenset({"cp", "ep", "sp"}),
            sizes=sizes,
            model=flags.word("base_model"),
            problems=problems,
        )


def _llamafactory(line: Line) -> Iterator[Recipe]:
    """`llamafactory-cli train config.yaml tensor_model_parallel_size=2`: sizes that replace those of the file."""
    begin = line.after("llamafactory-cli", "train")
    if begin is None:
        return
    flags = line.flags(begin, pairs=True)
    sizes, problems = flags.mesh(_LLAMAFACTORY, line.spot, complete=False)
    if problems or flags.has(*_LLAMAFACTORY):
        yield Recipe(
            tool="llamafactory",
            spot=line.spot,
            engine="megatron",
            sizes=sizes,
            settings={},
            model=flags.word("model_name_or_path"),
            problems=problems,
        )


def _verl(line: Line) -> Iterator[Recipe]:
    """`python3 -m verl.trainer.main_ppo actor_rollout_ref.actor.megatron.tensor_model_parallel_size=2`."""
    if any(name.startswith(("actor_rollout_ref.", "+actor_rollout_ref.")) for name in line.names):
        flags = line.flags(0, pairs=True)
        for recipe in read_overrides(flags, line.command.assumed, line.places):
            yield replace(recipe, spot=line.spot)


_READERS: Final[tuple[Callable[[Line], Iterator[Recipe]], ...]] = (
    *(_vllm, read_swift, read_megatron, _torchtitan, _nemo, _accelerate, _axolotl, _llamafactory, _verl),
)
