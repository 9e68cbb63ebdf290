"""A class of your own that answers for itself, before anything is loaded or split.

Run it with `python examples/own_class.py`; it builds a tiny model with random weights, on the CPU.
"""

from __future__ import annotations

from transformers import LlamaConfig, LlamaForCausalLM

from meshfit import CapabilityMixin, MeshSpec, UnsupportedMeshError


class MyLlamaForCausalLM(CapabilityMixin, LlamaForCausalLM):
    """The mixin stands first; everything else stays as it was."""


config = LlamaConfig(
    vocab_size=128,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=2,
)
model = MyLlamaForCausalLM(config)

print("tensor parallel:", model.supports_tp)
print("expert parallel:", model.supports_ep)

model.validate_for_mesh(MeshSpec(tp_size=2))
try:
    model.validate_for_mesh(MeshSpec(tp_size=8))
except UnsupportedMeshError as error:
    print(error)
