from typing import Any

from ...configuration_utils import PreTrainedConfig


class GPT2Config(PreTrainedConfig):
    model_type = "gpt2"

    def __init__(self, vocab_size: int = 50257, n_embd: int = 768, n_layer: int = 12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_embd = n_embd
        self.vocab_size = vocab_size
