"""The answers of `meshfit check` in each of its formats."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from meshfit.notice import Notice
    from meshfit.report import Report

__all__ = ["Answer", "printed"]


class Answer(NamedTuple):
    """What came of one target.

    Args:
        given: the target as the user wrote it.
        target: where the model map leads it.
        reports: one for each engine that was asked for; none where the target is a mistake.
        mistake: why there is no report.
    """

    given: str
    target: str
    reports: tuple[Report, ...] = ()
    mistake: str = ""


def printed(answers: Sequence[Answer], options: argparse.Namespace) -> str:
    """The text for the output, in `options.format`; mistakes are told elsewhere."""
    return _FORMATS[options.format](answers, options)


def _text(answers: Sequence[Answer], options: argparse.Namespace) -> str:
    from meshfit.cli.terminal import wants_color
    from meshfit.render.text import render

    color = wants_color()
    told = []
    for answer in answers:
        if not answer.reports:
            continue
        if options.engine == "all":
            from meshfit.render.engines import engines_text

            text = engines_text(answer.reports, show_unknown=options.show_unknown, color=color)
        else:
            shown = {"show_unknown": options.show_unknown, "show_evidence": options.show_evidence}
            text = render(answer.reports[0], **shown, color=color)
        named = len(answers) == 1 or answer.given == answer.reports[0].target
        told.append(text if named else f"{answer.given}: {text}")
    separated = options.show_unknown or any("\n" in text for text in told)
    return ("\n\n" if separated else "\n").join(told)


def _json(answers: Sequence[Answer], options: argparse.Namespace) -> str:
    from meshfit.render.json_format import as_json

    if len(answers) == 1:
        return as_json(_as_dict(answers[0], options))
    listed = [{"given": a.given, **(_as_dict(a, options) if a.reports else {"error": a.mistake})} for a in answers]
    return as_json({"ok": all(each.get("ok", False) for each in listed), "targets": listed})


def _as_dict(answer: Answer, options: argparse.Namespace) -> dict[str, Any]:
    if options.engine == "all":
        from meshfit.render.engines import engines_dict

        return engines_dict(answer.reports)
    return answer.reports[0].to_dict()


def _sarif(answers: Sequence[Answer], options: argparse.Namespace) -> str:
    from meshfit.render.sarif import to_sarif

    return to_sarif(_notices(answers, options), failures=[answer.mistake for answer in answers if answer.mistake])


def _github(answers: Sequence[Answer], options: argparse.Namespace) -> str:
    from meshfit.render.github import to_github

    return to_github(_notices(answers, options))


def _notices(answers: Sequence[Answer], options: argparse.Namespace) -> list[Notice]:
    from meshfit.render.engines import engines_notices
    from meshfit.render.notices import notices_of

    found: list[Notice] = []
    for answer in answers:
        file = _file(answer.target)
        if options.engine == "all":
            found += engines_notices(answer.reports, file)
        else:
            found += [notice for report in answer.reports for notice in notices_of(report, file)]
    return found


def _file(target: str) -> str:
    """The file that was read for a target; empty for a class that a library defines."""
    path = Path(target)
    if path.is_dir():
        return str(path / "config.json")
    if path.is_file():
        return target
    module, colon, _ = target.rpartition(":")
    if colon:
        from meshfit.readers.source.own_classes import Program

        return str(Program().file(module) or "")
    from meshfit.readers.hub import cached_config, hub_id

    model = hub_id(target)
    return str((model and cached_config(model)) or "")


_FORMATS: Final[dict[str, Callable[[Sequence[Answer], argparse.Namespace], str]]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}
