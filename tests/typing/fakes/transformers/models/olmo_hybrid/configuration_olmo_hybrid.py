from typing import Any

from ...configuration_utils import PreTrainedConfig


class OlmoHybridConfig(PreTrainedConfig):
    model_type = "olmo_hybrid"

    def __init__(self, vocab_size: int = 100352, hidden_size: int = 3840, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.vocab_size = vocab_size
