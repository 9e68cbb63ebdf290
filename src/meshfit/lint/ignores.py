"""Comments that silence findings: `# meshfit: ignore`, `# meshfit: ignore[TP002]`, in JSON `// meshfit: ignore`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from meshfit.lint.recipe import Problem, Spot
from meshfit.notice import Notice

__all__ = ["Ignores"]

_COMMENT: Final = re.compile(r"(?:#|//)[ \t]*meshfit:[ \t]*ignore(?:[ \t]*\[(?P<codes>[^\]\n]*)\])?(?![\w-])")


class Ignores:
    """The ignore comments of a file. One that stands alone on its line is for the next line, any other for its own.

    A command of a script that goes on over several lines has no room for comments, so one before it is for all of it.

    Args:
        text: of the file.
    """

    def __init__(self, text: str) -> None:
        self._codes: dict[int, frozenset[str]] = {}
        self._spots: dict[int, Spot] = {}
        self._used: set[tuple[int, str]] = set()
        self._begins: dict[int, int] = {}
        if "meshfit:" not in text:
            return
        for number, line in enumerate(text.split("\n"), 1):
            if line.rstrip("\r").endswith("\\"):
                self._begins[number + 1] = self._begins.get(number, number)
            found = _COMMENT.search(line)
            if found:
                # in a notebook the line of code stands in quotes
                alone = not line[: found.start()].strip(' \t"')
                codes = frozenset(code.strip().upper() for code in (found["codes"] or "").split(",") if code.strip())
                self._codes[number + alone] = codes
                self._spots[number + alone] = Spot(number, found.start() + 1, number, found.end() + 1)

    def keep(self, notices: Iterable[Notice]) -> Iterator[Notice]:
        """The notices that no comment silences."""
        for notice in notices:
            line = notice.place.line
            if line is not None and line not in self._codes:
                line = self._begins.get(line, line)
            codes = self._codes.get(line) if line is not None else None
            if line is None or codes is None or (codes and not codes & {notice.code, notice.slug.upper()}):
                yield notice
            else:
                self._used |= {(line, notice.code), (line, notice.slug.upper())}

    def unused(self) -> Iterator[Problem]:
        """The comments, or codes in them, that silenced nothing."""
        for line, codes in self._codes.items():
            idle = sorted(code for code in codes if (line, code) not in self._used)
            if idle:
                yield Problem(
                    "RC008", f"unused ignore of {', '.join(idle)}", "remove it from the comment", self._spots[line]
                )
            elif not codes and not any(used == line for used, _ in self._used):
                yield Problem("RC008", "unused ignore", "remove the comment", self._spots[line])
