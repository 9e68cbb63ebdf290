"""Examples of the rules that a proof by execution alone decides."""

from __future__ import annotations

from typing import Final

from meshfit.evidence import Evidence, Outcome
from meshfit.mesh import MeshSpec
from meshfit.rules.example import Example

__all__ = ["EXAMPLES"]


def _executed(mesh: str, outcome: Outcome, reason: str, engine: str = "transformers") -> dict[str, Evidence]:
    proof = Evidence(
        target="MyForCausalLM",
        mesh=MeshSpec.parse(mesh),
        engine=engine,
        outcome=outcome,
        reason=reason,
        versions={"transformers": "5.23.0", "accelerate": "1.15.0"},
    )
    return {proof.axes: proof}


_DIFFER: Final = "logits differ by 0.3 of their largest"
EXAMPLES: Final = (
    Example(
        "TP028",
        "transformers",
        "tp=8",
        "a proof with tp=2 in which logits differ",
        {"executed": _executed("tp=2", Outcome.SILENT, _DIFFER)},
    ),
    Example(
        "PP014",
        "transformers",
        "pp=4",
        "a proof with pp=2 in which the forward raised",
        {"executed": _executed("pp=2", Outcome.LATE, "'NoneType' object has no attribute 'shape'")},
    ),
    Example(
        "CP008",
        "accelerate",
        "cp=4",
        "a proof with cp=2 in which logits differ",
        {"executed": _executed("cp=2", Outcome.SILENT, _DIFFER, "accelerate")},
    ),
    Example(
        "EP009",
        "transformers",
        "ep=4,tp=4",
        "proofs with ep=2 beside tp=2, and beside dp_shard=2, in which logits differ",
        {
            "executed": _executed("tp=2,ep=2", Outcome.SILENT, _DIFFER)
            | _executed("dp_shard=2,ep=2", Outcome.SILENT, _DIFFER)
        },
    ),
    Example(
        "DP005",
        "transformers",
        "dp_shard=8",
        "a proof with dp_shard=2 in which ranks waited for each other",
        {"executed": _executed("dp_shard=2", Outcome.HANG, "no rank got past backward in 60 s")},
    ),
)
