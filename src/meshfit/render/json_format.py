"""Reports as JSON, for other programs.

The object is what `Report.to_dict()` gives, with the number of its schema. Within one number, keys are only ever added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["SCHEMA", "as_json"]

SCHEMA: Final = 1
"""Raised when a key is removed, renamed or changes its meaning."""


def as_json(values: Mapping[str, Any]) -> str:
    """One JSON object, indented by two, ASCII only so that every terminal and pipe carries it."""
    return json.dumps({"schema": SCHEMA, **values}, indent=2)
