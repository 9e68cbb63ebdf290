from .configuration_gpt2 import GPT2Config as GPT2Config
from .modeling_gpt2 import GPT2LMHeadModel as GPT2LMHeadModel
