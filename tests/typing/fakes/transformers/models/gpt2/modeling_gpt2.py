from typing import Any

from torch import Tensor, nn

from ...generation import GenerationMixin
from ...modeling_utils import PreTrainedModel
from .configuration_gpt2 import GPT2Config


class GPT2PreTrainedModel(PreTrainedModel):
    config: GPT2Config
    base_model_prefix = "transformer"
    _supports_sdpa = True


class GPT2Model(GPT2PreTrainedModel):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.post_init()

    def forward(self, input_ids: Tensor | None = None, **kwargs: Any) -> Any: ...


class GPT2LMHeadModel(GPT2PreTrainedModel, GenerationMixin):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids: Tensor | None = None, **kwargs: Any) -> Any: ...
