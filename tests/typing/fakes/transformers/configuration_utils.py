from typing import Any


class PreTrainedConfig:
    model_type: str = ""
    base_model_tp_plan: dict[str, str] | None = None
    base_model_pp_plan: dict[str, Any] | None = None
    base_model_ep_plan: dict[str, str] | None = None

    def __init__(self, *, tie_word_embeddings: bool = True, **kwargs: Any) -> None: ...

    @classmethod
    def from_pretrained(cls, path: str, **kwargs: Any) -> "PreTrainedConfig":
        return cls()


PretrainedConfig = PreTrainedConfig
