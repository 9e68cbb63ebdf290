"""Recipes of NeMo Automodel, axolotl and LLaMA-Factory: mesh and model in one file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.lint.documents import Branch
from meshfit.lint.recipe import Recipe, Written
from meshfit.lint.sections import mesh_of, number, place, settings, sizes, text, whole
from meshfit.readers.spellings import MESH_KEYS, SETTINGS
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Consequence

__all__ = ["read_axolotl", "read_llamafactory", "read_nemo"]

_NEMO: Final = MESH_KEYS["nemo"]
_AXOLOTL: Final = MESH_KEYS["axolotl"]
_LLAMAFACTORY: Final = MESH_KEYS["llamafactory"]
_VLLM: Final = MESH_KEYS["vllm"]

_NEMO_STRATEGIES: Final = frozenset({"fsdp2", "megatron_fsdp", "ddp"})
_NEMO_SIGNS: Final = ("step_scheduler", "dist_env")
_NEMO_OTHERS: Final = frozenset({"sequence_parallel", "moe_mesh", "pp_batch_size", "world_size"})
_MODEL_FACTS: Final = ("hidden_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers", "vocab_size")
_AXOLOTL_SIGNS: Final = frozenset(
    {
        *("datasets", "sequence_len", "micro_batch_size", "sample_packing", "dataset_prepared_path", "val_set_size"),
        *("pad_to_sequence_len", "adapter", "fsdp_config", "plugins", "special_tokens", "rl", "trl"),
    }
)


def read_nemo(root: Branch) -> Iterator[Recipe]:
    """A recipe of NeMo Automodel: `distributed`, and `teacher_distributed` for the model that teaches."""
    for name, model in (("distributed", "model"), ("teacher_distributed", "teacher_model")):
        section = root.branch(name)
        if section is not None and _is_nemo(root, section):
            yield _nemo(section, root.branch(model))


def _is_nemo(root: Branch, section: Branch) -> bool:
    """`distributed` is a word of many tools, `strategy` too: NeMo's own words must stand beside it."""
    targets = (root.text(name, "_target_") or "" for name in ("distributed", "model", "teacher_model"))
    signed = any("nemo_automodel" in target for target in targets) or any(root.has(sign) for sign in _NEMO_SIGNS)
    strategy = (section.text("strategy") or "").lower()
    return signed and (strategy in _NEMO_STRATEGIES or any(key in _NEMO for key in section.entries))


def _nemo(section: Branch, model: Branch | None) -> Recipe:
    found, problems = mesh_of(section, _NEMO, Consequence.CLEAN, known=_NEMO_OTHERS, strict=True)
    found |= sizes(section, {"dp_size": "dp", "dp_replicate_size": "dp_replicate"})
    if whole(found.get("dp")) is None:
        found.pop("dp", None)  # inferred from the world: the dense axes need only divide it
    facts: dict[str, Written] = {}
    named = None
    if model is not None:
        named = next((said for path in _NEMO_MODELS if (said := text(model, *path)) is not None), None)
        facts = {
            fact: said
            for fact in _MODEL_FACTS
            for where in ((), ("config",))
            if (said := number(model, *where, fact)) is not None
        }
        backend = text(model, "backend", "attn")
        if backend is not None:
            facts["backend_attn"] = backend
    strategy = (section.text("strategy") or "fsdp2").lower()
    return Recipe(
        tool="nemo",
        spot=section.spot,
        engine="nemo",
        own=frozenset() if strategy == "fsdp2" else frozenset({"tp", "pp", "cp", "ep", "dp_shard", "dp_replicate"}),
        sizes=found,
        settings=settings(section, ("activation_checkpointing", "sequence_parallel")),
        model=named,
        facts=facts,
        problems=problems,
    )


_NEMO_MODELS: Final = (
    ("config", "pretrained_model_name_or_path"),
    ("config", "pretrained_model_name_or_path_or_config"),
    ("pretrained_model_name_or_path",),
    ("config",),
)


def read_axolotl(root: Branch) -> Iterator[Recipe]:
    """A config of axolotl, which makes accelerate's mesh of it, and its `vllm` section for reinforcement learning."""
    if text(root, "base_model") is None or len(_AXOLOTL_SIGNS.intersection(root.entries)) < 2:
        return
    model = text(root, "base_model_config") or text(root, "base_model")
    yield from _axolotl_mesh(root, model)
    vllm = root.branch("vllm")
    if vllm is not None:
        found, problems = mesh_of(vllm, _VLLM, Consequence.SILENT)
        if not found:
            return
        yield Recipe(
            tool="axolotl",
            spot=vllm.spot,
            engine="vllm",
            own=frozenset({"mesh"}),
            sizes=found,
            model=model,
            problems=problems,
        )


def _axolotl_mesh(root: Branch, model: Written | None) -> Iterator[Recipe]:
    found, problems = mesh_of(root, _AXOLOTL, Consequence.SILENT, slips=True)
    if not found:
        return
    # its own words for "not set", src/axolotl/utils/distributed.py `_get_parallel_config_kwargs`
    for axis in ("dp_shard", "dp_replicate"):
        if axis in found and whole(found[axis]) == 1:
            del found[axis]
    fill = next((axis for axis in ("dp_shard", "dp_replicate") if axis not in found), None)
    own = {"cp", "ep", "sp"}
    if "ep" in found and whole(found["ep"]) != 1:
        # here ep is a factor of the world, which no engine of ours has
        found |= {"dp_shard": found["ep"]._replace(value=UNKNOWN)}
        fill = None
    if root.has("deepspeed"):
        own.add("tp")
    yield Recipe(
        tool="axolotl",
        spot=root.spot,
        engine="accelerate",
        own=frozenset(own),
        sizes=found,
        fill=fill,
        model=model,
        problems=problems,
    )


def read_llamafactory(root: Branch) -> Iterator[Recipe]:
    """A config of LLaMA-Factory with Megatron sizes, or, in its second form, the sizes of its own mesh."""
    if root.has("stage") or root.has("finetuning_type"):
        model = text(root, "model_name_or_path")
        found, problems = mesh_of(root, _LLAMAFACTORY, Consequence.CLEAN, slips=True, strict=True)
        if root.has("model_name_or_path") and found:
            yield Recipe(
                tool="llamafactory",
                spot=root.spot,
                engine="megatron",
                sizes=found,
                settings=settings(root, SETTINGS),
                model=model,
                problems=problems,
            )
    elif (
        root.has("dist_config")
        and root.has("cp_mode")
        and (found := sizes(root, {"cp_size": "cp", "dp_size": "dp"}, strict=True))
    ):
        yield Recipe(
            tool="llamafactory",
            spot=place(root, "cp_size") if root.has("cp_size") else root.spot,
            engine="generic",
            own=frozenset({"cp", "dp_shard"}),
            sizes=found,
            model=text(root, "model"),
        )
