"""`meshfit check`: one target, one mesh, one verdict."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse

__all__ = ["Verdict", "check_command"]


class Verdict(NamedTuple):
    """What to print, and the exit code: 0 the mesh fits, 1 it does not."""

    text: str
    code: int


def check_command(options: argparse.Namespace) -> Verdict:
    """The verdict on `options.target` and `options.mesh`. Raises MeshfitError for a mistake of the user."""
    from meshfit.checking import check
    from meshfit.mesh import MeshSpec

    report = check(
        options.target,
        MeshSpec.parse(options.mesh),
        engine=options.engine,
        world_size=options.world,
        seq_len=options.seq_len,
        gpus_per_node=options.gpus_per_node,
        attn_implementation=options.attn,
        experts_implementation=options.experts,
        strict=options.strict,
    )
    code = 0 if report.ok else 1
    if options.format == "json":
        from meshfit.render.json_format import to_json

        return Verdict(to_json(report), code)
    from meshfit.render.text import render

    return Verdict(render(report, show_unknown=options.show_unknown, color=_wants_color()), code)


def _wants_color() -> bool:
    """A terminal that shows colours, and a user who did not decline them (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
