from .configuration_llama import LlamaConfig as LlamaConfig
from .modeling_llama import LlamaForCausalLM as LlamaForCausalLM, LlamaModel as LlamaModel
