"""What a twin is given: tokens that mean nothing special, and what else its forward turns out to need."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshfit.proof.size_roles import role_of

__all__ = ["BATCH", "LENGTH", "label_choices", "offers", "tokens_for"]

BATCH: Final = 2
LENGTH: Final = 16
"""Tokens of a text, unless the mesh asks for a multiple of something else."""
_ZEROS: Final = {
    "token_type_ids": (BATCH, 0),
    "mm_token_type_ids": (BATCH, 0),
    "langs": (BATCH, 0),
    "lang_ids": (BATCH,),
    "bbox": (BATCH, 0, 4),
}
"""Arguments that some forwards require and for which zeros will do, with their shapes; 0 is the length of the text."""


def tokens_for(model: Any, length: int = LENGTH, *, texts: int = BATCH, seed: int = 0) -> Any:
    """Token ids of shape (texts, length), none of which has a meaning of its own.

    Args:
        model: a live one, with its config.
        length: of each text.
        texts: how many.
        seed: another one gives other tokens.
    """
    import torch

    size = _vocabulary(model)
    special = set(_special(model.config.to_dict()))
    plain = [token for token in range(size) if token not in special and token >= min(5, size // 2)]
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(plain), (texts, length), generator=generator)
    return torch.tensor(plain)[chosen]


def _vocabulary(model: Any) -> int:
    """How many tokens both the embedding and the config know."""
    config = model.config.to_dict()
    known = [value for key, value in _entries(config) if key == "vocab_size" and type(value) is int]
    try:
        rows = model.get_input_embeddings().weight.shape[0]
    except Exception:  # noqa: BLE001 - models without an embedding raise what they like
        rows = None
    return int(min([rows] if rows else known or [64], default=64))


def _entries(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _entries(value)
        elif isinstance(key, str):  # labels are numbered
            yield key, value


def _special(values: Mapping[str, Any]) -> Iterator[int]:
    for key, value in _entries(values):
        if role_of(key) == "token" or key.endswith(("_index", "_id")):
            yield from (one for one in (value if isinstance(value, list) else [value]) if type(one) is int)


def offers(model: Any, length: int = LENGTH, *, cached: bool = True) -> Iterator[dict[str, Any]]:
    """Arguments for the forward, the plainest first; the caller takes the first that runs.

    Args:
        model: a live one, with its config.
        length: of each text.
        cached: as the model is called by default; else it is told to keep no cache.
    """
    import torch

    takes = inspect.signature(model.forward).parameters
    any_name = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values())
    ids = tokens_for(model, length)
    if "input_ids" in takes or any_name:
        plain: dict[str, Any] = {"input_ids": ids}
        mask = {"attention_mask": torch.ones_like(ids)}
        decoder = {"decoder_input_ids": tokens_for(model, length, seed=1)} if "decoder_input_ids" in takes else {}
        encodes = bool(getattr(model.config, "is_encoder_decoder", False)) and decoder
        choices = [{**plain, **decoder}] if encodes else [plain, {**plain, **decoder}]
        choices += [{**choices[0], **mask}]
        for name, shape in _ZEROS.items():
            if name in takes:
                zeros = torch.zeros([size or length for size in shape], dtype=torch.long)
                choices.append({**choices[0], **mask, name: zeros})
        streams = dict(_entries(model.config.to_dict())).get("num_codebooks")
        if type(streams) is int:
            choices.append({"input_ids": tokens_for(model, length, texts=BATCH * streams)})
        end = getattr(model.config, "eos_token_id", None)
        if type(end) is int:
            choices.append({**choices[0], "input_ids": torch.cat([ids[:, :-1], torch.full_like(ids[:, :1], end)], 1)})
        choices.append({"input_ids": ids.unsqueeze(1).repeat(1, 2, 1)})  # two answers to choose from
        if not cached:
            choices = [{**choice, "use_cache": False} for choice in choices] if "use_cache" in takes or any_name else []
        yield from choices
    pixels = _pixels(model) if "pixel_values" in takes else None
    if pixels is not None:
        yield {"pixel_values": pixels, **({"input_ids": ids} if "input_ids" in takes else {})}
        yield {"pixel_values": pixels}


def _pixels(model: Any) -> Any:
    """Random images in the size that the config names, None where it names none."""
    import torch

    values = dict(_entries(model.config.to_dict()))
    side, channels = values.get("image_size"), values.get("num_channels", values.get("in_channels", 3))
    if type(side) is not int or type(channels) is not int or side > 512:
        return None
    return torch.randn(BATCH, channels, side, side, generator=torch.Generator().manual_seed(0))


def label_choices(model: Any, given: Mapping[str, Any], logits: Any) -> Iterator[dict[str, Any]]:
    """Labels that may go with these inputs, by the shape of the logits they gave."""
    import torch

    if "labels" not in inspect.signature(model.forward).parameters or logits is None:
        return
    classes = logits.shape[-1]
    text = given.get("decoder_input_ids", given.get("input_ids"))
    generator = torch.Generator().manual_seed(2)
    if logits.ndim == 3 and text is not None and logits.shape[:2] == text.shape:
        yield {
            "labels": text.clone()
            if classes > int(text.max())
            else torch.randint(classes, text.shape, generator=generator)
        }
    elif logits.ndim == 2 and classes > 1:
        yield {"labels": torch.randint(classes, (logits.shape[0],), generator=generator)}
    elif logits.ndim == 2:
        yield {"labels": torch.randn((logits.shape[0],), generator=generator)}
