"""The rule page: every rule as its docstring tells it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from meshfit.mesh import AXIS_WORDS
from meshfit.rules.registry import Rule, all_rules

__all__ = ["Explanation", "explanation", "rule_page"]

_SECTION = re.compile(r"^(Why|Source): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts of a rule's docstring, each on one line.

    Args:
        formula: what must hold.
        why: the reason.
        source: where the engine enforces it.
    """

    formula: str
    why: str
    source: str


def explanation(rule: Rule) -> Explanation:
    """The parts of the rule's docstring.

    Raises:
        ValueError: the docstring has no `Why:` or no `Source:`.
    """
    text = inspect.cleandoc(rule.doc)
    parts = _SECTION.split(text)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    if set(sections) != {"Why", "Source"}:
        raise ValueError(f"rule {rule.code}: the docstring needs a formula, Why: and Source:")
    return Explanation(_line(parts[0]), _line(sections["Why"]), _line(sections["Source"]))


def rule_page() -> str:
    """`docs/rules.md`: one section for each code, one paragraph for each way engines enforce it."""
    return "\n".join([_INTRODUCTION, *_index(), *_sections()]).rstrip() + "\n"


_INTRODUCTION = """# Rules

Generated from the registry of rules (`meshfit.rules.explain`). A rule belongs to the engines that enforce it, says what
must hold, and what happens to whoever ignores it. *Size-free* rules have the same verdict for every size above 1, so
they decide `supports_<axis>`. A rule that lacks a fact says nothing.
"""


def _index() -> Iterator[str]:
    yield "| rule | axis | severity | if broken | engines |"
    yield "|---|---|---|---|---|"
    for rule in all_rules():
        name = f"[{rule.code}](#{_anchor(rule)}) {rule.slug}"
        yield f"| {name} | {rule.axis} | {rule.severity.value} | {rule.consequence.value} | {', '.join(rule.engines)} |"
    yield ""


def _sections() -> Iterator[str]:
    previous = ""
    for rule in all_rules():
        if rule.code != previous:
            yield f"## {rule.code} {rule.slug}"
            yield ""
        previous = rule.code
        told = explanation(rule)
        free = ", size-free" if rule.size_free else ""
        yield f"**{AXIS_WORDS[rule.axis]}** under {', '.join(rule.engines)}: {rule.severity.value}{free}."
        yield f"If broken, {rule.consequence.sentence}."
        yield ""
        yield f"- Must hold: {told.formula}"
        yield f"- Why: {told.why}"
        yield f"- Source: {told.source}"
        yield ""


def _anchor(rule: Rule) -> str:
    return f"{rule.code} {rule.slug}".lower().replace(" ", "-")


def _line(text: str) -> str:
    return " ".join(text.split())
