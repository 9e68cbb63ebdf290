"""What a pattern is: a text that an engine writes when it fails, and how to read the numbers in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from meshfit.crashes.log import Frame

__all__ = ["Kind", "Pattern", "Reading", "Scene", "crash", "without_rule"]


class Kind(str, Enum):
    """CAUSE: the error itself. HANG: ranks that waited for another. SURVIVOR: a rank that lost the one that failed."""

    CAUSE = "cause"
    HANG = "hang"
    SURVIVOR = "survivor"


class Scene(NamedTuple):
    """What is known around a line.

    Args:
        frames: the traceback that ends in the line, the innermost frame last.
        sizes: axis -> size of the mesh, given by the user or told by the log; 1 where it is known to be unused.
        axes: the axes that surely are in use: those the user gives a size above 1, and those whose code is in the
            traceback.
    """

    frames: tuple[Frame, ...] = ()
    sizes: Mapping[str, int] = MappingProxyType({})
    axes: frozenset[str] = frozenset()


class Reading(NamedTuple):
    """A text with its numbers decoded.

    Args:
        numbers: the numbers in words; empty where the text has none.
        mesh: axis -> size, as far as the text tells.
        facts: facts of the model that the text tells, for the rule to judge.
        settings: what the mesh says beside its sizes.
        codes: the rules, where they are not those of the pattern.
        certain: nothing else is known to write this text.
    """

    numbers: str = ""
    mesh: Mapping[str, int] = MappingProxyType({})
    facts: Mapping[str, Any] = MappingProxyType({})
    settings: Mapping[str, Any] = MappingProxyType({})
    codes: tuple[str, ...] = ()
    certain: bool = True


Read = Callable[["re.Match[str]", Scene], "Reading | None"]
"""Reads the numbers of a match; None when they cannot mean what the pattern is for."""


class Pattern(NamedTuple):
    """A text that tells what failed.

    Args:
        literal: a part that every such line holds, for a search at the speed of memory.
        regex: run on lines that hold the literal.
        codes: the rules behind it, the most likely first; empty where the text alone does not tell.
        engine: whose rule it is.
        source: where the text comes from.
        read: decodes the numbers.
        needs: the axis that must be in use for the text to mean this; "" for texts that nothing else writes.
        kind: cause, hang or survivor.
    """

    literal: str
    regex: re.Pattern[str]
    codes: tuple[str, ...]
    engine: str
    source: str
    read: Read
    needs: str = ""
    kind: Kind = Kind.CAUSE


def crash(
    literal: str,
    regex: str,
    codes: str,
    engine: str,
    source: str,
    read: Read | None = None,
    *,
    needs: str = "",
) -> Pattern:
    """A pattern of an error; `codes` are separated by spaces."""
    return Pattern(literal, re.compile(regex), tuple(codes.split()), engine, source, read or _nothing, needs)


def without_rule(kind: Kind, literal: str, regex: str, source: str, read: Read | None = None) -> Pattern:
    """A pattern of what follows an error elsewhere."""
    return Pattern(literal, re.compile(regex), (), "", source, read or _nothing, kind=kind)


def _nothing(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    return Reading()
