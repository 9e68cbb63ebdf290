"""One command line, asked for its program, its flags and the ranks that it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meshfit.lint.flags import Flags
from meshfit.lint.launchers import Command, Ranks, ranks_of
from meshfit.lint.recipe import Spot, Written
from meshfit.lint.shell_text import Places, Run
from meshfit.readers.unknown import UNKNOWN

__all__ = ["Line"]

_PYTHON: Final = re.compile(r"(?:.*/)?(?:python[\d.]*|torchrun|deepspeed|accelerate|srun|mpirun|mpiexec|uv)\Z")
_LAUNCHERS: Final = frozenset({"torch.distributed.run", "torch.distributed.launch"})
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Line:
    """A command as it runs.

    Args:
        command: its fields, variables put in.
        text: the script.
        places: of the script.
    """

    def __init__(self, command: Command, text: str, places: Places) -> None:
        self.command = command
        self.names: list[str] = [field.text for field in command.fields]
        self.places = places
        self._text = text

    @property
    def spot(self) -> Spot:
        """Where it begins."""
        return self.places.spot(self.command.fields[0])

    def after(self, program: str, *verbs: str) -> int | None:
        """Index behind a program and its verb; without verbs behind the program; None where it is not run."""
        for index, name in enumerate(self.names):
            if name == program or name.endswith(f"/{program}"):
                if not verbs:
                    return index + 1
                if index + 1 < len(self.names) and self.names[index + 1] in verbs:
                    return index + 2
        return None

    def after_match(self, pattern: re.Pattern[str]) -> int | None:
        """Index behind the first field that is matched."""
        return next((index + 1 for index, name in enumerate(self.names) if pattern.match(name)), None)

    def after_script(self) -> int | None:
        """Index behind the file or module that Python runs."""
        python = False
        for index, name in enumerate(self.names):
            module = index > 0 and self.names[index - 1] in ("-m", "--module") and name not in _LAUNCHERS
            if (module and python) or name.endswith(".py"):
                return index + 1
            python = python or _PYTHON.match(name) is not None
        return None

    def flags(
        self, begin: int, end: int | None = None, *, short: Mapping[str, str] = _NONE, pairs: bool = False
    ) -> Flags:
        """The flags among some fields.

        Args:
            begin: index of the first field.
            end: index behind the last one.
            short: letters behind one dash -> the flag's full name.
            pairs: `key=value` is a flag too.
        """
        flags = Flags(self.command.fields[begin:end], self._text, self.places, pairs=pairs)
        for index, flag in enumerate(flags.given):
            if flag.name in short and not flag.key.text.startswith("--"):
                flags.given[index] = flag._replace(name=short[flag.name])
        return flags

    def ranks(self, program: int) -> Ranks:
        """The ranks that it starts, its program ending before that index."""
        return ranks_of(self.command, program, self.places)

    def of_environment(self, each: str, nodes: str) -> Written | None:
        """Ranks of a program that starts them itself, as these variables say."""
        run, machines = self.command.environment.get(each), self.command.environment.get(nodes)
        number = None if run is None or self.command.assumed(run) else whole(run)
        if run is None or not isinstance(number, int):
            return None
        if machines is None:
            return None if nodes in self._text else Written(number, self.places.spot(run), each)
        count = whole(machines)
        if self.command.assumed(machines) or not isinstance(count, int):
            return None
        return Written(number * count, self.places.spot(run), each)


def whole(run: Run) -> object:
    """The number that a text is, else `UNKNOWN`."""
    return int(run.text) if run.text.isascii() and run.text.isdigit() and len(run.text) < 10 else UNKNOWN
