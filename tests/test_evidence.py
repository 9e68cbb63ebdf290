"""Evidence as a value: what it says, and how it goes through a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshfit.evidence import Compared, Evidence, EvidenceError, Outcome, axes_of, read_evidence
from meshfit.mesh import MeshSpec


def _evidence() -> Evidence:
    return Evidence(
        target="LlamaForCausalLM",
        mesh=MeshSpec(tp_size=2),
        engine="transformers",
        outcome=Outcome.SILENT,
        step="compare",
        reason="logits differ by 0.4",
        rank=1,
        compared={"logits": Compared("different", 0.4, "rank 1"), "tokens": Compared("left out")},
        placed={"sharded": 14, "body": 18},
        sizes={"num_attention_heads": 4},
        config={"model_type": "llama", "rope_parameters": {"rope_theta": 1e4}},
        versions={"torch": "2.13.0"},
        date="2026-01-31",
        seconds=0.9,
        memory=123,
        notes=("ring attention by a CPU mapping",),
        class_digest="ab",
        structure="cd",
    )


def test_evidence_survives_json() -> None:
    """What was written is read back equal, field by field."""
    made = _evidence()
    assert Evidence.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize(
    ("mesh", "axes"),
    [
        (MeshSpec(tp_size=2), "tp"),
        (MeshSpec(tp_size=2, ep_size=2), "ep+tp"),
        (MeshSpec(dp_shard_size=2, ep_size=2), "ep+fsdp"),
        (MeshSpec(), ""),
    ],
)
def test_axes_are_named_in_one_order(mesh: MeshSpec, axes: str) -> None:
    """The axes of a mesh have one name, whatever their sizes."""
    assert axes_of(mesh) == axes


@pytest.mark.parametrize(
    ("outcome", "works"), [(Outcome.WORKS, True), (Outcome.UNDECIDED, None), (Outcome.VACUOUS, False)]
)
def test_only_a_decided_outcome_says_whether_it_works(outcome: Outcome, works: bool | None) -> None:
    """An undecided proof says neither yes nor no, and doing nothing is not working."""
    assert outcome.works is works


def test_a_file_holds_one_evidence_a_line(tmp_path: Path) -> None:
    """Blank lines are passed over."""
    path = tmp_path / "evidence.jsonl"
    path.write_text(f"{json.dumps(_evidence().to_dict())}\n\n")
    assert read_evidence(path) == (_evidence(),)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", ":1: "),
        ("[]", "JSON object"),
        ('{"schema": 99}', "schema 1"),
        ('{"schema": 1}', "malformed"),
        (json.dumps({**_evidence().to_dict(), "outcome": "fine"}), "malformed"),
        (json.dumps({**_evidence().to_dict(), "mesh": {"tp_size": 0}}), "malformed"),
        (json.dumps({**_evidence().to_dict(), "compared": 3}), "malformed"),
        ("[" * 100_000, ":1: "),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, text: str, named: str) -> None:
    """It names the line and what is wrong there."""
    path = tmp_path / "evidence.jsonl"
    path.write_text(text)
    with pytest.raises(EvidenceError, match=named):
        read_evidence(path)


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    """It names the path."""
    with pytest.raises(EvidenceError, match=r"nowhere\.jsonl"):
        read_evidence(tmp_path / "nowhere.jsonl")
