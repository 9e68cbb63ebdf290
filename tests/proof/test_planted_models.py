"""Wrong models are caught on ranks, each by what it does wrong; sound ones beside them work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshfit.evidence import Evidence, Outcome
from meshfit.mesh import MeshSpec
from meshfit.proof.proving import Plain, prove
from meshfit.proof.ranks import Pool

pytestmark = [pytest.mark.torch, pytest.mark.slow]

HERE = "tests.proof.planted_models"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One for all."""
    with Pool() as ranks:
        yield ranks


def proof(pool: Pool, name: str, mesh: MeshSpec, parallelize: str = "") -> Evidence:
    """What comes of a planted model; one of nobody's library is spread by a function."""
    plain = Plain(f"{HERE}:{parallelize}", f"{HERE}:tokens") if parallelize else None
    (found,) = prove(pool, f"{HERE}:{name}", [mesh], plain=plain, extras=False)
    return found


def _tied_over_odd_vocabulary() -> dict[str, Any]:
    """A config of a class that cuts the head and not the embedding; seen to fail by another program."""
    lines = (Path(__file__).parents[1] / "truth" / "constraints.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    row = next(row for row in rows if row["case"] == "tied_v127" and row["arch"] == "HunYuanDenseV1ForCausalLM")
    return {**row["config"], "architectures": [row["arch"]]}


@pytest.mark.parametrize(
    ("name", "mesh"),
    [
        ("NormsEveryStageForCausalLM", MeshSpec(pp_size=2)),
        ("CountsItsOwnPositionsForCausalLM", MeshSpec(cp_size=2)),
        ("TakesTheLastTokenForSequenceClassification", MeshSpec(cp_size=2)),
    ],
)
def test_a_model_of_transformers_that_computes_the_wrong_thing_is_caught(pool: Pool, name: str, mesh: MeshSpec) -> None:
    """It runs to the end without an error, and its logits or gradients are not those of one process."""
    found = proof(pool, name, mesh)
    assert found.outcome is Outcome.SILENT, found
    assert "differ" in found.reason


def test_a_plan_that_forgets_a_row_parallel_layer_is_caught(pool: Pool) -> None:
    """What its column-parallel ones cut does not fit the next layer."""
    assert proof(pool, "ForgetsARowForCausalLM", MeshSpec(tp_size=2)).outcome is Outcome.LATE


def test_a_tied_head_that_is_cut_over_a_whole_embedding_is_caught(pool: Pool) -> None:
    """A class of transformers does so; with an odd vocabulary nothing is raised."""
    (found,) = prove(pool, _tied_over_odd_vocabulary(), [MeshSpec(tp_size=2)], extras=False)
    assert found.outcome is Outcome.SILENT, found


@pytest.mark.parametrize("parallelize", ["cuts_heads_in_half", "swaps_gate_and_up"])
def test_a_plan_that_cuts_in_the_wrong_place_is_caught(pool: Pool, parallelize: str) -> None:
    """Shapes fit, numbers do not."""
    assert proof(pool, "Plain", MeshSpec(tp_size=2), parallelize).outcome is Outcome.SILENT


def test_a_plan_that_replicates_everything_is_vacuous(pool: Pool) -> None:
    """It equals one process because nothing was spread."""
    found = proof(pool, "Plain", MeshSpec(tp_size=2), "replicates")
    assert found.outcome is Outcome.VACUOUS
    assert found.placed["sharded"] == 0


def test_a_router_with_a_wrong_gradient_is_caught_where_logits_are_right(pool: Pool) -> None:
    """Nothing but the gradient of the router tells it."""
    found = proof(pool, "Mixture", MeshSpec(tp_size=2), "forgets_the_router")
    assert found.outcome is Outcome.SILENT
    assert found.compared["logits"].state == "equal"
    assert found.compared["gradients"].where.startswith("layers.0.router.weight")


@pytest.mark.parametrize(("name", "parallelize"), [("Plain", "cuts_whole_heads"), ("Mixture", "spreads_experts")])
def test_the_sound_model_beside_them_works(pool: Pool, name: str, parallelize: str) -> None:
    """Or the tests above would prove nothing."""
    found = proof(pool, name, MeshSpec(tp_size=2), parallelize)
    assert found.outcome is Outcome.WORKS, found
    assert found.placed["sharded"] > 0


@pytest.mark.parametrize("mesh", [MeshSpec(tp_size=2), MeshSpec(pp_size=2), MeshSpec(cp_size=2)], ids=str)
def test_the_class_the_wrong_ones_derive_from_works(pool: Pool, mesh: MeshSpec) -> None:
    """As above, for those of transformers."""
    (found,) = prove(pool, "LlamaForCausalLM", [mesh], extras=False)
    assert found.outcome is Outcome.WORKS, found


def test_a_proof_names_the_versions_and_the_twin_it_ran(pool: Pool) -> None:
    """All that is needed to run it again."""
    (found,) = prove(pool, "LlamaForCausalLM", [MeshSpec(tp_size=2)], extras=False)
    again: dict[str, Any] = {**found.config, "architectures": [found.target]}
    (repeated,) = prove(pool, again, [MeshSpec(tp_size=2)], full_config=True, extras=False)
    assert found.versions.keys() >= {"python", "torch", "transformers", "meshfit"}
    assert (repeated.outcome, repeated.sizes, repeated.structure) == (found.outcome, found.sizes, found.structure)
