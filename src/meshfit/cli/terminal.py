"""What a terminal and its user want."""

from __future__ import annotations

import os
import sys

__all__ = ["wants_color"]


def wants_color() -> bool:
    """A terminal that shows colours, and a user who did not decline them (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
