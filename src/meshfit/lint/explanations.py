"""What is wrong with a file that has one of the linter's own codes, for `meshfit explain`."""

from __future__ import annotations

from textwrap import fill
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from meshfit.lint.recipe import BROKEN, PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXPLANATIONS", "Explanation", "explained", "problem_dict", "problem_text"]

_WIDTH: Final = 100
_LABEL: Final = 14


class Explanation(NamedTuple):
    """What a code says.

    Args:
        holds: what must hold.
        why: the reason.
        example: a file that breaks it, in YAML.
        instead: what to do.
    """

    holds: str
    why: str
    example: str
    instead: str


EXPLANATIONS: Final[Mapping[str, Explanation]] = MappingProxyType(
    {
        "RC001": Explanation(
            holds="a key of a mesh section is one that the tool knows.",
            why="some tools drop a key that they do not know, and the axis is not used at all; others refuse it at the "
            "start. A key counts as meant for a size where it is the spelling of another tool, or a slip of the "
            "fingers away; any other key is left alone.",
            example="distributed_type: FSDP\nparallelism_config:\n  tp_size: 2\n",
            instead="write the key as the tool spells it.",
        ),
        "RC002": Explanation(
            holds="a size is a whole number of at least 1.",
            why="the tool refuses another one at the start, when the ranks are already waiting. What a tool reads as "
            "'not set' or 'whatever is left' (null, -1, 0 for some) is no mistake.",
            example="distributed_type: FSDP\nparallelism_config:\n  parallelism_config_tp_size: 0\n",
            instead="write 1, or leave the key out, for an axis that is not used.",
        ),
        "RC003": Explanation(
            holds="a size is given once in a mapping.",
            why="the last one counts, and whoever changes the first one changes nothing.",
            example="distributed_type: FSDP\nparallelism_config:\n  parallelism_config_tp_size: 2\n"
            "  parallelism_config_tp_size: 4\n",
            instead="remove all but one.",
        ),
        "RC008": Explanation(
            holds="an ignore comment silences something.",
            why="one that is left behind would silence the next mistake on its line.",
            example="distributed_type: FSDP # meshfit: ignore[TP002]\n",
            instead="remove the comment, or the code from it.",
        ),
        BROKEN: Explanation(
            holds="a file that holds sizes of a mesh can be read.",
            why="what stands behind the place that is broken nobody knows, so nothing of the file is judged.",
            example="distributed_type: FSDP\nparallelism_config: [\n",
            instead="correct the file where the message points to; save it as UTF-8.",
        ),
    }
)
"""Code -> explanation, for every code of `PROBLEMS`."""


def explained(name: str) -> str | None:
    """The code of the linter that a code or name means, letter case ignored; None for any other name."""
    wanted = name.strip().lower()
    return next((code for code, kind in PROBLEMS.items() if wanted in (code.lower(), kind.slug)), None)


def problem_text(code: str) -> str:
    """The explanation of a code as text, in the form of the rules' explanations."""
    kind, told = PROBLEMS[code], EXPLANATIONS[code]
    broken = f"; {kind.consequence.sentence}" if kind.consequence else ""
    lines = [f"{code} {kind.slug}: a file that is linted", "", f"In any file: {kind.severity.value}{broken}"]
    lines += [
        _labelled("must hold", told.holds),
        _labelled("why", told.why),
        *(
            f"  {'example' if number == 0 else '':{_LABEL - 2}}{line}"
            for number, line in enumerate(told.example.splitlines())
        ),
        _labelled("instead", told.instead),
    ]
    return "\n".join(lines)


def _labelled(label: str, text: str) -> str:
    return fill(
        text,
        width=_WIDTH,
        initial_indent=f"  {label:{_LABEL - 2}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def problem_dict(code: str) -> dict[str, Any]:
    """The explanation of a code as JSON holds it."""
    kind, told = PROBLEMS[code], EXPLANATIONS[code]
    return {
        "code": code,
        "slug": kind.slug,
        "severity": kind.severity.value,
        "consequence": kind.consequence.value if kind.consequence else None,
        "must_hold": told.holds,
        "why": told.why,
        "example": {"file": told.example},
        "instead": told.instead,
    }
