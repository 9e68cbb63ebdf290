"""Bytes of weights on the fullest rank, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.accuracy import TRUTH, read_rows
from tests.rules.builders import PARAMETERS, facts, mesh

from meshfit.fitting.weights import weight_bytes
from meshfit.readers.config import read_config
from meshfit.readers.source.facts import facts_from_config

LAYERS = 8
SHAPES = {name: {shape: LAYERS if ".*." in name else 1} for name, shape in PARAMETERS.items()}
EMBEDDING = HEAD = 128 * 64
ATTENTION = 64 * 64 + 32 * 64 + 32 * 64 + 64 * 64
NORM_OF_HEADS = 8
EXPERTS = 8 * 128 * 64 + 8 * 64 * 64
LAYER = ATTENTION + NORM_OF_HEADS + EXPERTS
NORM = 64
WHOLE = EMBEDDING + HEAD + NORM + LAYERS * LAYER


def of(text: str, engine: str = "transformers", **changes: Any) -> int | None:
    """Elements, of two bytes each, on the fullest rank of the sound model."""
    found = weight_bytes(facts(**{"weight_shapes": SHAPES, **changes}), mesh(text), engine)
    return None if found is None else found // 2


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("tp=1", WHOLE),
        ("dp_replicate=4", WHOLE),
        ("dp_shard=4", WHOLE // 4),
        ("dp_shard=3", 43 * 64 * 2 + 22 + 8 * (22 * 64 * 2 + 11 * 64 * 2 + 3 + 3 * 128 * 64 + 3 * 64 * 64)),
        ("cp=2,dp_shard=2", WHOLE // 4),
        ("tp=2", (EMBEDDING + HEAD) // 2 + NORM + LAYERS * (ATTENTION // 2 + NORM_OF_HEADS + EXPERTS // 2)),
        ("tp=2,ep=2", (EMBEDDING + HEAD) // 2 + NORM + LAYERS * (ATTENTION // 2 + NORM_OF_HEADS + EXPERTS // 2)),
        ("dp_shard=4,ep=4", WHOLE // 4),
        ("pp=2", max(EMBEDDING + 4 * LAYER, 4 * LAYER + NORM + HEAD)),
        ("pp=3", max(EMBEDDING + 2 * LAYER, 4 * LAYER + NORM + HEAD)),
    ],
)
def test_the_fullest_rank_holds_what_is_cut_for_it(text: str, elements: int) -> None:
    """By the plans of the sound model, FSDP's rows and the layers of a stage."""
    assert of(text) == elements


def test_an_unplanned_share_of_experts_is_not_guessed() -> None:
    """Which dim FSDP cuts of the experts a rank already owns is not known here."""
    assert of("dp_shard=8,ep=4") is None


def test_the_head_of_a_pipeline_brings_its_own_copy_of_a_tied_weight() -> None:
    """The embedding lies on the first stage, and the last needs it as well."""
    tied = {name: shapes for name, shapes in SHAPES.items() if name != "lm_head.weight"}
    assert of("tp=1", weight_shapes=tied, tied_head=True) == WHOLE - HEAD
    assert of("pp=2", weight_shapes=tied, tied_head=True) == 4 * LAYER + NORM + EMBEDDING


def test_layers_of_several_kinds_are_not_laid_on_stages() -> None:
    """Which stage gets the dense layers is not known."""
    mixed = {**SHAPES, "model.layers.*.mlp.dense.weight": {(64, 64): 2}}
    assert of("pp=2", weight_shapes=mixed) is None
    assert of("dp_shard=2", weight_shapes=mixed) == WHOLE // 2 + 64 * 64


def test_a_tower_beside_the_layers_is_not_laid_on_stages() -> None:
    """Every stage, or one, may hold it."""
    assert of("pp=2", weight_shapes={**SHAPES, "tower.weight": {(64, 64): 1}}) is None


@pytest.mark.parametrize(
    ("text", "engine", "known"),
    [
        ("dp_shard=4", "nemo", True),
        ("tp=2", "nemo", False),
        ("dp_shard=4", "vllm", False),
        ("tp=2", "accelerate", True),
        ("dp_replicate=2", "torchtitan", True),
        ("sp=2", "accelerate", False),
    ],
)
def test_what_an_engine_cuts_its_own_way_is_left_out(text: str, engine: str, known: bool) -> None:
    """Their plans for tensors are not read here."""
    assert (of(text, engine) is not None) == known


@pytest.mark.parametrize("missing", ["weight_shapes", "dtype_bytes", "tp_plan"])
def test_without_a_fact_nothing_is_told(missing: str) -> None:
    """A guess would be taken for a measurement."""
    assert weight_bytes(facts(weight_shapes=SHAPES).without(missing), mesh("tp=2"), "transformers") is None


def test_the_weights_of_a_known_model_are_counted() -> None:
    """Llama 3.1 8B has 8,030,261,248 parameters, of two bytes each."""
    known = facts_from_config(read_config("examples/llama-8b").values)
    assert weight_bytes(known, mesh("tp=1"), "transformers") == 2 * 8_030_261_248


APART = frozenset(
    {
        "Emu3ForConditionalGeneration",
        "MarianMTModel",
        "ReformerForMaskedLM",
        "ReformerModelWithLMHead",
        "SqueezeBertForMaskedLM",
        "Zamba2ForCausalLM",
        "ZayaForCausalLM",
        "xLSTMForCausalLM",
    }
)
"""Classes of which the source reader misses a module or a tie."""


@pytest.mark.torch
@pytest.mark.slow
def test_the_weights_are_those_of_the_live_model() -> None:
    """On every class of both truth files, or not known, but for those that are named."""
    import torch
    import transformers

    different = set()
    for name in ("architectures.jsonl", "more_architectures.jsonl"):
        for row in read_rows(TRUTH / name):
            values = read_config(row["config"]).values
            cls = getattr(transformers, row["arch"])
            with torch.device("meta"):
                live = cls(cls.config_class.from_dict(dict(values)))
            known = facts_from_config(values)
            counted = weight_bytes(known, mesh("tp=1"), "transformers")
            if counted is not None and counted != known.dtype_bytes * sum(p.numel() for p in live.parameters()):
                different.add(row["arch"])
    assert different == APART
