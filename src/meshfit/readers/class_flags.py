"""What classes carry that facts are read from, told by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["BESIDE", "FLAGS", "NEMO_MIXIN"]

FLAGS: Final[Mapping[str, str]] = {
    "supports_sdpa": "_supports_sdpa",
    "owns_cp_attention": "_owns_cp_attention",
    "supports_cp_sdpa": "_supports_cp_sdpa",
    "gradient_checkpointing": "supports_gradient_checkpointing",
}
"""Fact -> the attribute that is exactly True; classes declare it, an instance may say otherwise."""

BESIDE: Final = frozenset({"GenerationMixin", "PushToHubMixin"})
"""Mixins of transformers that a model class has anyway: they say nothing of how it is built."""

NEMO_MIXIN: Final = "MoEFSDPSyncMixin"
"""NeMo's mixture-of-experts mixin."""
