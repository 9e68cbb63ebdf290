"""Config files that commands name, judged with the ranks that the command starts and the sizes that it replaces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple

from meshfit.lint.files_beside import FilesBeside, NamedConfig
from meshfit.lint.flags import Flags
from meshfit.lint.flags_line import Line
from meshfit.lint.inner_text import moved
from meshfit.lint.launchers import Ranks
from meshfit.lint.recipe import ConfigFile, Recipe, Written
from meshfit.lint.shell_text import Run
from meshfit.readers.spellings import MESH_KEYS
from meshfit.readers.unknown import UNKNOWN

__all__ = ["read_named"]

_CONFIG: Final = re.compile(r"[^-].*\.(?:ya?ml|json|toml)\Z")
_SCHEDULED: Final = re.compile(r"^(?:slurm|skypilot|nemo_run|kubernetes):", re.MULTILINE)
"""Sections by which NeMo Automodel starts a recipe elsewhere, on other ranks."""
_LAUNCHER_CONFIGS: Final = ("config", "c", "config_file", "job.config_file")

_NO_KEYS: Final[Mapping[str, str]] = MappingProxyType({})
_REPLACED: Final[Mapping[str, Mapping[str, str]]] = {
    "nemo": {f"distributed.{key}": axis for key, axis in MESH_KEYS["nemo"].items()},
    "accelerate": MESH_KEYS["accelerate"],
    "llamafactory": MESH_KEYS["llamafactory"],
}
"""Tool -> flags that replace sizes of its config."""
_DECIDING: Final[Mapping[str, re.Pattern[str]]] = {
    "nemo": re.compile(r"(?:teacher_)?(?:distributed|model)\b"),
    "torchtitan": re.compile(r"parallelism|experimental|model\b|training\.(?:seq_len|.*parallel)"),
    "accelerate": re.compile(r"multi_gpu|tpu|use_deepspeed|use_fsdp|use_megatron_lm|megatron_lm_|parallelism_config_"),
    "axolotl": re.compile(r".*(?:parallel|_size|_degree)\Z|base_model|deepspeed|launcher|fsdp|vllm"),
    "llamafactory": re.compile(r".*parallel|model_name_or_path|stage|finetuning_type|.*_size\Z|dist_config"),
    "deepspeed": re.compile(r".*(?:autotp|parallel)"),
}
"""Tool -> flags that change what its config says in ways that are not followed."""


class _Named(NamedTuple):
    """A config that a command names.

    Args:
        field: the name, as a field of the command.
        tools: who may read it.
        flags: of the program, which may replace what it says.
        ranks: that start.
    """

    field: Run
    tools: frozenset[str]
    flags: Flags
    ranks: Ranks


def read_named(line: Line, files: FilesBeside) -> Iterator[Recipe]:
    """The meshes of the configs that a command names, with its ranks.

    Args:
        line: the command.
        files: that the script can name.
    """
    for find in (_trainer, _accelerate, _program):
        for named in find(line):
            if named.flags.open or not named.field.known:
                continue
            config = files.config(named.field.text)
            for recipe in config.recipes if config is not None else ():
                if config is not None and recipe.tool in named.tools:
                    yield from _joined(line, named, config, recipe)


def _trainer(line: Line) -> Iterator[_Named]:
    """`axolotl train x.yml`, `llamafactory-cli train x.yaml`, `automodel x.yaml`."""
    for tool, begin in (
        ("axolotl", line.after("axolotl", "train") or line.after("axolotl.cli.train")),
        ("llamafactory", line.after("llamafactory-cli", "train")),
        ("nemo", line.after("automodel") or line.after("nemo_automodel.cli.app")),
    ):
        if begin is None:
            continue
        flags = line.flags(begin, pairs=tool == "llamafactory")
        ranks = line.ranks(begin)
        if tool == "llamafactory":
            ranks = ranks._replace(world=line.of_environment("NPROC_PER_NODE", "NNODES"))
        elif tool == "nemo" and ranks.world is None and "srun" not in line.names:
            ranks = ranks._replace(world=flags.number("nproc_per_node"))
        named = flags.find("config", "c") if tool == "nemo" else None
        fields = [field for field in flags.others if _CONFIG.match(field.text)]
        if named is not None and named.value is not None:
            fields = [named.value]
        if len(fields) == 1:
            yield _Named(fields[0], frozenset({tool}), flags, ranks)


def _accelerate(line: Line) -> Iterator[_Named]:
    """`accelerate launch --config_file x.yaml train.py`."""
    begin, program = line.after("accelerate", "launch"), line.after_script()
    if begin is not None and program is not None:
        flags = line.flags(begin, program)
        named = flags.find("config_file")
        if named is not None and named.value is not None:
            yield _Named(named.value, frozenset({"accelerate"}), flags, line.ranks(program))


def _program(line: Line) -> Iterator[_Named]:
    """`torchrun train.py --config x.yaml`, `deepspeed train.py --deepspeed x.json`."""
    begin = line.after_script()
    if begin is None or line.names[begin - 1] == "nemo_automodel.cli.app":
        return
    flags = line.flags(begin)
    ranks = line.ranks(begin)
    for names, tools in (
        (_LAUNCHER_CONFIGS, frozenset({"nemo", "torchtitan"})),
        (("deepspeed", "deepspeed_config"), frozenset({"deepspeed"})),
    ):
        named = flags.find(*names)
        if named is not None and named.value is not None:
            yield _Named(named.value, tools, flags, ranks)


def _joined(line: Line, named: _Named, config: NamedConfig, recipe: Recipe) -> Iterator[Recipe]:
    """What the config and the command say together; nothing where the command changes more than sizes."""
    replaced = _REPLACED.get(recipe.tool, _NO_KEYS)
    deciding = _DECIDING[recipe.tool]
    if any(deciding.match(flag.name) and flag.name not in replaced for flag in named.flags.given):
        return
    world = named.ranks.world
    if recipe.tool == "nemo" and _SCHEDULED.search(config.text):
        world = None
    if world is not None and type(world.value) is not int:
        world = None
    gpus = named.ranks.gpus_per_node
    if recipe.tool == "accelerate" and not named.flags.has("num_processes"):
        world = recipe.world
        gpus = gpus or (None if named.flags.has("num_machines") else recipe.gpus_per_node)
    spot = line.places.spot(named.field)
    if config.path is not None:
        alone, recipe = recipe, moved(recipe, lambda _: spot)
        recipe = replace(recipe, config=ConfigFile(config.path, named.field.text, alone))
        if world is alone.world:
            world = recipe.world
        if gpus is alone.gpus_per_node:
            gpus = recipe.gpus_per_node
    sizes = {**recipe.sizes, **_sizes(named.flags, replaced)}
    yield replace(recipe, sizes=sizes, world=world, gpus_per_node=gpus)


def _sizes(flags: Flags, keys: Mapping[str, str]) -> dict[str, Written]:
    """The sizes that flags replace; what is no plain size is unknown."""
    found = {axis: written for key, axis in keys.items() if (written := flags.number(key)) is not None}
    return {
        axis: written if type(written.value) is int and written.value >= 1 else written._replace(value=UNKNOWN)
        for axis, written in found.items()
    }
