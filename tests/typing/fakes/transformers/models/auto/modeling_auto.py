from typing import Any

from transformers.generation import GenerationMixin
from transformers.modeling_utils import PreTrainedModel


class _BaseModelWithGenerate(PreTrainedModel, GenerationMixin): ...


class AutoModelForCausalLM:
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str, **kwargs: Any) -> _BaseModelWithGenerate:
        raise NotImplementedError
