"""Names of modules and parameters with their layer numbers left out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["wildcard"]

_NUMBER: Final = re.compile(r"\.\d+(?=\.|$)")


def wildcard(name: str) -> str:
    """`model.layers.3.mlp` -> `model.layers.*.mlp`, as transformers' plans spell names."""
    return _NUMBER.sub(".*", name)
