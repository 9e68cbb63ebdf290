"""The linter says what `check` says, and takes a key for a misspelt one only where it can be nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from meshfit.checking import check
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.sweep import Choice, lint_text
from meshfit.mesh import MeshSpec
from meshfit.readers.spellings import MESH_KEYS, meant_key

MODELS = Path(__file__).parent / "corpus" / "models"


@pytest.mark.parametrize("model", ["llama-8b", "moe"])
@given(
    tp=st.integers(1, 16),
    pp=st.integers(1, 4),
    shard=st.integers(1, 4),
    ep=st.sampled_from([1, 2, 4, 8, 24]),
    world=st.sampled_from([8, 16, 32]),
)
def test_a_config_of_transformers_gets_the_verdict_of_check(
    model: str, tp: int, pp: int, shard: int, ep: int, world: int
) -> None:
    """The same rules in the same words, with the same severity."""
    folder = str(MODELS / model)
    question = Question(models=Models(), model=folder, world_size=world)
    text = json.dumps({"tp_size": tp, "pp_size": pp, "fsdp_size": shard, "ep_size": ep})
    linted = lint_text(text, "a.json", question, Choice())
    mesh = MeshSpec(tp_size=tp, pp_size=pp, dp_shard_size=shard, ep_size=ep)
    report = check(folder, mesh, engine="transformers", world_size=world)
    assert sorted((notice.code, notice.severity) for notice in linted.notices) == sorted(
        (violation.code, violation.severity) for violation in report.violations
    )
    assert all(any(violation.message in notice.message for notice in linted.notices) for violation in report.violations)


@pytest.mark.parametrize("tool", MESH_KEYS)
def test_the_keys_of_other_tools_mean_the_same_axis_or_nothing(tool: str) -> None:
    """A key is never taken for one of another axis."""
    keys = MESH_KEYS[tool]
    for other in MESH_KEYS.values():
        for key, axis in other.items():
            meant = meant_key(key, keys) if key not in keys else None
            assert meant is None or keys[meant] == axis, (key, meant)


@pytest.mark.parametrize(
    ("tool", "written", "meant"),
    [
        ("nemo", "tp_siez", "tp_size"),
        ("nemo", "tp-size", "tp_size"),
        ("nemo", "tpsize", "tp_size"),
        ("nemo", "tp_sizes", "tp_size"),
        ("nemo", "tensor_parallel_size", "tp_size"),
        ("nemo", "sp_size", None),
        ("nemo", "etp_size", None),
        ("nemo", "pp_schedule", None),
        ("nemo", "tp_plan", None),
        ("accelerate", "parallelism_config_ep_size", None),
        ("accelerate", "parallelism_config_cp_sise", "parallelism_config_cp_size"),
        ("llamafactory", "expert_tensor_parallel_size", None),
        ("llamafactory", "virtual_pipeline_model_parallel_size", None),
        ("llamafactory", "pipeline_model_paralel_size", "pipeline_model_parallel_size"),
        ("axolotl", "tensor_parallel_rank", None),
        ("axolotl", "dp_shard_sise", "dp_shard_size"),
        ("torchtitan", "data_parallel_shards_degree", "data_parallel_shard_degree"),
        ("torchtitan", "pipeline_parallel_schedule", None),
    ],
)
def test_only_a_slip_is_taken_for_one(tool: str, written: str, meant: str | None) -> None:
    """A short word that differs names another axis."""
    assert meant_key(written, MESH_KEYS[tool]) == meant
