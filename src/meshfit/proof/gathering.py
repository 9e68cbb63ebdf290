"""Whole tensors of a model whose parameters are spread over ranks, and counts of what is spread."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

__all__ = ["count_experts", "count_sharded", "count_stages", "whole_gradients"]

_IN_LAYER: Final = re.compile(r"(?:^|\.)\d+\.")
"""A parameter of a layer, numbered as one of a list: of the body, not of an embedding or a head."""


def whole_gradients(model: Any) -> dict[str, Any]:
    """Every gradient as one process would hold it. All ranks must call it.

    A rank that has no gradient for its part of a parameter, such as of experts that got no token, gives zeros: else
    the others would wait for it.
    """
    from torch.distributed.tensor import DTensor

    found = {}
    for name, weight in model.named_parameters():
        grad = weight.grad
        if isinstance(weight, DTensor) and weight.requires_grad:
            found[name] = _as_spread(grad, weight).full_tensor()
        elif grad is not None:
            found[name] = grad.full_tensor() if isinstance(grad, DTensor) else grad
    return found


def _as_spread(grad: Any, weight: Any) -> Any:
    """The gradient, spread as it says, or else as its parameter is."""
    import torch
    from torch.distributed.tensor import DTensor

    if isinstance(grad, DTensor):
        return grad
    return DTensor.from_local(
        torch.zeros_like(weight.to_local()) if grad is None else grad,
        weight.device_mesh,
        weight.placements,
        run_check=False,
        shape=weight.shape,
        stride=weight.stride(),
    )


def _sharded_over(weight: Any) -> frozenset[str]:
    """The mesh axes over which a parameter is cut, under the engine's names."""
    from torch.distributed.tensor import DTensor

    if not isinstance(weight, DTensor):
        return frozenset()
    names = weight.device_mesh.mesh_dim_names or ("",) * weight.device_mesh.ndim
    cut = zip(names, weight.placements, strict=True)
    return frozenset(name for name, placement in cut if hasattr(placement, "dim"))


def count_sharded(model: Any, used: Collection[str]) -> tuple[dict[str, int], int]:
    """How many body parameters are cut over each axis, and of how many.

    Args:
        model: that was loaded onto ranks.
        used: names of the parameters that the forward uses; empty where that is not known.
    """
    counts: dict[str, int] = {}
    body = 0
    for name, weight in model.named_parameters():
        if not _IN_LAYER.search(name) or (used and name not in used):
            continue
        body += 1
        for axis in _sharded_over(weight):
            counts[axis] = counts.get(axis, 0) + 1
    return counts, body


def count_experts(model: Any) -> tuple[int, int]:
    """Experts of one layer that this rank holds, and all of that layer: of the layer that is cut over most ranks."""
    own, every = 0, 0
    for weight in model.parameters():
        if "ep" in _sharded_over(weight) and weight.shape[0] > every:
            own, every = weight.to_local().shape[0], weight.shape[0]
    return own, every


def count_stages(model: Any) -> tuple[int, int, bool]:
    """Stages that hold a layer, layers in all, and whether they are split at all. All ranks must call it.

    A stage holds a placeholder for each layer of another.
    """
    import torch.distributed as dist
    from transformers.distributed.pipeline_parallel import PipelineIdentityLayer

    stage = model._pp_stage  # noqa: SLF001 - the engine has no public name for it
    layers = getattr(model, model.base_model_prefix).layers
    own = sum(not isinstance(layer, PipelineIdentityLayer) for layer in layers)
    counts: list[int] = [0] * stage.pp_size
    dist.all_gather_object(counts, own, group=stage.pp_group)
    return sum(count > 0 for count in counts), len(layers), any(count < len(layers) for count in counts)
