"""Evidence in words, for whoever reads a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from meshfit.atlas.changes import KINDS, Change
from meshfit.evidence import Compared, Evidence, Outcome

__all__ = [
    "AXES",
    "axes_in",
    "but_text",
    "changed",
    "detail",
    "disagreeing",
    "libraries_text",
    "listed",
    "overview",
    "placed_text",
]

AXES: Final = ("tp", "pp", "cp", "fsdp", "ep+tp", "ep+fsdp")
"""The columns of tables, those that the evidence has; others follow."""

_WIDTH: Final = 110
_LIBRARIES: Final = ("transformers", "torch", "accelerate")


def axes_in(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """The axes that ran, in the order of tables."""
    found = {each.axes for each in evidence}
    return (*(axes for axes in AXES if axes in found), *sorted(found.difference(AXES)))


def overview(evidence: Sequence[Evidence]) -> str:
    """How many classes ended how on which axes."""
    columns = axes_in(evidence)
    counted = Counter((each.outcome, each.axes) for each in evidence)
    rows = [
        [outcome.value, *(str(counted[outcome, axes] or "-") for axes in columns)]
        for outcome in Outcome
        if any(counted[outcome, axes] for axes in columns)
    ]
    classes = len({each.target for each in evidence})
    head = f"{classes} {_many('class', classes)}, {len(evidence)} {_many('proof', len(evidence))}"
    return "\n".join([f"{head}; {libraries_text(evidence)}", "", *_table([["outcome", *columns], *rows], right=True)])


def listed(evidence: Sequence[Evidence]) -> str:
    """A line for each: class, mesh, outcome, and why."""
    rows = [[each.target, str(each.mesh), each.outcome.value, _why(each)] for each in evidence]
    return "\n".join(_table([["class", "mesh", "outcome", "why"], *rows]))


def detail(evidence: Sequence[Evidence]) -> str:
    """All that is known of one class, mesh by mesh."""
    told = [f"{evidence[0].target}; {libraries_text(evidence)}"]
    for each in evidence:
        told += ["", f"{each.mesh}: {each.outcome.value}"]
        for name, text in _entries(each):
            told += textwrap.wrap(
                text,
                _WIDTH,
                initial_indent=f"  {name:<11}",
                subsequent_indent=" " * 13,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(told)


def changed(found: Sequence[Change]) -> str:
    """The changes of each kind, and how many there are."""
    if not found:
        return "nothing changed"
    counted = Counter(change.kind for change in found)
    told = [", ".join(f"{counted[kind]} {kind}" for kind in KINDS if counted[kind])]
    for kind, meaning in KINDS.items():
        some = [change for change in found if change.kind == kind]
        if some:
            told += ["", f"{kind}: {meaning}"]
            told += [f"  {line}" for line in _table([_change_row(change) for change in some])]
    return "\n".join(told)


def disagreeing(evidence: Sequence[Evidence]) -> str:
    """Where rules alone say something else than what happened, and how often they say the same."""
    columns = axes_in(evidence)
    rows = []
    for axes in columns:
        decided = [each for each in evidence if each.axes == axes and each.outcome.works is not None]
        wrong = [each for each in decided if each.disagrees]
        silent = sum(each.outcome is Outcome.SILENT for each in wrong)
        share = f"{(len(decided) - len(wrong)) / len(decided):.3f}" if decided else "-"
        alarms = sum(bool(each.refused_by) for each in wrong)
        rows.append([axes, str(len(decided)), share, str(alarms), str(len(wrong) - alarms), str(silent)])
    head = ["axis", "decided", "rules right", "false alarms", "misses", "ok on silent"]
    told = _table([head, *rows], right=True)
    wrong = [each for each in evidence if each.disagrees]
    if wrong:
        lines = [[each.target, str(each.mesh), _said(each), each.outcome.value, _why(each)] for each in wrong]
        told += ["", *_table([["class", "mesh", "rules say", "it", "why"], *lines])]
    return "\n".join(told)


def placed_text(placed: Mapping[str, int]) -> str:
    """What was really sharded, split or placed, as a sentence without an end."""
    rest = dict(placed)
    told = []
    if {"sharded", "body"} <= rest.keys():
        told.append(f"{rest.pop('sharded')} of {rest.pop('body')} body parameters sharded")
    if "stages" in rest:
        layers = f" of {rest.pop('layers')}" if "layers" in rest else ""
        told.append(f"{rest.pop('stages')} stages hold a layer{layers}")
    if {"experts", "all experts"} <= rest.keys():
        told.append(f"{rest.pop('experts')} of {rest.pop('all experts')} experts on the fullest rank")
    if "tokens" in rest:
        told.append(f"{rest.pop('tokens')} tokens a rank")
    return ", ".join([*told, *(f"{name} {count}" for name, count in rest.items())])


def but_text(evidence: Evidence) -> str:
    """What went wrong beside a mesh that works: tokens and reloads decide nothing; empty where nothing did."""
    wrong = [
        f"{name} {each.state}" for name, each in evidence.compared.items() if each.state in ("different", "failed")
    ]
    return f"but {', '.join(wrong)}" if wrong and evidence.outcome is Outcome.WORKS else ""


def _comparisons(compared: Mapping[str, Compared]) -> list[str]:
    """A line for each comparison; one for all where none was made, for one reason."""
    reasons = {each.where for each in compared.values()}
    if len(reasons) == 1 and all(each.state == "left out" for each in compared.values()):
        return [f"nothing: {reasons.pop()}"]
    return [_compared_text(name, each) for name, each in compared.items()]


def _compared_text(name: str, compared: Compared) -> str:
    """One comparison as a few words."""
    error = "" if compared.error is None else f" ({compared.error:.2g})"
    where = f" at {compared.where}" if compared.where and compared.state in ("equal", "different") else ""
    why = f": {compared.where}" if compared.where and not where else ""
    return f"{name} {compared.state}{error}{where}{why}"


def libraries_text(evidence: Sequence[Evidence]) -> str:
    """The versions that the evidence was made with, and when."""
    told = []
    for library in _LIBRARIES:
        versions = sorted({each.versions[library] for each in evidence if library in each.versions})
        if versions:
            told.append(f"{library} {', '.join(versions)}")
    days = sorted({each.date for each in evidence if each.date})
    if days:
        told.append(days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}")
    return ", ".join(told)


def _entries(evidence: Evidence) -> list[tuple[str, str]]:
    rank = "" if evidence.rank is None else f" on rank {evidence.rank}"
    spent = f"{evidence.seconds:.1f} s, {evidence.memory / (1 << 20):.0f} MiB on the largest rank, {evidence.backend}"
    rules = f"refuse it ({', '.join(evidence.refused_by)})" if evidence.refused_by else "have no error"
    entries = [
        ("step", f"{evidence.step}{rank}" if evidence.step else ""),
        ("reason", evidence.reason),
        ("placed", placed_text(evidence.placed)),
        *(("compared", text) for text in _comparisons(evidence.compared)),
        ("sizes", ", ".join(f"{name} {size}" for name, size in evidence.sizes.items())),
        ("rules", f"{rules}, unlike what happened" if evidence.disagrees else ""),
        ("ran", f"under {evidence.engine}, {spent}"),
        *(("note", note) for note in evidence.notes),
    ]
    named = [(name, " ".join(text.split())) for name, text in entries if text]
    return [(name if n == 0 or named[n - 1][0] != name else "", text) for n, (name, text) in enumerate(named)]


def _change_row(change: Change) -> list[str]:
    was = change.old.outcome.value if change.old else "-"
    now = change.new.outcome.value if change.new else "-"
    return [change.evidence.target, str(change.evidence.mesh), f"{was} -> {now}", _why(change.evidence)]


def _said(evidence: Evidence) -> str:
    return f"refused: {', '.join(evidence.refused_by)}" if evidence.refused_by else "fits"


def _why(evidence: Evidence) -> str:
    told = " ".join(evidence.reason.split()) or but_text(evidence)
    return textwrap.shorten(f"{evidence.step}: {told}", _WIDTH, placeholder=" ...") if evidence.step else told


def _many(word: str, count: int) -> str:
    return word if count == 1 else f"{word}es" if word.endswith("s") else f"{word}s"


def _table(rows: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """Lines with aligned columns; all but the first column at their right end when asked."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
