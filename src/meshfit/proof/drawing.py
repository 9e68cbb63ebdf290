"""Random weights under which an error shows: every layer passes on about as much as it is given."""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

__all__ = ["redraw"]

_SPREAD: Final = 0.1
"""By how much weights that begin all alike, such as those of a norm or a bias, are made to differ."""
_ROUTING: Final = 3.0
"""The gain of a router, so that no two experts come near a tie."""
_ROUTERS: Final = ("gate", "router", "classifier", "wg")


def redraw(model: Any, *, experts: int = 0, seed: int = 0) -> None:
    """Give a model new weights, the same ones in every process.

    Default weights are so small that a wrong sum of two ranks hides in the residual stream.

    Args:
        model: any module, on the CPU.
        experts: that a router chooses from; 0 where there is none.
        seed: another one gives other weights.
    """
    import torch

    generator = torch.Generator()
    tied = _tied(model)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.is_floating_point() and weight.numel():
                generator.manual_seed(crc32(name.encode()) + seed)
                noise = torch.randn(weight.shape, generator=generator)
                owner = model.get_submodule(name.rpartition(".")[0])
                weight.copy_(_drawn(name, weight, noise, owner, experts=experts, tied=weight.data_ptr() in tied))


def _tied(model: Any) -> set[int]:
    """Where the weights lie that several modules share."""
    seen: dict[int, int] = {}
    for _, weight in model.named_parameters(remove_duplicate=False):
        seen[weight.data_ptr()] = seen.get(weight.data_ptr(), 0) + 1
    return {place for place, count in seen.items() if count > 1}


def _drawn(name: str, weight: Any, noise: Any, owner: Any, *, experts: int, tied: bool) -> Any:
    import torch
    from torch import nn

    if isinstance(owner, nn.Embedding):
        # a tied one is a head too: half way between a unit embedding and a unit head
        return noise * (weight.shape[-1] ** -0.25 if tied else 1.0)
    if weight.ndim < 2 or not bool(torch.isfinite(weight).all()):
        return _varied(weight, noise) if bool(torch.isfinite(weight).all()) else noise * _SPREAD
    if isinstance(owner, nn.Linear | nn.modules.conv._ConvNd):  # noqa: SLF001 - the common base has no other name
        gain = weight[0].numel() ** -0.5
    elif weight.std() == 0 or abs(float(weight.mean())) > 0.5 * float(weight.std()):
        return _varied(weight, noise)  # begins as something, such as the decay rates of a state space
    elif weight.ndim == 2 and type(owner).__name__ == "Conv1D":
        gain = weight.shape[0] ** -0.5
    elif weight.ndim == 2:
        gain = weight.shape[1] ** -0.5
    else:
        gain = (weight.shape[-1] * weight.shape[-2]) ** -0.25  # which of them goes in differs by class
    if experts and weight.ndim == 2 and experts in weight.shape and any(word in name for word in _ROUTERS):
        gain *= _ROUTING
    return noise * gain


def _varied(weight: Any, noise: Any) -> Any:
    return weight + noise * _SPREAD * (weight.abs().clamp(max=1.0) if weight.abs().min() > 0 else 1.0)
