"""A violation at a place in a file: what editors, GitHub and code-scanning services show."""

from __future__ import annotations

from typing import NamedTuple

from meshfit.report import Consequence, Severity

__all__ = ["Notice", "Place"]


class Place(NamedTuple):
    """A region of a text file.

    Args:
        path: the file as the user named it, or below the folder the user named.
        line, column: where it begins, 1-based; columns count characters. None: the file as a whole.
        end_line, end_column: just behind its last character.
    """

    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


class Notice(NamedTuple):
    """One thing to tell about one place.

    Args:
        code, slug: the rule ("TP002", "tp-kv-heads").
        severity, consequence: how bad, and what would happen; no consequence for a file that cannot be read.
        message: why, on one line.
        help: what to do instead, on one line; empty when there is nothing to add.
        place: where the size or fact was written.
        related: further places that the verdict rests on, each with what was read there.
    """

    code: str
    slug: str
    severity: Severity
    consequence: Consequence | None
    message: str
    help: str
    place: Place
    related: tuple[tuple[Place, str], ...] = ()
