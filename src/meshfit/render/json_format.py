"""A report as JSON, for other programs.

The object is `Report.to_dict()` with the number of its schema. Within one number, keys are only ever added.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from meshfit.report import Report

__all__ = ["SCHEMA", "to_json"]

SCHEMA: Final = 1
"""Raised when a key is removed, renamed or changes its meaning."""


def to_json(report: Report) -> str:
    """One JSON object, indented by two, ASCII only so that every terminal and pipe carries it."""
    return json.dumps({"schema": SCHEMA, **report.to_dict()}, indent=2)
