"""A parser whose complaints are one line that says what was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

__all__ = ["Parser"]

BAD_INPUT: Final = 2

_CHOICE: Final = re.compile(r"invalid choice: '?(?P<given>.*?)'? \((?:choose from|maybe you meant) (?P<choices>.*)\)")


class Parser(argparse.ArgumentParser):
    """`argparse`, without the usage in front of each complaint; `commands` holds the parsers below it by name."""

    commands: dict[str, Parser]

    def parse_all(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options; the parser of the command that was given complains of what nobody knows.

        Raises:
            SystemExit: the arguments are a mistake, or ask for help.
        """
        options, strange = self.parse_known_args(arguments)
        if strange:
            asked = self.commands.get(options.command, self)
            asked = vars(asked).get("commands", {}).get(getattr(options, "action", None), asked)
            asked.error(f"unrecognized arguments: {' '.join(strange)}{asked._meant(strange)}")  # noqa: SLF001
        return options

    def error(self, message: str) -> NoReturn:
        """Complain in one line, and exit as for every mistake."""
        found = _CHOICE.search(message)
        if found:
            choices = re.findall(r"[\w.-]+", found["choices"])
            wrong = message[: found.start()] + f"invalid choice: {found['given']!r}"
            message = wrong + (_near(found["given"], choices) or f"; choose from {', '.join(choices)}")
        elif "required" in message:
            message += f"; {self.prog} --help shows how"
        self.exit(BAD_INPUT, f"{self.prog}: {' '.join(message.split())}\n")

    @property
    def arguments(self) -> Sequence[argparse.Action]:
        """What it takes, in the order it was declared."""
        return self._actions

    def _meant(self, strange: Iterable[str]) -> str:
        options = [name for name in self._option_string_actions if name.startswith("--")]
        for word in strange:
            near = _near(word.partition("=")[0], options) if word.startswith("-") else ""
            if near:
                return near
        return f"; {self.prog} --help lists what there is"


def _near(given: str, known: Sequence[str]) -> str:
    from meshfit.cli.naming import nearest

    found = nearest(given, known)
    return f"; did you mean {' or '.join(found)}?" if found else ""
