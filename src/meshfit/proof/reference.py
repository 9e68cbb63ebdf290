"""The reference of a proof: the twin in one process, loaded from the checkpoint that the ranks load too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

from meshfit.errors import ProofError
from meshfit.proof.drawing import redraw
from meshfit.proof.inputs import LENGTH, label_choices, offers
from meshfit.proof.observing import generate, gradients, logits_of, run_forward
from meshfit.proof.shrinking import is_small
from meshfit.proof.twin import build_config, find_class, sizes_of
from meshfit.readers.config_view import EXPERT_COUNTS

__all__ = ["CHECKPOINT", "INPUTS", "REFERENCE", "make_reference"]

CHECKPOINT: Final = "checkpoint"
INPUTS: Final = "inputs.pt"
REFERENCE: Final = "reference.pt"
"""What the folder of a proof holds: the saved model, the arguments of its calls, and what one process computed."""
_MOST: Final = 128_000_000
"""Parameters of a twin that is not as small as its class allows."""
_NUDGE: Final = 1e-6


def make_reference(rank: Any, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The task of the rank that makes the reference.

    Args:
        rank: that runs it, the only one.
        payload: the fields of the `Twin`, `folder`, `length` of the texts where a mesh asks for another; `inputs` as
            `package.module:function`, which a model without a config needs.

    Returns:
        `config` and `sizes` of the twin that ran, `parameters`, `backward` and `generate`: whether they ran, else
        `backward_error`, `generate_error`; `loss`: whether it is the model's own; `noise`: by how much the logits move,
        relative to their largest, when the weights move by a millionth; `notes`.

    Raises:
        ProofError: the model does not run in one process; the message holds its own first error.
    """
    import torch

    torch.manual_seed(0)
    folder = Path(payload["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    class_ = find_class(f"{payload['module']}:{payload['class_name']}")
    if not payload["config"]:
        model, inputs = _plain(rank, class_, payload, folder)
        return _observed(rank, model, inputs, folder, {"config": {}, "sizes": {}})
    first: ProofError | None = None
    configs = [payload["config"], *payload.get("fallbacks", ())]
    unbuilt: set[int] = set()
    for cached, (number, values) in product((True, False), enumerate(configs)):
        if number in unbuilt:
            continue
        unbuilt.add(number)
        try:
            model = _built(rank, class_, values, folder)
            unbuilt.remove(number)
            inputs = _inputs(rank, model, payload, cached=cached)
        except ProofError as fault:
            first = first or fault
        else:
            facts = {"config": values, "sizes": sizes_of(model.config), "attempt": number}
            return _observed(rank, model, inputs, folder, facts)
    raise first or ProofError("there is no config to build the model from")


def _failed(step: str, fault: BaseException) -> ProofError:
    lines = str(fault).strip().splitlines()
    return ProofError(f"{step} in one process: {type(fault).__name__}: {lines[0][:300] if lines else ''}")


def _built(rank: Any, class_: type[Any], values: Mapping[str, Any], folder: Path) -> Any:
    """The model, saved and loaded again, so that it is what ranks will load."""
    import torch

    rank.step("build")
    try:
        config = build_config(class_, values)
        if not is_small(values):
            with torch.device("meta"):
                count = sum(weight.numel() for weight in class_(config).parameters())
            _check_small(count)
        model = class_(config).float().eval()
        redraw(model, experts=_experts(values))
        model.save_pretrained(folder / CHECKPOINT)
    except ProofError:
        raise
    except Exception as fault:
        raise _failed("build", fault) from fault
    rank.step("load")
    try:
        loaded = class_.from_pretrained(folder / CHECKPOINT, dtype=torch.float32).eval()
    except Exception as fault:
        raise _failed("load", fault) from fault
    return loaded


def _check_small(count: int) -> None:
    if count > _MOST:
        raise ProofError(f"no small twin runs: one of {count} parameters may")


def _experts(values: Mapping[str, Any]) -> int:
    """Experts of the model, 0 where no config in the config counts any."""
    own = next((values[key] for key in EXPERT_COUNTS if type(values.get(key)) is int), 0)
    inner = [_experts(value) for value in values.values() if isinstance(value, Mapping)]
    return max([own, *inner])


def _inputs(rank: Any, model: Any, payload: Mapping[str, Any], *, cached: bool) -> dict[str, dict[str, Any]]:
    """The first arguments that the forward takes, with labels where it computes a loss from them."""
    import torch

    rank.step("forward")
    if payload.get("inputs"):
        return _given(model, payload["inputs"])
    first: ProofError | None = None
    for given in offers(model, payload.get("length", LENGTH), cached=cached):
        try:
            logits = logits_of(run_forward(model, {"forward": given}))
        except Exception as fault:  # noqa: BLE001 - whatever it raises, other arguments may do
            first = first or _failed("forward", fault)
            continue
        if logits is None or not bool(torch.isfinite(logits).all()):
            first = first or ProofError("forward in one process: no finite result")
            continue
        return {"forward": given, "labels": _labels(model, given, logits), "generate": {}}
    raise first or ProofError("forward in one process: it takes no arguments that can be made up")


def _labels(model: Any, given: Mapping[str, Any], logits: Any) -> dict[str, Any]:
    import torch

    for labels in label_choices(model, given, logits):
        try:
            loss = run_forward(model, {"forward": {**given, **labels}}).get("loss")
        except Exception:  # noqa: BLE001, S112 - then the loss is a projection of the logits
            continue
        if loss is not None and loss.numel() == 1 and bool(torch.isfinite(loss)):
            return labels
    return {}


def _plain(
    rank: Any, make: Callable[[], Any], payload: Mapping[str, Any], folder: Path
) -> tuple[Any, dict[str, dict[str, Any]]]:
    """A model that its own class or factory builds, with the inputs that the user's function gives."""
    import torch

    if not payload.get("inputs"):
        raise ProofError("the model has no config to make inputs from; name a function that gives them")
    rank.step("build")
    try:
        model = make().float().eval()
        redraw(model)
        (folder / CHECKPOINT).mkdir(exist_ok=True)
        torch.save(model.state_dict(), folder / CHECKPOINT / "state.pt")
    except Exception as fault:
        raise _failed("build", fault) from fault
    rank.step("forward")
    return model, _given(model, payload["inputs"])


def _given(model: Any, function: str) -> dict[str, dict[str, Any]]:
    """The inputs that the user's function gives."""
    try:
        given = dict(find_class(function)())
        labels = {"labels": given.pop("labels")} if "labels" in given else {}
        inputs = {"forward": given, "labels": labels, "generate": {}}
        run_forward(model, inputs)
    except Exception as fault:
        raise _failed("forward", fault) from fault
    return inputs


def _observed(
    rank: Any, model: Any, inputs: dict[str, dict[str, Any]], folder: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the model, write what it computed, and tell what ran."""
    import torch

    rank.step("forward")
    logits = logits_of(run_forward(model, inputs))
    _check_steady(logits, logits_of(run_forward(model, inputs)))
    found: dict[str, Any] = {"logits": logits, "loss": None, "gradients": {}, "tokens": None}
    told: dict[str, Any] = {**facts, "backward": True, "generate": False, "loss": bool(inputs["labels"])}
    rank.step("backward")
    try:
        found["loss"], found["gradients"] = gradients(model, inputs)
    except Exception as fault:  # noqa: BLE001 - what does not run in one process is left out for the ranks
        told.update(backward=False, backward_error=str(_failed("backward", fault)))
    model.zero_grad(set_to_none=True)
    rank.step("generate")
    if _generates(model, inputs):
        inputs["generate"] = _prompt(model, inputs["forward"])
        try:
            found["tokens"] = generate(model, inputs)
            told["generate"] = True
        except Exception as fault:  # noqa: BLE001 - as above
            inputs["generate"] = {}
            told["generate_error"] = str(_failed("generate", fault))
    told["parameters"] = sum(weight.numel() for weight in model.parameters())
    torch.save(inputs, folder / INPUTS)
    torch.save(found, folder / REFERENCE)
    told["noise"] = _noise(model, inputs, logits)
    return told


def _check_steady(first: Any, second: Any) -> None:
    if not first.equal(second):
        raise ProofError("two runs in one process differ, so nothing can be compared: the model draws random numbers")


def _generates(model: Any, inputs: Mapping[str, Mapping[str, Any]]) -> bool:
    able = getattr(model, "can_generate", None)
    return "input_ids" in inputs["forward"] and able is not None and bool(able())


def _prompt(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `generate` is called with; a first token for decoders whose config names none."""
    prompt = {name: value for name, value in given.items() if name in ("input_ids", "attention_mask", "langs")}
    if getattr(model.config, "is_encoder_decoder", False):
        settings = model.generation_config
        if settings.decoder_start_token_id is None and settings.bos_token_id is None:
            prompt["decoder_start_token_id"] = settings.pad_token_id or 0
    return prompt


def _noise(model: Any, inputs: Mapping[str, Mapping[str, Any]], logits: Any) -> float:
    """How far the logits move when every weight moves by a millionth: far, where a choice was near a tie."""
    import torch

    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.is_floating_point():
                weight.mul_(1 + _NUDGE * torch.randn(weight.shape, generator=generator))
    moved = logits_of(run_forward(model, inputs))
    return float((moved - logits).abs().max() / logits.abs().max().clamp(min=1e-12))
