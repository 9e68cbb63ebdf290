"""What a training script of Megatron-LM leaves out has the default that Megatron-LM gives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshfit.lint.files import Found
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.sweep import Choice, lint_file

SIZES = "--num-layers 8 --num-attention-heads 8 --num-experts 8 --tensor-model-parallel-size 2"


@pytest.mark.parametrize(
    ("script", "flags", "codes"),
    [
        ("pretrain_gpt.py", "", ["TP025"]),
        ("pretrain_gpt.py", "--sequence-parallel", []),
        ("pretrain_gpt.py", "$MORE", []),
        ("tools/run_text_generation_server.py", "", []),
    ],
)
def test_experts_under_tensor_ranks_share_tokens_out_when_told_to(
    tmp_path: Path, script: str, flags: str, codes: list[str]
) -> None:
    """Training refuses a MoE model without the flag; a variable may hold it, and a server does not train."""
    path = tmp_path / "train.sh"
    path.write_text(f"torchrun --nproc-per-node 8 {script} {SIZES} {flags}\n")
    result = lint_file(Found(str(path), named=True), Question(models=Models({})), Choice())
    assert result is not None
    assert [notice.code for notice in result.notices] == codes
