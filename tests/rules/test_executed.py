"""What a proof by execution settles: size-free questions where rules say something else, and nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import facts, mesh

from meshfit.evidence import Evidence, Outcome
from meshfit.facts import ModelFacts
from meshfit.rules.judge import judge, supports


def _proof(on: str, outcome: Outcome, *refused_by: str, engine: str = "transformers") -> Evidence:
    return Evidence(target="MyLM", mesh=mesh(on), engine=engine, outcome=outcome, refused_by=refused_by)


def _facts(*proofs: Evidence, **changes: object) -> ModelFacts:
    return facts(executed={proof.axes: proof for proof in proofs}, **changes)


def test_a_proof_that_works_refutes_the_size_free_rule_that_refused_it() -> None:
    """A plan-less class that really runs is not refused for want of a plan, at any size."""
    proven = _facts(_proof("tp=2", Outcome.WORKS, "TP001"), tp_plan={})
    assert "TP001" not in judge(proven, mesh("tp=4"), engine="transformers").codes
    assert supports(proven, "tp", engine="transformers")


def test_a_proof_never_settles_a_size() -> None:
    """Heads that do not divide stay refused, whatever ran with others."""
    proven = _facts(_proof("tp=2", Outcome.WORKS, "TP002"))
    assert "TP002" in judge(proven, mesh("tp=8"), engine="transformers").codes


def test_a_proof_refutes_only_what_had_refused_its_own_twin() -> None:
    """Another rule that fires for this config was not put to the test."""
    proven = _facts(_proof("tp=2", Outcome.WORKS, "TP008"), tp_plan={})
    assert "TP001" in judge(proven, mesh("tp=2"), engine="transformers").codes


def test_a_proof_under_one_engine_says_nothing_of_another() -> None:
    """NeMo asks for a plan whether transformers needs one or not."""
    proven = _facts(_proof("tp=2", Outcome.WORKS, "TP001"), tp_plan={})
    assert "TP001" in judge(proven, mesh("tp=2"), engine="nemo").codes


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.works is False])
def test_a_proof_of_failure_refuses_every_size_of_the_axis(outcome: Outcome) -> None:
    """Where no rule knows why, what was executed stands."""
    proven = _facts(_proof("tp=2", outcome))
    assert judge(proven, mesh("tp=4"), engine="transformers").codes == ("TP028",)
    assert not supports(proven, "tp", engine="transformers")


def test_a_failure_that_rules_explain_adds_nothing() -> None:
    """The rule says why and offers sizes, so the proof is not told twice."""
    proven = _facts(_proof("tp=2", Outcome.LATE, "TP002"))
    assert judge(proven, mesh("tp=2"), engine="transformers").ok


def test_an_undecided_proof_settles_nothing() -> None:
    """Neither way."""
    assert judge(_facts(_proof("tp=2", Outcome.UNDECIDED)), mesh("tp=2"), engine="transformers").ok
    refused = _facts(_proof("tp=2", Outcome.UNDECIDED, "TP001"), tp_plan={})
    assert "TP001" in judge(refused, mesh("tp=2"), engine="transformers").codes


def test_a_product_that_fails_is_told_only_of_meshes_that_use_it() -> None:
    """Each axis alone is not refused for what both did together."""
    proven = _facts(_proof("tp=2,pp=2", Outcome.LATE))
    assert judge(proven, mesh("tp=2"), engine="transformers").ok
    assert "PP014" in judge(proven, mesh("tp=2,pp=2"), engine="transformers").codes
    assert supports(proven, "pp", engine="transformers")


def test_experts_are_unsupported_only_where_each_layout_failed() -> None:
    """They never run alone, so one layout that works is enough."""
    with_tp = _proof("tp=2,ep=2", Outcome.SILENT)
    with_fsdp = _proof("dp_shard=2,ep=2", Outcome.SILENT)
    assert supports(_facts(with_tp), "ep", engine="transformers")
    assert not supports(_facts(with_tp, with_fsdp), "ep", engine="transformers")


def test_along_pp_a_model_of_several_kinds_of_layers_is_not_settled() -> None:
    """Which kinds a stage holds depends on how many layers and stages there are."""
    failed = _proof("pp=2", Outcome.LATE)
    mixed = _facts(failed, layer_types=("mamba", "attention", "mamba", "attention"))
    assert "PP014" not in judge(mixed, mesh("pp=2"), engine="transformers").codes
    assert "PP014" in judge(_facts(failed), mesh("pp=2"), engine="transformers").codes


def test_a_failure_on_sizes_that_do_not_divide_is_not_taken_for_one_of_all_sizes() -> None:
    """An odd vocabulary may be what failed."""
    failed = replace(_proof("tp=2", Outcome.SILENT), sizes={"vocab_size": 131, "hidden_size": 64})
    assert judge(_facts(failed), mesh("tp=2"), engine="transformers").ok
    even = replace(failed, sizes={"vocab_size": 130, "hidden_size": 64})
    assert judge(_facts(even), mesh("tp=2"), engine="transformers").codes == ("TP028",)


def test_a_failure_without_experts_spread_says_nothing_of_a_mesh_that_spreads_them() -> None:
    """They take over what the other axis would have cut."""
    failed = _proof("dp_shard=2", Outcome.CLEAN)
    assert "DP005" in judge(_facts(failed), mesh("dp_shard=2"), engine="transformers").codes
    assert "DP005" not in judge(_facts(failed), mesh("dp_shard=2,ep=2"), engine="transformers").codes
