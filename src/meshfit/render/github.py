"""Notices as commands of GitHub's workflow log, which become annotations on the lines of a pull request.

Source: docs.github.com, "Workflow commands for GitHub Actions", and @actions/toolkit, packages/core/src/command.ts, for
what is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshfit.notice import Notice
from meshfit.render.paths import relative_path

__all__ = ["to_github"]


def to_github(notices: Sequence[Notice]) -> str:
    """One line for each notice: `::error file=config.json,line=18,col=26,endColumn=27,title=TP002 tp-kv-heads::...`.

    A place that no file of the working directory has is left out, and the annotation belongs to the run as a whole.
    """
    return "\n".join(map(_command, notices))


def _command(notice: Notice) -> str:
    properties = [*_place(notice), f"title={_property(f'{notice.code} {notice.slug}')}"]
    lines = [notice.message]
    if notice.help:
        lines.append(f"help: {notice.help}")
    if notice.consequence is not None:
        lines.append(f"if ignored, {notice.consequence.sentence}")
    return f"::{notice.severity.value} {','.join(properties)}::{_data(chr(10).join(lines))}"


def _place(notice: Notice) -> Iterator[str]:
    place = notice.place
    file = relative_path(place.path) if place.path else None
    if file is None:
        return
    yield f"file={_property(file)}"
    if place.line is None:
        return
    yield f"line={place.line}"
    if place.end_line is not None and place.end_line != place.line:
        yield f"endLine={place.end_line}"  # GitHub takes columns within one line only
    elif place.column is not None:
        yield f"col={place.column}"
        if place.end_column is not None:
            yield f"endColumn={place.end_column}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
