"""A training script with a mistake in its mesh: `mypy examples/train.py` shows it, before anything runs.

Set `MESH` to `MeshSpec(tp_size=2)` and it trains; run it with `torchrun --nproc-per-node 2` to do so on two ranks.
"""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from meshfit import CapabilityMixin, MeshSpec

MESH = MeshSpec(tp_size=8)
STEPS = 20


class MyLlamaForCausalLM(CapabilityMixin, LlamaForCausalLM):
    """Llama, and what it supports."""


def build() -> MyLlamaForCausalLM:
    """A small Llama whose mesh was checked before its weights were made."""
    config = LlamaConfig(
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        vocab_size=1000,
    )
    with torch.device("meta"):
        MyLlamaForCausalLM(config).validate_for_mesh(MESH)
    return MyLlamaForCausalLM(config)


def main() -> None:
    """Train on random tokens, and print the loss of each step."""
    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens = torch.randint(0, 1000, (4, 64))
    for step in range(STEPS):
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"step {step}: loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
