"""Hydra configs of verl: the mesh that trains each model and the one that its answers are sampled on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from meshfit.lint.documents import Branch
from meshfit.lint.recipe import Recipe, Written
from meshfit.lint.sections import mesh_of, number, settings, text
from meshfit.readers.spellings import MESH_KEYS, SETTINGS
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Consequence

__all__ = ["read_verl"]

_MEGATRON: Final = MESH_KEYS["verl megatron"]
_FSDP: Final = MESH_KEYS["verl fsdp"]
_ROLLOUT: Final = MESH_KEYS["verl rollout"]
_ROLES: Final = (
    (("actor_rollout_ref", "actor"), ("actor_rollout_ref", "model", "path")),
    (("actor_rollout_ref", "ref"), ("actor_rollout_ref", "model", "path")),
    (("critic",), ("critic", "model", "path")),
    (("reward_model",), ("reward_model", "model", "path")),
)
_OTHERS: Final = frozenset({"expert_tensor_parallel_size", "virtual_pipeline_model_parallel_size", "sequence_parallel"})


def read_verl(root: Branch) -> Iterator[Recipe]:
    """The meshes of a verl config: actor, reference, critic and reward model, and the rollout of vLLM.

    A file with a `defaults` list is completed from others by Hydra, so a size that it leaves out is unknown.
    """
    if root.branch("actor_rollout_ref") is None:
        return
    nodes, each = number(root, "trainer", "nnodes"), number(root, "trainer", "n_gpus_per_node")
    for path, model in _ROLES:
        role = root.branch(*path)
        if role is None or role.value("enable") is False:
            continue
        if role.value("enable_resource_pool") is True:
            yield from _training(root, role, text(root, *model), None, None)
        else:
            yield from _training(root, role, text(root, *model), nodes, each)
    rollout = root.branch("actor_rollout_ref", "rollout")
    if rollout is not None:
        if root.branch("rollout") is not None:  # ranks of its own
            nodes, each = number(root, "rollout", "nnodes"), number(root, "rollout", "n_gpus_per_node")
        yield from _sampling(root, rollout, nodes, each)


def _training(
    root: Branch, role: Branch, model: Written | None, nodes: Written | None, each: Written | None
) -> Iterator[Recipe]:
    section = role.branch("megatron")
    if section is not None and role.text("strategy") in (None, "megatron"):
        found, problems = mesh_of(section, _MEGATRON, Consequence.CLEAN, known=_OTHERS)
        if found or problems:
            yield Recipe(
                tool="verl",
                spot=section.spot,
                engine="megatron",
                sizes=_completed(root, section, found, _MEGATRON),
                settings=_settings(root, section),
                model=model,
                nodes=nodes,
                gpus_per_node=each,
                problems=problems,
            )
        return
    found, problems = mesh_of(role, _FSDP, Consequence.CLEAN, slips=True)
    if found:
        yield Recipe(
            tool="verl",
            spot=found["sp"].spot,
            engine="generic",
            own=frozenset({"sp"}),
            sizes=found,
            nodes=nodes,
            gpus_per_node=each,
            problems=problems,
        )


def _sampling(root: Branch, rollout: Branch, nodes: Written | None, each: Written | None) -> Iterator[Recipe]:
    found, problems = mesh_of(rollout, _ROLLOUT, Consequence.CLEAN, known=_OTHERS)
    if not found and not problems:
        return
    # one copy of the sampler takes tp * pp * dp ranks, and as many copies run as there are ranks for
    yield Recipe(
        tool="verl",
        spot=rollout.spot,
        engine="generic",
        own=frozenset({"tp", "pp", "dp_shard", "ep"}),
        sizes=_completed(root, rollout, found, _ROLLOUT),
        nodes=nodes,
        gpus_per_node=each,
        problems=problems,
    )
    if rollout.text("name") == "vllm" and found:
        yield Recipe(
            tool="verl",
            spot=rollout.spot,
            engine="vllm",
            own=frozenset({"ep", "mesh"}),
            sizes=_completed(root, rollout, found, _ROLLOUT),
            model=text(root, "actor_rollout_ref", "model", "path"),
        )


def _completed(root: Branch, section: Branch, found: dict[str, Written], keys: Mapping[str, str]) -> dict[str, Written]:
    """The sizes, with those unknown that other files of the configuration may give."""
    if not root.has("defaults"):
        return found
    return {axis: Written(UNKNOWN, section.spot, key) for key, axis in keys.items()} | found


def _settings(root: Branch, section: Branch) -> dict[str, Written]:
    """What Megatron is told besides sizes, in the section or in what it hands on."""
    found = settings(section, SETTINGS)
    handed_on = section.branch("override_transformer_config")
    if handed_on is not None:
        found |= settings(handed_on, SETTINGS)
    if not root.has("defaults"):
        return found
    return {name: Written(UNKNOWN, section.spot, name) for name in SETTINGS} | found
