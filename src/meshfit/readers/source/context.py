"""What breaks when every rank holds a part of the sequence, read from the forward bodies.

The situation is accelerate's context parallel: `input_ids`, `labels` and `position_ids` are sharded in the balanced
order of torch's ring attention (a rank's positions are two runs with a gap), the ring takes over
`scaled_dot_product_attention`, and a hook replaces the `attention_mask` keyword of modules named `*self_attn` by
`is_causal=True`. Kinds of fault, each with the module where it shows:

- `local-positions` (silent): positions are counted over the local sequence instead of taken from `position_ids`.
- `mask-reaches-attention` (late): a mask is built from `position_ids` (the gap looks like a document border) and the
  attention module is not named `*self_attn`, so it is not taken away: ranks disagree on shapes, one aborts.
- `bias-reaches-attention` (late): the attention adds a tensor to its scores (ALiBi, relative positions), which the
  ring cannot shard.
- `encoder-made-causal` (silent): the hook makes a bidirectional `*self_attn` causal.
- `non-causal-attention` (late): the balanced ring only runs causal attention; other encoders and cross-attention stop.
- `attention-sinks` (silent): the ring drops the extra softmax entries.
- `attention-rejects-is-causal` (late): the module that the hook feeds has no place for `is_causal`.
- `pools-tokens` (silent): the logits are those of one token of the text, and each rank takes one of its own.
- `mixes-tokens` (silent): a convolution, recurrence or scan runs over the local tokens alone.

Sources: accelerate 1.15 big_modeling.py `_attach_context_parallel_hooks`; transformers 5.23 masking_utils.py; torch
2.13 distributed/tensor/experimental/_context_parallel.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meshfit.readers.source.flow import observe
from meshfit.readers.source.values import UNKNOWN, Instance, Unknown

__all__ = ["CONTEXT_CONSEQUENCES", "context_faults"]

CONTEXT_CONSEQUENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "attention-rejects-is-causal": "late",
        "attention-sinks": "silent",
        "bias-reaches-attention": "late",
        "encoder-made-causal": "silent",
        "local-positions": "silent",
        "mask-reaches-attention": "late",
        "mixes-tokens": "silent",
        "non-causal-attention": "late",
        "pools-tokens": "silent",
    }
)
"""Kind of context fault -> what happens under context parallelism."""
_IS_ENCODER_DECODER: Final = ast.parse("self.config.is_encoder_decoder", mode="eval").body


def context_faults(model: Instance, base: Instance) -> tuple[tuple[str, str], ...] | Unknown:
    """What breaks in `model` when ranks hold parts of the sequence: (kind, where), empty when sound.

    UNKNOWN when the forwards cannot be read, or when no attention was found in them.

    Args:
        model: the whole model, head included.
        base: its base model; the same object for a model without a head.
    """
    seen = observe(model)
    if seen is None or seen.incomplete or base.cls is None or not seen.attentions:
        return UNKNOWN
    faults = tuple(seen.context_faults)
    if _generates_alone(model):
        faults = tuple(fault for fault in faults if fault[0] != "non-causal-attention")
    return faults


def _generates_alone(model: Instance) -> bool:
    """A decoder with a generative head: bidirectional only where `is_decoder` was left unset."""
    if model.cls is None or not any(base.endswith(".GenerationMixin") for base in model.cls.external_bases):
        return False
    return model.evaluate(_IS_ENCODER_DECODER, {}) is not True
