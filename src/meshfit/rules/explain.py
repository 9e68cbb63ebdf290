"""What a rule says of itself, in one form for the command, for JSON and for the page of rules."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from meshfit.mesh import AXIS_WORDS
from meshfit.rules.example import Example, broken, example_of
from meshfit.rules.registry import Rule, all_rules, rules_for

__all__ = [
    "Explanation",
    "explanation",
    "judged_under",
    "rule_page",
    "rule_section",
    "rule_table",
    "rule_text",
    "to_dict",
]

_SECTION: Final = re.compile(r"^(Why|Source): ", re.MULTILINE)
_WIDTH: Final = 100
_LABEL: Final = 14


class Explanation(NamedTuple):
    """What a rule says of itself, each part on one line; empty where it does not say.

    Args:
        formula: what must hold.
        why: the reason.
        source: where the engine enforces it.
        example: one model and mesh that break it; None for a rule that came without one.
        message: what the rule says of its example.
        help: what to do instead, in the case of the example.
    """

    formula: str
    why: str
    source: str
    example: Example | None
    message: str
    help: str


def explanation(rule: Rule) -> Explanation:
    """The parts of the rule's docstring, and what comes out when its example is judged."""
    parts = _SECTION.split(inspect.cleandoc(rule.doc))
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    example = example_of(rule)
    found = broken(example) if example else None
    return Explanation(
        formula=_line(parts[0]),
        why=_line(sections.get("Why", "")),
        source=_line(sections.get("Source", "")),
        example=example,
        message=found.message if found else "",
        help=found.help if found else "",
    )


def judged_under(engine: str, axis: str | None = None) -> tuple[Rule, ...]:
    """The rules that judge a mesh under `engine`, those of the engine it leaves an axis to included, by code."""
    from meshfit.facts import ModelFacts
    from meshfit.rules.judge import axis_engine

    axes = AXIS_WORDS if axis is None else (axis,)
    found = [rule for name in axes for rule in rules_for(axis_engine(ModelFacts(), engine, name), name)]
    return tuple(sorted(found, key=lambda rule: rule.code))


def to_dict(rule: Rule) -> dict[str, Any]:
    """The rule as JSON holds it; `example` is None for a rule that came without one."""
    told = explanation(rule)
    example = told.example
    return {
        "code": rule.code,
        "slug": rule.slug,
        "axis": rule.axis,
        "engines": list(rule.engines),
        "severity": rule.severity.value,
        "consequence": rule.consequence.value,
        "size_free": rule.size_free,
        "must_hold": told.formula,
        "why": told.why,
        "source": told.source,
        "example": example
        and {
            "engine": example.engine,
            "mesh": example.mesh,
            "given": example.given,
            "message": told.message,
            "help": told.help,
        },
    }


def rule_text(rules: Iterable[Rule]) -> str:
    """The rules of one code for a terminal: one paragraph for each way engines enforce it."""
    lines: list[str] = []
    for rule in rules:
        if not lines:
            lines = [f"{rule.code} {rule.slug}: {AXIS_WORDS[rule.axis].lower()}"]
        free = ", whatever the size" if rule.size_free else ""
        lines += ["", f"Under {', '.join(rule.engines)}: {rule.severity.value}{free}"]
        for label, text in _told(rule):
            lines += _wrapped(label, text)
    return "\n".join(lines)


def rule_table(rules: Iterable[Rule]) -> str:
    """One line for each way engines enforce a rule."""
    rows = [("rule", "axis", "severity", "if broken", "engines")]
    rows += [(f"{r.code} {r.slug}", r.axis, r.severity.value, r.consequence.value, ", ".join(r.engines)) for r in rules]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
    )


def rule_page() -> str:
    """`docs/rules.md`: one section for each code, one paragraph for each way engines enforce it.

    Raises:
        ValueError: a docstring lacks its formula, `Why:` or `Source:`.
    """
    return "\n".join([_INTRODUCTION, *_index(), *_sections(all_rules())]).rstrip() + "\n"


_INTRODUCTION = """# Rules

Generated from the registry of rules (`meshfit.rules.explain`); `meshfit explain TP002` prints one of them. A rule
belongs to the engines that enforce it, says what must hold, and what happens to whoever ignores it. *Size-free* rules
have the same verdict for every size above 1, so they decide `supports_<axis>`. A rule that lacks a fact says nothing.
"""


def _told(rule: Rule) -> Iterator[tuple[str, str]]:
    """What is known of a rule, as (label, text), in the order of a reader's questions."""
    told = explanation(rule)
    yield "must hold", told.formula
    yield "if broken", rule.consequence.sentence
    yield "why", told.why
    if told.example:
        yield "example", f"{told.example.mesh} with {told.example.given}"
        yield "it says", told.message
        yield "instead", told.help
    yield "source", told.source


def _wrapped(label: str, text: str) -> list[str]:
    if not text:
        return []
    import textwrap

    indent = " " * _LABEL
    wrapped = textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [f"  {label}".ljust(_LABEL) + wrapped[0][_LABEL:], *wrapped[1:]]


def _index() -> Iterator[str]:
    yield "| rule | axis | severity | if broken | engines |"
    yield "|---|---|---|---|---|"
    for rule in all_rules():
        name = f"[{rule.code}](#{_anchor(rule)}) {rule.slug}"
        yield f"| {name} | {rule.axis} | {rule.severity.value} | {rule.consequence.value} | {', '.join(rule.engines)} |"
    yield ""


def rule_section(rules: Iterable[Rule]) -> str:
    """The rules of one code as Markdown, as they stand on the page of rules."""
    return "\n".join(_sections(rules)).rstrip()


def _sections(rules: Iterable[Rule]) -> Iterator[str]:
    previous = ""
    for rule in rules:
        if rule.code != previous:
            yield f"## {rule.code} {rule.slug}"
            yield ""
        previous = rule.code
        told = explanation(rule)
        if not (told.formula and told.why and told.source):
            raise ValueError(f"rule {rule.code}: the docstring needs a formula, Why: and Source:")
        free = ", size-free" if rule.size_free else ""
        yield f"**{AXIS_WORDS[rule.axis]}** under {', '.join(rule.engines)}: {rule.severity.value}{free}."
        yield f"If broken, {rule.consequence.sentence}."
        yield ""
        yield f"- Must hold: {told.formula}"
        yield f"- Why: {told.why}"
        if told.example:
            yield f"- Example: `{told.example.mesh}` with {_escaped(told.example.given)}: *{_escaped(told.message)}*"
            yield f"- Instead: {_escaped(told.help)}"
        yield f"- Source: {told.source}"
        yield ""


def _anchor(rule: Rule) -> str:
    return f"{rule.code} {rule.slug}".lower().replace(" ", "-")


def _escaped(text: str) -> str:
    """Text in which names such as `layers.*` do not begin an emphasis."""
    return text.replace("*", "\\*").replace("<", "\\<")


def _line(text: str) -> str:
    return " ".join(text.split())
