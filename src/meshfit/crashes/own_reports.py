"""What meshfit itself writes when it refuses a mesh: the rule stands in the text."""

from __future__ import annotations

import re
from typing import Final

from meshfit.crashes.pattern import Reading, Scene, crash

__all__ = ["PATTERNS"]


def _named(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    return Reading(codes=(match["code"],))


PATTERNS: Final = (
    crash(
        "; if ignored, ",
        r"\((?P<code>[A-Z]{2,3}\d{3}) [a-z0-9-]{3,60}; if ignored, ",
        "",
        "",
        "meshfit's UnsupportedMeshError",
        _named,
    ),
)
