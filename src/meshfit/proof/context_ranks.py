"""The task of one rank under context parallelism: accelerate's rules, and torch's ring attention."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from meshfit.errors import ProofError
from meshfit.proof.comparing import compare, compare_gradients
from meshfit.proof.loading import begin, class_of
from meshfit.proof.telling import Findings

if TYPE_CHECKING:
    from meshfit.proof.rank import Rank

__all__ = ["UNBALANCED", "run"]

_LEFT_OUT: Final = {
    "tokens": "context parallelism is for training",
    "reload": "nothing of the model is spread over ranks",
}
_POOLED: Final = "the logits are those of whole texts, which no rank has a part of"
UNBALANCED: Final = "run by torch's ring without the balance over ranks that accelerate asks for: not causal attention"
_NEEDS_CAUSAL: Final = "Load balancing requires"
"""Torch's word for attention that is not causal. Source: torch 2.13 _context_parallel/_attention.py."""


def run(rank: Rank, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Load the twin as accelerate's users do, cut its texts over the ranks, and compare it with one process.

    Args:
        rank: this one.
        payload: `folder` of the reference, `module` and `class_name` of the twin, `mesh` as text.

    Returns:
        `Findings` as JSON.

    Raises:
        ProofError: the model does not read one text from left to right, so nobody knows what a rank would get of it.
    """
    mesh, found, inputs, _ = begin(rank, payload)
    if mesh.used != ("cp",):
        raise ProofError("cp runs beside no other axis here")
    given = _cut(inputs["forward"])
    found.placed["tokens"] = given["input_ids"].shape[1] // mesh.cp_size
    rank.step("load")
    model = _loaded(payload)
    positions = _positions(model, given)
    weights, expected, gradients = _whole(model, given, positions)
    rank.step("hooks")
    _attach(model)
    logits, loss = _forward_and_back(rank, model, {**given, **positions}, weights, found)
    rank.step("compare")
    found.compared["logits"] = compare(logits, expected)
    if weights is None:
        found.leave_out(dict.fromkeys(("loss", "gradients"), _POOLED))
    else:
        found.compared["loss"] = compare(loss, gradients.pop(""))
        found.compared["gradients"] = compare_gradients(_summed(model), gradients)
    found.leave_out(_LEFT_OUT)
    found.keep()
    return found.to_dict()


def _cut(forward: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are texts. Raises ProofError where there are others."""
    needless = {"attention_mask", "position_ids", "token_type_ids", "use_cache"}
    if "input_ids" not in forward or forward.keys() - needless - {"input_ids"}:
        others = ", ".join(sorted(forward.keys() - {"input_ids"})) or "nothing"
        raise ProofError(f"the model is given {others} beside or instead of one text, and no rule cuts that over ranks")
    return {"input_ids": forward["input_ids"].clone()}


def _loaded(payload: Mapping[str, Any]) -> Any:
    import torch

    from meshfit.proof.reference import CHECKPOINT

    folder = Path(payload["folder"], CHECKPOINT)
    return class_of(payload).from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()


def _positions(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Where each token stands in the whole text, for a forward that takes it, or hands on what it does not know."""
    import torch

    ids = given["input_ids"]
    told = {"position_ids": torch.arange(ids.shape[1], device=ids.device).expand(ids.shape).clone()}
    parameters = inspect.signature(model.forward).parameters
    if "position_ids" in parameters:
        return told
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return {}
    try:
        with torch.no_grad():
            model(**given, **told, use_cache=False)
    except TypeError:  # nobody below takes it
        return {}
    return told


def _whole(model: Any, given: Mapping[str, Any], positions: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """In one process: random weights of a sum of the logits, the logits, and the gradients; "" is the sum itself.

    Logits that are no row for each token have no weights: they belong to whole texts, and every rank should give them.

    The positions are those of the ranks: left to themselves, some models count from elsewhere than 0.
    """
    import torch

    from meshfit.proof.observing import logits_of

    model.zero_grad(set_to_none=True)
    logits = logits_of(model(**given, **positions, use_cache=False))
    if logits.shape[:2] != given["input_ids"].shape:
        return None, logits.detach(), {}
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1)).to(logits.device)
    loss = (logits * weights).sum() / logits.numel() ** 0.5
    loss.backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad(set_to_none=True)
    return weights / logits.numel() ** 0.5, logits.detach(), {**gradients, "": loss.detach()}


def _attach(model: Any) -> None:
    """Accelerate's own refusals and hooks. Source: accelerate 1.15 big_modeling.py."""
    from accelerate.big_modeling import _attach_context_parallel_hooks

    _attach_context_parallel_hooks(model)


def _forward_and_back(
    rank: Rank, model: Any, given: Mapping[str, Any], weights: Any, found: Findings
) -> tuple[Any, Any]:
    """Whole logits, and the sum over all ranks; gradients stay on the parameters, of this rank's part alone.

    Without weights the logits are those that this rank gave, and there is no sum.

    The ring is balanced, as it is by default; attention that is not causal cannot be, and runs as torch lets it.
    """
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.experimental._attention import _cp_options, context_parallel_unshard

    if rank.device == "cpu":
        from meshfit.proof.ring_on_cpu import NOTE, teach_ring

        teach_ring()
        found.notes.append(NOTE)
    mesh = init_device_mesh(rank.device.partition(":")[0], (rank.world_size,), mesh_dim_names=("cp",))
    try:
        part, loss = _in_parts(rank, mesh, model, given, weights)
    except RuntimeError as fault:
        if _NEEDS_CAUSAL not in str(fault):
            raise
        _cp_options.enable_load_balance = False
        found.notes.append(UNBALANCED)
        model.zero_grad(set_to_none=True)
        part, loss = _in_parts(rank, mesh, model, given, weights)
    if weights is None:
        return part.detach(), None
    whole = context_parallel_unshard(mesh, [part.detach()], [1])[0]
    dist.all_reduce(loss)
    return whole, loss


def _in_parts(rank: Rank, mesh: Any, model: Any, given: Mapping[str, Any], weights: Any) -> tuple[Any, Any]:
    """This rank's logits and its part of the sum; the texts are cut in place, so they are copied before."""
    from torch.distributed.tensor.experimental import context_parallel

    from meshfit.proof.observing import logits_of

    texts = {name: text.clone() for name, text in given.items()}
    buffers = [*texts.values(), *([] if weights is None else [weights.clone()])]
    with context_parallel(mesh, buffers=buffers, buffer_seq_dims=[1] * len(buffers), no_restore_buffers=set(buffers)):
        rank.step("forward")
        part = logits_of(model(**texts, use_cache=False))
        if weights is None:
            return part, None
        loss = (part * buffers[-1]).sum()
        rank.step("backward")
        loss.backward()
    return part, loss.detach().clone()


def _summed(model: Any) -> dict[str, Any]:
    """Each gradient over all ranks, of which each saw a part of the text."""
    import torch
    import torch.distributed as dist

    found = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            dist.all_reduce(grad)
            found[name] = grad
    return found
