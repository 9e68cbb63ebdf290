from typing import Any

from torch import Tensor, nn

from ...generation import GenerationMixin
from ...modeling_utils import PreTrainedModel
from .configuration_olmo_hybrid import OlmoHybridConfig


class OlmoHybridPreTrainedModel(PreTrainedModel):
    config: OlmoHybridConfig
    base_model_prefix = "model"
    _supports_sdpa = True


class OlmoHybridForCausalLM(OlmoHybridPreTrainedModel, GenerationMixin):
    def __init__(self, config: OlmoHybridConfig) -> None:
        super().__init__(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids: Tensor | None = None, **kwargs: Any) -> Any: ...
