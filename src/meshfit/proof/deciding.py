"""From how the ranks of a run ended, and what they found out, to its outcome."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from meshfit.errors import ProofError
from meshfit.evidence import Compared, Outcome
from meshfit.mesh import MeshSpec
from meshfit.proof.comparing import MOST
from meshfit.proof.runs import RankEnd, Run
from meshfit.proof.telling import read_findings

__all__ = ["Decided", "decide"]

_DECIDING: Final = ("logits", "loss", "gradients")
"""A deviation in one of these is a silent mismatch; tokens follow from logits, and a reload comes after the run."""
_AFTERWARDS: Final = frozenset({"generate", "save", "reload"})
"""Steps at which everything that decides has been compared."""
_BEFORE: Final = frozenset({"", "build", "load", "hooks"})
"""Steps of the engine before it runs anything; `hooks` are accelerate's own checks of a loaded model."""
_RANKING: Final = ("left out", "equal", "failed", "different")
_NOT_THE_MODEL: Final = re.compile(
    r"not implemented for '|Could not run 'aten::|only (?:supported|available|implemented) (?:on|for) (?:CUDA|GPU)"
    r"|requires? (?:a )?(?:CUDA|GPU)|Torch not compiled with CUDA|No module named|requires the .* librar"
    r"|does not have a sharding strategy registered",
)
"""What a CPU, or a package that is not installed, cannot do."""
_NOT_THE_RING: Final = "got mixed torch.Tensor and DTensor"
"""What comes of attention whose queries and values differ in width: on a CPU another operator runs than on CUDA."""
_STOPPED: Final = {
    "slow": "it was not done within the limit of time",
    "memory": "it took more memory than the limit",
    "lost": "the process that watched the ranks was killed",
}


class Decided(NamedTuple):
    """The part of `Evidence` that a run decides; its fields are described there."""

    outcome: Outcome
    step: str
    reason: str
    rank: int | None
    compared: Mapping[str, Compared]
    placed: Mapping[str, int]
    notes: tuple[str, ...]
    backend: str


def decide(run: Run, folder: str, mesh: MeshSpec) -> Decided:
    """The outcome of a run.

    Args:
        run: how its ranks ended.
        folder: of the proof, where ranks wrote what they found out.
        mesh: that ran.
    """
    found = read_findings(folder, mesh, mesh.world_size)
    compared = _worst(each["compared"] for each in found)
    placed = _least(each["placed"] for each in found)
    notes = tuple(dict.fromkeys(note for each in found for note in each["notes"]))
    idle = sorted({axis for each in found for axis in each["idle"]})
    outcome, step, reason, rank = _ended(run, mesh)
    if step in _AFTERWARDS and outcome is not Outcome.WORKS:
        compared = {**compared, _named(step): Compared("failed", None, reason)}
        outcome, step, reason, rank = Outcome.WORKS, "", "", None
    wrong = compared.get("logits", Compared("left out")).state == "different"
    if outcome is Outcome.WORKS or (wrong and outcome in (Outcome.LATE, Outcome.HANG)):
        # a backward that fails afterwards saves nobody who only runs the forward
        outcome, step, reason, rank = _compared(compared, idle)
    backend = next((each["backend"] for each in found), "gloo")
    return Decided(outcome, step, reason, rank, compared, placed, notes, backend)


def _named(step: str) -> str:
    return "tokens" if step == "generate" else "reload"


def _ended(run: Run, mesh: MeshSpec) -> tuple[Outcome, str, str, int | None]:
    """What the ends of the ranks alone say."""
    first = run.first
    step = first.step if first else ""
    rank = first.rank if first else None
    if run.state == "done":
        return Outcome.WORKS, "", "", None
    if run.state == "hang":
        return Outcome.HANG, step, f"the ranks waited for each other at {step or 'the start'}", rank
    if run.state in _STOPPED:
        return Outcome.UNDECIDED, step, _STOPPED[run.state], rank
    reason = _reason(first)
    if first is not None and first.kind == ProofError.__name__:
        return Outcome.UNDECIDED, step, first.message, rank
    if _NOT_THE_MODEL.search(reason) or (mesh.cp_size > 1 and _NOT_THE_RING in reason):
        return Outcome.UNDECIDED, step, f"a limit of this machine: {reason}", rank
    return (Outcome.CLEAN if step in _BEFORE else Outcome.LATE), step, reason, rank


def _reason(end: RankEnd | None) -> str:
    if end is None:
        return "a rank ended, and nobody knows why"
    if end.state == "died":
        return f"the rank was ended by signal {end.signal}"
    if end.state == "left":
        return f"the rank exited with code {end.code}"
    return f"{end.kind}: {end.message}" if end.message else end.kind


def _compared(compared: Mapping[str, Compared], idle: list[str]) -> tuple[Outcome, str, str, int | None]:
    for name in _DECIDING:
        result = compared.get(name)
        if result is not None and result.state == "different":
            return Outcome.SILENT, "compare", f"{name} differ{_by_how_much(result)}", None
    if "logits" not in compared:
        return Outcome.UNDECIDED, "compare", "nothing was compared", None
    if idle:
        return Outcome.VACUOUS, "place", f"nothing of the body is spread over {' and '.join(idle)}", None
    return Outcome.WORKS, "", "", None


def _by_how_much(result: Compared) -> str:
    where = f" at {result.where}" if result.where else ""
    if result.error is None:
        return where
    if result.error >= MOST:
        return f": {result.where or 'some are no finite numbers'}"
    return f" by {result.error:.2g} of the largest{where}"


def _worst(all_compared: Iterable[Mapping[str, Any]]) -> dict[str, Compared]:
    """Of each comparison the result of the rank that fared worst."""
    worst: dict[str, Compared] = {}
    for compared in all_compared:
        for name, values in compared.items():
            one = Compared(*values)
            if name not in worst or _badness(one) > _badness(worst[name]):
                worst[name] = one
    return worst


def _badness(one: Compared) -> tuple[int, float]:
    return _RANKING.index(one.state), one.error or 0.0


def _least(all_placed: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Of each count the smallest, but of the experts on a rank, which are told for the fullest."""
    least: dict[str, int] = {}
    for placed in all_placed:
        for name, count in placed.items():
            choose = max if name == "experts" else min
            least[name] = choose(least.get(name, count), count)
    return least
