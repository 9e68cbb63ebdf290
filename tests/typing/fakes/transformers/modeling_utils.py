from __future__ import annotations

import os
from typing import Any, TypeVar

from torch import nn

from .configuration_utils import PreTrainedConfig
from .distributed.mixin import DistributedMixin

M = TypeVar("M", bound="PreTrainedModel")


class PreTrainedModel(nn.Module, DistributedMixin):
    config_class: type[PreTrainedConfig] | None = None
    base_model_prefix: str = ""
    main_input_name: str = "input_ids"
    _supports_sdpa: bool = False
    _supports_context_parallel: bool = True
    supports_gradient_checkpointing: bool = False

    def __init__(self, config: PreTrainedConfig, *inputs: Any, **kwargs: Any) -> None:
        super().__init__()
        self.config: Any = config

    def post_init(self) -> None: ...

    @classmethod
    def from_pretrained(
        cls: type[M],
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,
        config: PreTrainedConfig | str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> M:
        return cls(PreTrainedConfig())
