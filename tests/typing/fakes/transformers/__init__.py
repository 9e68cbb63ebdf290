"""As much of transformers as the cases name, under the dotted names of the real one."""

from .configuration_utils import PreTrainedConfig as PreTrainedConfig, PretrainedConfig as PretrainedConfig
from .generation import GenerationMixin as GenerationMixin
from .modeling_utils import PreTrainedModel as PreTrainedModel
from .models.auto import AutoModelForCausalLM as AutoModelForCausalLM
from .models.gpt2 import GPT2Config as GPT2Config, GPT2LMHeadModel as GPT2LMHeadModel
from .models.llama import (
    LlamaConfig as LlamaConfig,
    LlamaForCausalLM as LlamaForCausalLM,
    LlamaModel as LlamaModel,
)
from .models.olmo_hybrid import (
    OlmoHybridConfig as OlmoHybridConfig,
    OlmoHybridForCausalLM as OlmoHybridForCausalLM,
)
