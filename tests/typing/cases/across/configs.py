"""An own config class, and a model that is built from it."""

from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedConfig, PreTrainedModel

from meshfit import CapabilityMixin


class WithPlan(PreTrainedConfig):
    base_model_tp_plan = {"up": "colwise"}


class WithoutPlan(PreTrainedConfig):
    """A plan is neither here nor on the model."""


class Configured(CapabilityMixin, PreTrainedModel):
    config_class = WithPlan


class Bare(CapabilityMixin, PreTrainedModel):
    config_class = WithoutPlan


class MyLM(CapabilityMixin, LlamaForCausalLM):
    """A Llama."""


CONFIG = LlamaConfig(num_key_value_heads=2)
