"""Holds what ranks computed against one process: every deviation is relative, and told with where it was largest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from meshfit.evidence import Compared

__all__ = ["MOST", "TOLERANCE", "compare", "compare_gradients", "compare_tokens", "left_out"]

TOLERANCE: Final = 1e-3
"""What 32-bit sums in another order may differ by, relative to the largest value; they differ by 1e-5 at most."""
_FLOOR: Final = 1e-3
"""Of the largest gradient of all: a gradient far below it is a difference of large terms, and mostly rounding."""
_MASKED: Final = 1e20
"""Models write such values where they forbid a token; beside them every deviation would be small."""
MOST: Final = 1e9
"""Stands for a deviation that no number tells: a NaN, another shape."""


def _deviation(own: Any, expected: Any, floor: float = 0.0) -> float:
    """The largest deviation of two tensors, relative to the largest expected value, or to `floor` if that is more."""
    import torch

    if own.shape != expected.shape:
        return MOST
    own, expected = own.detach().float().cpu(), expected.detach().float().cpu()
    masked = expected.abs() > _MASKED
    if not torch.equal(masked, own.abs() > _MASKED):
        return MOST
    own, expected = own.masked_fill(masked, 0.0), expected.masked_fill(masked, 0.0)
    if not expected.numel():
        return 0.0
    scale = max(float(expected.abs().max()), floor, 1e-12)
    error = float((own - expected).abs().max()) / scale
    return min(error, MOST) if error == error else MOST  # noqa: PLR0124 - NaN


def _state(error: float) -> Literal["equal", "different"]:
    return "equal" if error <= TOLERANCE else "different"


def compare(own: Any, expected: Any, where: str = "") -> Compared:
    """Compare two tensors, or two numbers.

    Args:
        own: what this rank computed.
        expected: what one process computed.
        where: told with the deviation.
    """
    import torch

    if own is None:
        return Compared("different", MOST, "nothing was computed")
    own, expected = (value if isinstance(value, torch.Tensor) else torch.tensor(value) for value in (own, expected))
    if own.shape != expected.shape:
        return Compared("different", MOST, f"the shape is {list(own.shape)} instead of {list(expected.shape)}")
    error = _deviation(own, expected)
    return Compared(_state(error), error, where)


def compare_gradients(own: Mapping[str, Any], expected: Mapping[str, Any]) -> Compared:
    """Compare every gradient, whole.

    Args:
        own: parameter name -> gradient; a parameter without one had none.
        expected: the same of one process.
    """
    import torch

    floor = _FLOOR * max((float(one.abs().max()) for one in expected.values() if one.numel()), default=0.0)
    worst, where, wrong = 0.0, "", 0
    for name in sorted(own.keys() | expected.keys()):
        mine, other = own.get(name), expected.get(name)
        some = mine if mine is not None else other
        zero = torch.zeros_like(some, device="cpu")
        error = _deviation(zero if mine is None else mine, zero if other is None else other, floor)
        wrong += error > TOLERANCE
        if error > worst:
            worst, where = error, name
    if wrong > 1:
        where = f"{where}, and {wrong - 1} more of {len(expected)}"
    return Compared(_state(worst), worst, where)


def compare_tokens(own: Any, expected: Any) -> Compared:
    """Compare generated tokens; the error is the share that differs."""
    if own.shape != expected.shape:
        return Compared("different", 1.0, f"the shape is {list(own.shape)} instead of {list(expected.shape)}")
    unequal = own.cpu() != expected.cpu()
    share = float(unequal.float().mean())
    if not share:
        return Compared("equal", 0.0)
    return Compared("different", share, f"from position {int(unequal.any(dim=0).nonzero()[0])}")


def left_out(why: str) -> Compared:
    """A comparison that was not made."""
    return Compared("left out", None, why)
