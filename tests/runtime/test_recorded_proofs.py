"""Proofs by execution in verdicts: which models they speak of, and who asks for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshfit import check
from meshfit.checking import read_facts
from meshfit.errors import MeshfitError
from meshfit.evidence import Evidence, EvidenceError, Outcome
from meshfit.mesh import MeshSpec
from meshfit.readers.proven import structure_of

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 65,
}


def _proof(**changes: Any) -> Evidence:
    facts = read_facts(CONFIG)
    name, digest, version = facts.class_source or ("", "", "")
    proof = Evidence(
        target=name,
        mesh=MeshSpec(tp_size=2),
        engine="transformers",
        outcome=Outcome.SILENT,
        reason="logits differ",
        versions={"transformers": version, "torch": "2.13.0"},
        class_digest=digest,
        structure=structure_of(facts),
    )
    return replace(proof, **changes)


def _file(folder: Path, *proofs: Evidence) -> Path:
    path = folder / "proofs.jsonl"
    path.write_text("".join(f"{json.dumps(proof.to_dict())}\n" for proof in proofs))
    return path


def test_a_proof_of_ones_own_counts_where_it_is_named(tmp_path: Path) -> None:
    """The report refuses what was seen to fail, and shows the proof; without the file nothing changes."""
    report = check(CONFIG, MeshSpec(tp_size=2), evidence=_file(tmp_path, _proof()))
    assert report.codes == ("TP028",)
    assert report.evidence[0].outcome is Outcome.SILENT
    assert "Executed on a small twin" in str(report)
    assert check(CONFIG, MeshSpec(tp_size=2)).ok
    assert check(CONFIG, MeshSpec(tp_size=2), evidence=False).evidence == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"class_digest": "0" * 16},
        {"structure": "0" * 16},
        {"structure": ""},
        {"target": "MistralForCausalLM"},
        {"versions": {"transformers": "4.0.0"}},
    ],
    ids=str,
)
def test_a_proof_of_something_else_does_not_count(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Another source, structure, class or version is another model."""
    assert check(CONFIG, MeshSpec(tp_size=2), evidence=_file(tmp_path, _proof(**changes))).ok


def test_sizes_do_not_matter_and_structure_does(tmp_path: Path) -> None:
    """A proof on a twin speaks of every size of the same structure; tied embeddings are another."""
    path = _file(tmp_path, _proof())
    assert not check({**CONFIG, "hidden_size": 4096, "num_hidden_layers": 32}, MeshSpec(tp_size=2), evidence=path).ok
    assert check({**CONFIG, "tie_word_embeddings": True}, MeshSpec(tp_size=2), evidence=path).ok


def test_a_mesh_with_other_axes_is_not_spoken_of(tmp_path: Path) -> None:
    """What failed along tp says nothing of fsdp alone."""
    assert check(CONFIG, MeshSpec(dp_shard_size=2), evidence=_file(tmp_path, _proof())).ok


@pytest.mark.parametrize("given", [3, None, ["a"]])
def test_evidence_is_a_switch_or_a_path(given: Any) -> None:
    """Anything else is a mistake that is named."""
    with pytest.raises(MeshfitError, match="evidence must be"):
        check(CONFIG, MeshSpec(tp_size=2), evidence=given)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Asked for and not there is an error, never silence."""
    with pytest.raises(EvidenceError, match="nowhere"):
        check(CONFIG, MeshSpec(tp_size=2), evidence=tmp_path / "nowhere.jsonl")


@pytest.mark.torch
def test_a_subclass_inherits_a_proof_unless_it_overrides_what_was_proved(tmp_path: Path) -> None:
    """A class that only mixes something in does what its base does; one with its own forward speaks for itself."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from meshfit import CapabilityMixin

    class MyLlamaForCausalLM(CapabilityMixin, LlamaForCausalLM): ...

    class OtherLlamaForCausalLM(MyLlamaForCausalLM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return super().forward(*args, **kwargs)

    path = _file(tmp_path, _proof())
    config = LlamaConfig(**{key: value for key, value in CONFIG.items() if key != "architectures"})
    with torch.device("meta"):
        mine, other = MyLlamaForCausalLM(config), OtherLlamaForCausalLM(config)
    assert check(mine, MeshSpec(tp_size=2), evidence=path).codes == ("TP028",)
    assert check(other, MeshSpec(tp_size=2), evidence=path).ok
    mine.forward = lambda *_: None
    assert check(mine, MeshSpec(tp_size=2), evidence=path).ok
