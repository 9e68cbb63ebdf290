"""The task of one rank under transformers' own engine: tensor, pipeline, expert and sharded data parallelism."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from meshfit.evidence import Compared
from meshfit.mesh import MeshSpec
from meshfit.proof.comparing import compare, compare_gradients, compare_tokens
from meshfit.proof.gathering import count_experts, count_sharded, count_stages, whole_gradients
from meshfit.proof.loading import begin, class_of, load_onto_mesh
from meshfit.proof.telling import Findings

if TYPE_CHECKING:
    from meshfit.proof.rank import Rank

__all__ = ["observe_and_compare", "run"]

_PIPELINE: Exception | str = "the engine's pipeline gives no loss and passes no gradient on"


def run(rank: Rank, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Load the twin onto the mesh, run it, and compare it with one process.

    Args:
        rank: this one.
        payload: `folder` of the reference, `module` and `class_name` of the twin, `mesh` as text; `extras`: whether to
            generate, to save and to load again as well (yes, when left out).

    Returns:
        `Findings` as JSON.
    """
    mesh, found, inputs, expected = begin(rank, payload)
    rank.step("load")
    model = load_onto_mesh(payload, mesh)
    rank.step("place")
    _count(model, mesh, expected, found)
    observe_and_compare(rank, model, inputs, expected, found, backward=mesh.pp_size == 1)
    if mesh.pp_size > 1:
        found.leave_out(dict.fromkeys(("gradients", "loss"), str(_PIPELINE)))
    if payload.get("extras", True):
        _extras(rank, model, payload, inputs, expected, found)
    return found.to_dict()


def _count(model: Any, mesh: MeshSpec, expected: Mapping[str, Any], found: Findings) -> None:
    """Count what is really spread, and name the axes over which nothing is."""
    counts, body = count_sharded(model, expected["gradients"].keys())
    cut = {"tp": counts.get("tp", 0), "dp_shard": max(counts.get("fsdp", 0), counts.get("efsdp", 0))}
    # expert parallelism takes the experts out of the tensor plan, and may leave nothing to it
    asked = [axis for axis in cut if mesh.size(axis) > 1 and not (axis == "tp" and mesh.ep_size > 1)]
    if asked:
        found.spread({axis: cut[axis] for axis in asked}, body)
    elif mesh.tp_size > 1:
        found.placed.update(sharded=cut["tp"], body=body)
    if mesh.pp_size > 1:
        stages, layers, split = count_stages(model)
        found.placed.update(stages=stages, layers=layers)
        found.idle.extend([] if split else ["pp"])
    if mesh.ep_size > 1:
        own, every = count_experts(model)
        found.placed.update({"experts": own, "all experts": every})
        found.idle.extend([] if own < every else ["ep"])


def observe_and_compare(
    rank: Rank,
    model: Any,
    inputs: Mapping[str, Any],
    expected: Mapping[str, Any],
    found: Findings,
    *,
    backward: bool,
) -> None:
    """The comparisons that decide: logits in inference and in training, the loss, every gradient.

    Args:
        rank: this one.
        model: on its ranks.
        inputs: of the reference.
        expected: what one process computed.
        found: filled.
        backward: whether the engine can train.
    """
    from meshfit.proof.observing import logits_of, loss_of, run_forward

    rank.step("forward")
    logits = logits_of(run_forward(model, inputs))
    found.compared["logits"] = compare(logits, expected["logits"])
    found.keep()
    if backward and not expected["gradients"]:
        found.leave_out(dict.fromkeys(("gradients", "loss"), "one process has no backward either"))
    elif backward:
        rank.step("backward")
        model.zero_grad(set_to_none=True)
        # an engine may take another path through a module as soon as gradients are asked for
        kept: list[Any] = []
        loss = loss_of(_Listening(model, kept), inputs)
        loss.backward()
        rank.step("compare")
        training = compare(logits_of(kept[-1]), expected["logits"], "in training") if not inputs["labels"] else None
        found.compared["logits"] = _worse(found.compared["logits"], training)
        found.compared["loss"] = compare(loss.detach(), expected["loss"])
        found.compared["gradients"] = compare_gradients(whole_gradients(model), expected["gradients"])
        model.zero_grad(set_to_none=True)
    found.keep()


def _worse(one: Compared, other: Compared | None) -> Compared:
    return one if other is None or (one.error or 0.0) >= (other.error or 0.0) else other


class _Listening:
    """Calls a model and keeps what it gave."""

    def __init__(self, model: Callable[..., Any], kept: list[Any]) -> None:
        self._model = model
        self._kept = kept

    def __call__(self, **arguments: Any) -> Any:
        output = self._model(**arguments)
        self._kept.append(output)
        return output


def _extras(
    rank: Rank,
    model: Any,
    payload: Mapping[str, Any],
    inputs: Mapping[str, Any],
    expected: Mapping[str, Any],
    found: Findings,
) -> None:
    """The comparisons that decide nothing: a run that fails here has been right so far."""
    from meshfit.proof.observing import generate, logits_of, run_forward

    if expected["tokens"] is None:
        found.leave_out({"tokens": "one process generates nothing either"})
    else:
        rank.step("generate")
        found.attempt("tokens", lambda: compare_tokens(generate(model, inputs), expected["tokens"]))
    rank.step("save")
    saved = rank.folder / "saved"

    def reload() -> Compared:
        model.save_pretrained(saved)
        if rank.rank != 0:
            return Compared("equal", 0.0)
        rank.step("reload")
        again = class_of(payload).from_pretrained(saved, dtype=expected["logits"].dtype).eval()
        return compare(logits_of(run_forward(again, inputs)), expected["logits"])

    found.attempt("reload", reload)
