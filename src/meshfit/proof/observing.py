"""What is looked at when a model runs: logits, the loss, every gradient, a few tokens. Ranks and reference alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from zlib import crc32

__all__ = ["NEW_TOKENS", "Observation", "generate", "gradients", "logits_of", "loss_of", "observe", "run_forward"]

NEW_TOKENS: Final = 4
"""Tokens that are generated greedily."""
_NOT_RESULTS: Final = ("past_key_values", "cache", "loss", "rope_deltas")


class Observation(NamedTuple):
    """What a model computed.

    Args:
        logits: of the forward, or the first result where the model has none.
        loss: as a number.
        gradients: parameter name -> gradient, for the parameters that the loss reaches.
        tokens: greedily generated ones, prompt included; None where the model does not generate.
    """

    logits: Any
    loss: float | None = None
    gradients: Mapping[str, Any] = {}
    tokens: Any = None


def run_forward(model: Any, inputs: Mapping[str, Mapping[str, Any]]) -> Any:
    """The output of a forward without gradients.

    Args:
        model: in eval mode.
        inputs: as `inputs.pt` holds them: `forward`, `labels`, `generate`, each the arguments by name.
    """
    import torch

    with torch.no_grad():
        return model(**inputs["forward"])


def _results(output: Any) -> Iterator[tuple[str, Any]]:
    """The floating tensors of an output, by name and in order."""
    import torch

    if isinstance(output, torch.Tensor):
        yield "", output
        return
    entries = (
        output.items() if isinstance(output, Mapping) else enumerate(output) if isinstance(output, tuple | list) else ()
    )
    for name, value in entries:
        if isinstance(value, torch.Tensor) and value.is_floating_point() and name not in _NOT_RESULTS:
            yield str(name), value


def logits_of(output: Any) -> Any:
    """The logits of an output; its first floating tensor where none is called so, None where there is none."""
    results = dict(_results(output))
    named = next((name for name in results if "logits" in name), None)
    return results[named] if named is not None else next(iter(results.values()), None)


def loss_of(model: Any, inputs: Mapping[str, Mapping[str, Any]]) -> Any:
    """A scalar to differentiate: the model's own loss where labels are given, else a fixed projection of its results.

    Args:
        model: in eval mode.
        inputs: as `inputs.pt` holds them.
    """
    output = model(**inputs["forward"], **inputs["labels"])
    own = output.get("loss") if isinstance(output, Mapping) else None
    return _projection(output) if own is None else own


def _projection(output: Any) -> Any:
    """A sum of the results with fixed random weights."""
    import torch

    total: Any = 0.0
    for name, value in _results(output):
        if value.requires_grad:
            generator = torch.Generator().manual_seed(crc32(name.encode()))
            weights = torch.randn(value.shape, generator=generator).to(value.device)
            total = total + (value * weights).sum() / max(value.numel(), 1) ** 0.5
    return total


def gradients(model: Any, inputs: Mapping[str, Mapping[str, Any]]) -> tuple[float, dict[str, Any]]:
    """The loss, and the gradient of each parameter that it reaches, as the parameters hold them.

    Args:
        model: in eval mode; its gradients are replaced.
        inputs: as `inputs.pt` holds them.
    """
    model.zero_grad(set_to_none=True)
    loss = loss_of(model, inputs)
    loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return float(loss.detach()), found


def generate(model: Any, inputs: Mapping[str, Mapping[str, Any]]) -> Any:
    """Greedy tokens after the prompt, which is included; always `NEW_TOKENS` of them.

    Args:
        model: that can generate.
        inputs: as `inputs.pt` holds them.
    """
    return model.generate(
        **inputs["generate"], max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1
    )


def observe(
    model: Any, inputs: Mapping[str, Mapping[str, Any]], step: Callable[[str], None] = lambda _: None
) -> Observation:
    """All that is compared, in the order of a proof; what a model cannot do raises.

    Args:
        model: in eval mode.
        inputs: as `inputs.pt` holds them; without `generate` nothing is generated.
        step: told what comes next.
    """
    step("forward")
    logits = logits_of(run_forward(model, inputs))
    step("backward")
    loss, found = gradients(model, inputs)
    tokens = None
    if inputs.get("generate"):
        step("generate")
        tokens = generate(model, inputs)
    return Observation(logits, loss, found, tokens)
