"""A diagnosis in words: what the rules say of the numbers that the text gave away."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from meshfit.crashes.diagnosis import Diagnosis, Found
from meshfit.crashes.log import Line
from meshfit.errors import MeshError
from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Report, Violation
from meshfit.rules.explain import explanation
from meshfit.rules.judge import judge
from meshfit.rules.registry import Rule, find_rules

__all__ = ["rule_of", "tell", "to_dict", "verdict"]

_WIDTH: Final = 100
_LABEL: Final = 12
_SHOWN: Final = 400
"""Characters of a line that are shown."""


def rule_of(found: Found, code: str) -> Rule:
    """The rule of that code, as the engine that wrote the text enforces it, else as any engine does."""
    rules = find_rules(code)
    return next((rule for rule in rules if found.pattern.engine in rule.engines), rules[0])


def verdict(found: Found) -> Violation | None:
    """What the likeliest rule says of the numbers in the text; None where they do not suffice."""
    reading = found.reading
    if not reading.mesh:
        return None
    rule = rule_of(found, found.codes[0])
    try:
        mesh = MeshSpec(**{f"{axis}_size": size for axis, size in reading.mesh.items()})  # type: ignore[arg-type]
    except MeshError:
        return None
    report = judge(ModelFacts(**reading.facts), replace(mesh, settings=reading.settings), engine=_engine(found, rule))
    return next((violation for violation in report.violations if violation.code == rule.code), None)


def _engine(found: Found, rule: Rule) -> str:
    return found.pattern.engine if found.pattern.engine in rule.engines else rule.engines[0]


def tell(diagnosis: Diagnosis, report: Report | None = None) -> str:
    """The diagnosis for a terminal.

    Args:
        diagnosis: what the log tells.
        report: the verdict of `check` on the model and mesh that ran, where the user names both.
    """
    lines: list[str] = []
    explained: set[str] = set()
    for found in diagnosis.causes:
        # ranks that hold uneven slices write the same error with other numbers
        lines += [*(_again(found) if found.codes[0] in explained else _cause(found)), ""]
        explained.add(found.codes[0])
    if not diagnosis.causes:
        lines += [*_unnamed(diagnosis), ""]
    lines += _aftermath(diagnosis)
    if report is not None:
        lines += ["", *_confirmed(diagnosis, report)]
    return "\n".join(lines).strip("\n")


def to_dict(diagnosis: Diagnosis, report: Report | None = None) -> dict[str, Any]:
    """The diagnosis as JSON holds it."""
    first = diagnosis.first_error
    return {
        "lines": diagnosis.lines,
        "causes": [_found(found) for found in diagnosis.causes],
        "open": [{**_found(found), "needs": found.pattern.needs} for found in diagnosis.open],
        "hangs": [_place(found) for found in diagnosis.hangs],
        "survivors": [_place(found) for found in diagnosis.survivors],
        "first_error": first and {"line": first.number, "rank": first.rank, "text": first.text[:_SHOWN]},
        "failed_first": diagnosis.root,
        "mesh": dict(diagnosis.sizes),
        "check": report and {**report.to_dict(), "agrees": _agrees(diagnosis, report)},
    }


def _found(found: Found) -> dict[str, Any]:
    said = verdict(found)
    return {
        **_place(found),
        "rules": [{"code": code, "slug": rule_of(found, code).slug} for code in found.codes],
        "engine": found.pattern.engine or None,
        "certain": found.reading.certain,
        "message": said and said.message,
        "help": said and said.help,
        "source": found.pattern.source,
    }


def _place(found: Found) -> dict[str, Any]:
    return {
        "line": found.line.number,
        "ranks": list(found.ranks),
        "text": found.line.text[:_SHOWN],
        "numbers": found.reading.numbers,
    }


def _cause(found: Found) -> Iterator[str]:
    yield f"{_where(found.line, found.ranks)}: {found.line.text.strip()[:_SHOWN]}"
    first, *others = (rule_of(found, code) for code in found.codes)
    told = explanation(first)
    said = verdict(found)
    sure = "" if found.reading.certain else ", as far as the text tells"
    yield from _part("numbers", found.reading.numbers)
    yield from _part("rule", f"{first.code} {first.slug}{sure}: {told.formula}")
    yield from _part("says", said.message if said else "")
    yield from _part("why", told.why)
    yield from _part("instead", said.help if said else "")
    yield from _part("or", "; ".join(f"{rule.code} {rule.slug}: {explanation(rule).formula}" for rule in others))
    yield from _part("more", f"meshfit explain {' '.join(found.codes)}")


def _again(found: Found) -> Iterator[str]:
    yield f"{_where(found.line, found.ranks)}: {found.line.text.strip()[:_SHOWN]}"
    yield from _part("numbers", found.reading.numbers)
    yield from _part("rule", f"{found.codes[0]}, as above")


def _unnamed(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"No rule is recognised in {diagnosis.lines} lines."
    for found in diagnosis.open:
        rule = rule_of(found, found.codes[0])
        yield f"{_where(found.line, found.ranks)}: {found.line.text.strip()[:_SHOWN]}"
        axis = found.pattern.needs
        yield from _part(
            "perhaps",
            f"{rule.code} {rule.slug}, if {axis}_size was above 1; other things write this text too. "
            f"Say so with --mesh {axis}=2, or whatever it was",
        )
    first = diagnosis.first_error
    if first is not None:
        ranks = () if first.rank is None else (first.rank,)
        yield f"The first error is in {_where(first, ranks)}: {first.text[:_SHOWN]}"


def _aftermath(diagnosis: Diagnosis) -> Iterator[str]:
    known = bool(diagnosis.causes or diagnosis.first_error)
    if diagnosis.hangs:
        found = diagnosis.hangs[0]
        yield f"{_where(found.line, found.ranks)}: {found.line.text.strip()[:_SHOWN]}"
        yield from _part("numbers", found.reading.numbers)
        yield from _part("waited", _waited(diagnosis))
        if not known:
            yield from _part(
                "look", "for a rank that stopped earlier, for another reason: these ranks only waited for it"
            )
    if diagnosis.survivors:
        found = diagnosis.survivors[0]
        if known:
            yield f"{_where(found.line, found.ranks)} only follows: a rank had failed before."
        else:
            yield f"{_where(found.line, found.ranks)}: {found.line.text.strip()[:_SHOWN]}"
            yield from _part("look", "at the log of another rank: this one lost a rank that had failed before")
    if diagnosis.root is not None:
        yield f"The launcher says that rank {diagnosis.root} failed first."


def _waited(diagnosis: Diagnosis) -> str:
    """Which ranks waited in which operation, where they differ: they took different ways through the program."""
    operations = {found.reading.numbers.partition(",")[0]: found.ranks for found in diagnosis.hangs}
    if len(operations) < 2 or not all(operations.values()):
        return ""
    return "; ".join(f"{_ranks(ranks)} in {name}" for name, ranks in sorted(operations.items()) if name)


def _confirmed(diagnosis: Diagnosis, report: Report) -> Iterator[str]:
    from meshfit.render.text import render

    if not diagnosis.causes:
        yield "check says:"
    else:
        yield "check agrees:" if _agrees(diagnosis, report) else "check does not report it:"
    yield render(report)


def _agrees(diagnosis: Diagnosis, report: Report) -> bool:
    """Whether check reports a rule that the log names."""
    named = {code for found in diagnosis.causes for code in found.codes}
    return bool(named & set(report.codes))


def _where(line: Line, ranks: Iterable[int]) -> str:
    told = _ranks(tuple(ranks))
    return f"line {line.number}, {told}" if told else f"line {line.number}"


def _ranks(ranks: tuple[int, ...]) -> str:
    if not ranks:
        return ""
    shown = ", ".join(map(str, ranks[:8])) + (" …" if len(ranks) > 8 else "")
    return f"rank{'s' if len(ranks) > 1 else ''} {shown}"


def _part(label: str, text: str) -> Iterator[str]:
    if text:
        indent = " " * _LABEL
        first, *rest = textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield f"  {label}".ljust(_LABEL) + first[_LABEL:]
        yield from rest
