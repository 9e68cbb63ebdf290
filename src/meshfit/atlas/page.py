"""The atlas as one page for a browser: a template, its style and script, and the evidence as JSON, in one file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from meshfit.atlas.telling import axes_in, but_text, libraries_text, placed_text
from meshfit.evidence import Evidence, Outcome
from meshfit.mesh import AXIS_WORDS, MeshSpec
from meshfit.readers.atlas_rows import Pool

__all__ = ["page"]

_TEMPLATE: Final = Path(__file__).parent / "template"
_SCRIPTS: Final = ("state.js", "table.js", "evidence.js", "page.js")
_SHORT: Final = {
    Outcome.WORKS: ("works", "✓", "equals one process in logits, loss and gradients, as far as the axis has them"),
    Outcome.SILENT: ("silent", "≠", "ran to the end and computed something else than one process"),
    Outcome.HANG: ("hang", "∞", "ranks waited for each other until the limit"),
    Outcome.LATE: ("late", "✕", "raised after the weights had loaded, or a rank died"),
    Outcome.VACUOUS: ("vacuous", "∅", "equals one process because nothing that matters was sharded, split or placed"),
    Outcome.CLEAN: ("clean", "⊘", "refused before or while the weights loaded"),
    Outcome.UNDECIDED: ("undecided", "?", "nothing can be said, for the reason given"),
}
"""Outcome -> its word in a cell, its sign, and what it means; in the order of the legend, the worst after the best."""

_COLUMNS: Final = (
    *("outcome", "mesh", "step", "reason", "rank", "compared", "placed", "sizes", "versions", "date"),
    *("seconds", "memory", "engine", "backend", "notes", "refused_by", "disagrees", "class_digest", "structure"),
)


def page(evidence: Sequence[Evidence]) -> str:
    """The text of the page; it asks nothing of a network.

    Args:
        evidence: of any classes and meshes.
    """
    style = (_TEMPLATE / "page.css").read_text(encoding="utf-8")
    script = "\n".join((_TEMPLATE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    text = (_TEMPLATE / "page.html").read_text(encoding="utf-8")
    # data last: what it holds is never looked through for a place to fill
    for place, part in (("/* style */", style), ("/* script */", script), ("/* data */", _data(evidence))):
        text = text.replace(place, part, 1)
    return text


def _data(evidence: Sequence[Evidence]) -> str:
    pool = Pool()
    axes = axes_in(evidence)
    outcomes = list(_SHORT)
    classes: dict[str, dict[str, list[Any]]] = {}
    for each in evidence:
        cells = classes.setdefault(each.target, {})
        cells.setdefault(each.axes, []).append(_cell(each, outcomes.index(each.outcome), pool))
    values = {
        "made": libraries_text(evidence),
        "columns": _COLUMNS,
        "outcomes": [[outcome.value, *_SHORT[outcome]] for outcome in outcomes],
        "axes": [[name, _words(next(e.mesh for e in evidence if e.axes == name))] for name in axes],
        "classes": [[name, [cells.get(column, []) for column in axes]] for name, cells in sorted(classes.items())],
        "pool": pool.values,
    }
    # a "<" could end the script element that holds the data, or begin a comment in it
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _cell(evidence: Evidence, outcome: int, pool: Pool) -> list[Any]:
    number = pool.number
    compared = [
        [
            number(name),
            number(each.state),
            None if each.error is None else float(f"{each.error:.2g}"),
            number(each.where),
        ]
        for name, each in evidence.compared.items()
    ]
    return [
        outcome,
        number(str(evidence.mesh)),
        number(evidence.step),
        number(evidence.reason or but_text(evidence)),
        evidence.rank,
        compared,
        number(placed_text(evidence.placed)),
        number(_pairs(evidence.sizes.items(), " ")),
        number(_pairs(evidence.versions.items(), " ")),
        number(evidence.date),
        round(evidence.seconds, 1),
        round(evidence.memory / (1 << 20)),
        number(evidence.engine),
        number(evidence.backend),
        [number(note) for note in evidence.notes],
        number(", ".join(evidence.refused_by)),
        int(evidence.disagrees),
        number(evidence.class_digest),
        number(evidence.structure),
    ]


def _pairs(items: Iterable[tuple[str, object]], sign: str) -> str:
    return ", ".join(f"{name}{sign}{value}" for name, value in items)


def _words(mesh: MeshSpec) -> str:
    """The axes of a mesh in words: `Expert and tensor parallelism`."""
    order = sorted(mesh.used, key=lambda axis: (axis != "ep", axis))
    words = [AXIS_WORDS[axis].removesuffix(" parallelism") for axis in order]
    told = " and ".join([words[0], *(word.lower() for word in words[1:])]) if words else "No"
    return f"{told} parallelism"
