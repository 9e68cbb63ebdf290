"""`meshfit verify` and `meshfit.verify`, as their users call them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshfit import MeshSpec, check, verify
from meshfit.cli.main import main
from meshfit.errors import MeshfitError, TargetError
from meshfit.evidence import Outcome, read_evidence
from meshfit.proof.api import target_of

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "llama-8b"
HERE = "tests.proof.planted_models"


@pytest.mark.torch
@pytest.mark.slow
def test_a_proof_is_printed_kept_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text for the reader, lines of JSON for `check`; the exit code tells whether every mesh works."""
    path = tmp_path / "proofs.jsonl"
    assert main(["verify", str(EXAMPLE), "--mesh", "tp=2", "--mesh", "dp_shard=2", "--output", str(path)]) == 0
    assert "tp=2: works" in capsys.readouterr().out
    assert [proof.axes for proof in read_evidence(path)] == ["tp", "fsdp"]
    report = check(EXAMPLE, MeshSpec(tp_size=8), evidence=path)
    assert [proof.outcome for proof in report.evidence] == [Outcome.WORKS]


@pytest.mark.torch
@pytest.mark.slow
def test_what_does_not_work_is_told_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A class without a plan, in JSON."""
    assert main(["verify", "BertForMaskedLM", "--mesh", "tp=2", "--json"]) == 1
    (proof,) = json.loads(capsys.readouterr().out)["proofs"]
    assert proof["outcome"] == "clean error"
    assert "tp_plan" in proof["reason"]


@pytest.mark.torch
@pytest.mark.slow
def test_a_model_of_nobodys_library_is_proved_from_python() -> None:
    """By its factory, the function that spreads it, and the one that gives its inputs."""
    proof = verify(
        f"{HERE}:Plain", MeshSpec(tp_size=2), parallelize=f"{HERE}:cuts_whole_heads", inputs=f"{HERE}:tokens"
    )
    assert proof.outcome is Outcome.WORKS


@pytest.mark.torch
@pytest.mark.slow
def test_more_ranks_than_a_machine_runs_are_undecided() -> None:
    """A proof with fewer is never taken for one with more."""
    proof = verify("LlamaForCausalLM", MeshSpec(tp_size=512))
    assert proof.outcome is Outcome.UNDECIDED
    assert "512 ranks" in proof.reason


@pytest.mark.torch
@pytest.mark.slow
def test_ranks_of_torchrun_prove_the_same() -> None:
    """Each of its processes is a rank, and the first one tells; another number of ranks is undecided."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "meshfit"]
    asked = [*start, "verify", "LlamaForCausalLM", "--mesh", "tp=4", "--mesh", "tp=2", "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
    proofs = json.loads(done.stdout)["proofs"]
    assert [proof["outcome"] for proof in proofs] == ["undecided", "works"]
    assert "this job has 2" in proofs[0]["reason"]


CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.mark.torch
@pytest.mark.slow
def test_code_beside_a_config_runs_only_when_it_is_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the switch the error says what would have run."""
    small = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}
    config: dict[str, Any] = {
        "architectures": ["OwnForCausalLM"],
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
        "num_hidden_layers": 2,
        "vocab_size": 65,
        **small,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text(CODE)
    assert main(["verify", str(tmp_path), "--mesh", "tp=2"]) == 2
    assert "own.OwnForCausalLM" in capsys.readouterr().err
    assert main(["verify", str(tmp_path), "--mesh", "tp=2", "--trust-remote-code"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["LlamaForCausalLM", "--mesh", "tp=1"], "axis in use"),
        (["LlamaForCausalLM", "--mesh", "tp=2", "--timeout", "0"], "timeout must be positive"),
        (["LlamaForCausalLM", "--mesh", "tp=2", "--memory", "-1"], "memory must be positive"),
        (["LlamaForCausalLM", "--mesh", "tp=2", "--memory", "inf"], "memory must be positive"),
        (["LlamaForCausalLM", "--mesh", "tp=2", "--trust-remote-code"], "no code to trust"),
        (["LlamaForCausalLM", "--mesh", "tp=2", "--inputs", "a:b"], "belong together"),
        (["LlamaForCausalLM", "--mesh", "two"], "axis=size"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with exit code 2."""
    assert main(["verify", *arguments]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.torch
def test_a_config_names_no_module_to_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor a folder of code: a file is data, whatever it says."""
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    config = {"architectures": ["evil:Model"], "auto_map": {"AutoModel": "evil.Model"}, "_code_in": str(tmp_path)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["verify", str(tmp_path), "--mesh", "tp=2"]) == 2
    assert "'evil:Model' in architectures is no name of a class" in capsys.readouterr().err


def test_a_class_that_other_processes_cannot_import_is_refused() -> None:
    """Ranks are processes of their own."""

    class Local: ...

    with pytest.raises(TargetError, match="module of its own"):
        target_of(Local)


def test_a_mesh_without_an_axis_has_nothing_to_prove() -> None:
    """In Python as on the command line."""
    with pytest.raises(MeshfitError, match="axis in use"):
        verify("LlamaForCausalLM", MeshSpec())
