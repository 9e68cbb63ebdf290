"""Flags of one command line: their values, and sizes of a mesh among them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from meshfit.lint.recipe import Problem, Spot, Written
from meshfit.lint.shell_text import LOST, OUTER, Places, Run
from meshfit.readers.spellings import meant_key
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Consequence

__all__ = ["Flag", "Flags"]

_FLAG: Final = re.compile(r"--?[A-Za-z]")
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}\Z")
_MANY: Final = re.compile(r"[@*]|arg|opt|flag|extra|param|cmd", re.IGNORECASE)
"""What the name of a variable with many flags in it looks like."""
_MOST: Final = 2_000
"""Fields of a command that are looked at."""
_SHORTEST: Final = 6
"""Letters of flags too short to be a slip of another."""


class Flag(NamedTuple):
    """`--key value`, `--key=value` or `key=value`.

    Args:
        name: the key without dashes before it, those in it as underscores.
        key: the key as it stands.
        value: None where a flag has none.
    """

    name: str
    key: Run
    value: Run | None


class Flags:
    """The flags of a command.

    Args:
        fields: what follows the program.
        text: the whole script.
        places: of the script.
        pairs: `key=value` is a flag too.
    """

    def __init__(self, fields: Sequence[Run], text: str, places: Places, *, pairs: bool = False) -> None:
        self._text = text
        self._places = places
        self.given: list[Flag] = []
        self.others: list[Run] = []
        self.lost: bool = len(fields) > _MOST
        self.open: bool = self.lost
        waiting: Flag | None = None
        for field in fields[:_MOST]:
            is_flag = _FLAG.match(field.text) is not None
            if waiting is not None:
                self.given.append(waiting if is_flag else waiting._replace(value=field))
                if not is_flag:
                    self._doubt(field, only_many=True)
                    waiting = None
                    continue
                waiting = None
            key, equals, _ = field.text.partition("=")
            if is_flag:
                made = Flag(key.lstrip("-").replace("-", "_"), field.part(0, len(key)), None)
                if equals:
                    self.given.append(made._replace(value=field.part(len(key) + 1)))
                else:
                    waiting = made
            elif pairs and equals and LOST not in key and OUTER not in key:
                self.given.append(Flag(key.lstrip("+"), field.part(0, len(key)), field.part(len(key) + 1)))
            else:
                self.others.append(field)
                self._doubt(field, only_many=False)
        if waiting is not None:
            self.given.append(waiting)

    def _doubt(self, field: Run, *, only_many: bool) -> None:
        """Note that a field may hold flags that are not seen."""
        for sign, (begin, end) in zip(field.text, field.at, strict=True):
            if sign in (LOST, OUTER) and (not only_many or _MANY.search(self._text[begin:end])):
                self.open = True
                self.lost = self.lost or sign == LOST

    def find(self, *names: str) -> Flag | None:
        """The last flag of these names, which is the one that counts."""
        return next((flag for flag in reversed(self.given) if flag.name in names), None)

    def has(self, *names: str) -> bool:
        """Whether one of these flags is given."""
        return self.find(*names) is not None

    def number(self, *names: str) -> Written | None:
        """A count as written: an int, the text of what is none, or `UNKNOWN`; None where the flag is not given."""
        flag = self.find(*names)
        if flag is None:
            return None
        if flag.value is None or self._may_be_replaced(flag):
            return Written(UNKNOWN, self._places.spot(flag.key), flag.key.text)
        return Written(_plain(flag.value), self._places.spot(flag.value), flag.key.text)

    def word(self, *names: str) -> Written | None:
        """A text as written; None where the flag is not given or its value not known."""
        flag = self.find(*names)
        if flag is None or flag.value is None or not flag.value.known or not flag.value.text:
            return None
        return Written(flag.value.text, self._places.spot(flag.value), flag.key.text)

    def switch(self, *names: str) -> Written | None:
        """A flag that is on when it is given, or given as true."""
        flag = self.find(*names)
        if flag is None:
            return None
        value: Any = True
        if flag.value is not None and not flag.value.known:
            value = UNKNOWN
        elif flag.value is not None and flag.value.text.lower() in ("false", "0", "no", "none"):
            value = False
        return Written(value, self._places.spot(flag.key), flag.key.text)

    def mesh(
        self,
        keys: Mapping[str, str],
        whole: Spot,
        *,
        complete: bool,
        known: Collection[str] = (),
        aliases: bool = True,
    ) -> tuple[dict[str, Written], tuple[Problem, ...]]:
        """The sizes by axis, and what is wrong with the flags that give them.

        Args:
            keys: name of a flag -> its axis.
            whole: place of the command.
            complete: an axis that no flag names has size 1; else, or where flags may be hidden, it may have any.
            known: further flags of the program.
            aliases: spellings of other programs are mistakes too; else only slips of the fingers are.
        """
        found: dict[str, Written] = {}
        for name, axis in keys.items():
            written = self.number(name)
            if written is not None:
                found[axis] = written
        problems = []
        for flag, meant in self._unknown(keys, known, aliases=aliases):
            problems.append(self._refused(flag, meant))
            # nobody is told twice: what the mesh lacks without this size is no second mistake
            found.setdefault(keys[meant], Written(UNKNOWN, self._places.spot(flag.key), flag.key.text))
        if self.open or not complete:
            for name, axis in keys.items():
                found.setdefault(axis, Written(UNKNOWN, whole, name))
        return found, (*problems, *self._repeated(keys))

    def settings(
        self, counts: Mapping[str, str], switches: Mapping[str, str], whole: Spot, *, complete: bool
    ) -> dict[str, Written]:
        """What a mesh says besides its sizes: name of a flag -> name of a setting; the rest is as for `sizes`."""
        found: dict[str, Written] = {}
        for names, read in ((counts, self.number), (switches, self.switch)):
            for flag, name in names.items():
                written = read(flag)
                if written is not None:
                    found[name] = written
        if self.open or not complete:
            for name in (*counts.values(), *switches.values()):
                found.setdefault(name, Written(UNKNOWN, whole, name))
        return found

    def _unknown(self, keys: Mapping[str, str], known: Collection[str], *, aliases: bool) -> Iterator[tuple[Flag, str]]:
        """Flags that were meant to be sizes and that the program does not have, each with what was meant."""
        folder = next(iter(keys)).rpartition(".")[0]
        wanted = {key.rpartition(".")[2]: axis for key, axis in keys.items()}
        for flag in self.given:
            before, _, name = flag.name.rpartition(".")
            if before != folder or flag.name in keys or flag.name in known or len(name) <= _SHORTEST:
                continue
            # argparse takes the beginning of a flag for the whole
            meant = None if any(key.startswith(name) for key in wanted) else meant_key(name, wanted, slips=not aliases)
            if meant is not None:
                yield flag, f"{folder}.{meant}" if folder else meant

    def _refused(self, flag: Flag, meant: str) -> Problem:
        written = flag.key.text
        bare = written.lstrip("-")
        right = meant if "_" in bare else meant.replace("_", "-")
        right = written[: len(written) - len(bare)] + right
        return Problem(
            "RC001",
            f"unknown flag {written!r} of the mesh, which the program refuses; did you mean {right!r}?",
            f"write {right!r}",
            self._places.spot(flag.key),
            Consequence.CLEAN,
        )

    def _repeated(self, keys: Mapping[str, str]) -> Iterator[Problem]:
        """Sizes that are given twice and differ: the last one counts, and nobody is told."""
        for flag in self.given:
            later = self.find(flag.name) if flag.name in keys else None
            if later is None or later is flag or later.value is None or flag.value is None:
                continue
            if later.value.known and flag.value.known and later.value.text != flag.value.text:
                line = self._places.spot(later.key).line
                yield Problem(
                    "RC003",
                    f"{flag.key.text!r} is given twice: the one on line {line} counts",
                    "remove one of them",
                    self._places.spot(flag.key),
                )

    def _may_be_replaced(self, flag: Flag) -> bool:
        """Whether flags of the script that are not followed may hold this one again."""
        return self.lost and self._text.count(flag.key.text) > 1


def _plain(run: Run) -> Any:
    if not run.known:
        return UNKNOWN
    return int(run.text) if _NUMBER.match(run.text) else run.text
