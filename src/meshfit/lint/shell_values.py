"""Variables of a shell script as far as the script itself sets them, and words with their values put in.

What the script sets is known until something is done to it that is not followed. What it does not set comes from
outside. The default in `${TP:-8}` is what runs when nobody sets `TP`, so it is taken for the value; `Variables.assumed`
tells such values from certain ones.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from meshfit.lint.shell_parts import Array, Part, Sum, Text, Variable, Word
from meshfit.lint.shell_text import LOST, OUTER, Run, joined, mark

__all__ = ["Variables", "assignment"]

_LONGEST: Final = 50_000
_MOST: Final = 2_000
"""Characters and fields of one value; a script that makes a longer one is not followed."""
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]]*\])?(\+?=)")
_NUMBER: Final = re.compile(r"(0|[1-9]\d{0,17})\Z")
_NAMED: Final = re.compile(r"\$?\{?\b([A-Za-z_]\w*)\b\}?")
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    # the shell cuts towards zero
    ast.FloorDiv: lambda left, right: abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1),
    ast.Mod: lambda left, right: left - right * (abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)),
}

_Value = tuple[Run, ...] | None
"""The fields of a variable, one for a plain one; None where they are not known."""


def assignment(word: Word) -> tuple[str, str, Word] | None:
    """Name, operator and the word of the value, where a word assigns; an item of an array is given as name with `[`."""
    first = word.parts[0] if word.parts else None
    if not isinstance(first, Text) or first.quoted:
        return None
    found = _ASSIGNMENT.match(first.run.text)
    if found is None:
        return None
    rest = Text(first.run.part(found.end()), quoted=False)
    parts: tuple[Part, ...] = word.parts[1:] if not rest.run.text else (rest, *word.parts[1:])
    return found[1] + ("[" if found[2] else ""), found[3], Word(parts, word.begin, word.end)


class Variables:
    """The variables at one point of a script.

    Args:
        known: those that are set before it begins, exported.
    """

    def __init__(self, known: Mapping[str, Run] | None = None) -> None:
        self.values: dict[str, _Value] = {name: (run,) for name, run in (known or {}).items()}
        self.arrays: set[str] = set()
        self.exported: set[str] = set(self.values)
        self._assumed: set[int] = set()
        self.clouded: bool = False
        self.arguments: tuple[Run, ...] | None = None

    def copy(self) -> Variables:
        """The same variables, to be changed apart; what is assumed stays shared."""
        other = Variables()
        other.values = dict(self.values)
        other.arrays = set(self.arrays)
        other.exported = set(self.exported)
        other._assumed = self._assumed
        other.clouded = self.clouded
        other.arguments = self.arguments
        return other

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.values)

    def assumed(self, run: Run) -> bool:
        """Whether a text comes from a default that something outside may replace."""
        return any(begin in self._assumed for begin, _ in run.at)

    def environment(self) -> dict[str, Run]:
        """What commands are handed."""
        return {
            name: value[0]
            for name, value in self.values.items()
            if name in self.exported and name not in self.arrays and value
        }

    def assign(self, name: str, operator: str, value: Word) -> None:
        """`NAME=value`, `NAME+=value`, `NAME=(…)`."""
        if name.endswith("["):
            self.lose(name[:-1])
            return
        only = value.parts[0] if len(value.parts) == 1 else None
        if isinstance(only, Array):
            fields: _Value = tuple(field for word in only.words for field in self.fields(word))
            self.arrays.add(name)
        else:
            fields = (self.text(value),)
            if operator == "=" and name in self.arrays:
                self.lose(name)
                return
        if operator == "+=":
            fields = self._appended(name, fields, array=isinstance(only, Array), value=value)
        held = fields is not None and len(fields) <= _MOST and _size(fields) <= _LONGEST
        self.values[name] = fields if held else None

    def export(self, name: str) -> None:
        """`export NAME`."""
        self.exported.add(name)

    def forget(self, name: str) -> None:
        """`unset NAME`."""
        self.values[name] = (Run("", ()),)
        self.arrays.discard(name)

    def lose(self, *names: str) -> None:
        """Something happened to these that is not followed."""
        for name in names:
            self.values[name] = None

    def vary(self, name: str) -> None:
        """Something may have been appended to it."""
        value = self.values.get(name)
        if not value:
            self.lose(name)
        elif name in self.arrays:
            self.values[name] = (*value, _mark_after(value[-1]))
        else:
            self.values[name] = (joined([value[0], _mark_after(value[0])], " "),)

    def restore(self, name: str, before: Variables) -> None:
        """Set a variable back to what it was before."""
        if name in before.values:
            self.values[name] = before.values[name]
        else:
            self.values.pop(name, None)

    def lose_all(self) -> None:
        """Anything may have happened to any of them."""
        self.lose(*self.values)
        self.clouded = True

    def merge(self, ways: Iterable[Variables]) -> None:
        """Become what holds whichever of the ways was taken."""
        others = list(ways)
        for name in dict.fromkeys(name for way in others for name in way.values):
            values = [way.values.get(name, ()) for way in others]
            self.values[name] = _common(values, array=any(name in way.arrays for way in others))
        self.arrays = set().union(*(way.arrays for way in others))
        self.exported = set().union(*(way.exported for way in others))
        self.clouded = any(way.clouded for way in others)

    def fields(self, word: Word) -> Iterator[Run]:
        """The fields that a word becomes, split where the shell splits."""
        rows: list[list[Run]] = [[]]
        present = False
        for part in word.parts:
            match part:
                case Text(run, quoted):
                    present = present or quoted or bool(run.text)
                    rows[-1].append(run)
                case Variable(every=True) | Variable(name="@" | "*") if (items := self._items(part)) is not None:
                    split = [piece for item in items for piece in ([item] if part.quoted else _split(item))]
                    if split:
                        rows[-1].append(split[0])
                        rows += [[piece] for piece in split[1:]]
                    present = present or bool(split)
                case Variable(quoted=False):
                    run = self._value(part)
                    pieces = _split(run)
                    if (pieces and not run.text[:1].isspace()) or (
                        pieces and not any(piece.text for piece in rows[-1])
                    ):
                        rows[-1].append(pieces.pop(0))
                    rows += [[piece] for piece in pieces]
                    if run.text[-1:].isspace():
                        rows.append([])
                case _:
                    present = True
                    rows[-1].append(self._value(part))
        made = [joined(row) for row in rows]
        kept = [run for run in made if run.text]
        return iter(kept or ([Run("", ())] if present and len(rows) == 1 else []))

    def text(self, word: Word) -> Run:
        """The one text that a word is where nothing is split, as on the right of `=`."""
        return joined(self._value(part) for part in word.parts)

    def _items(self, part: Variable) -> tuple[Run, ...] | None:
        if part.name in ("@", "*"):
            return self.arguments
        value = self.values.get(part.name, ())
        if value is None:
            return (mark(LOST, part.begin, part.end),)
        if not value and part.name not in self.values:
            return None
        return value

    def _value(self, part: Part) -> Run:
        match part:
            case Text(run):
                return run
            case Variable():
                return self._of_variable(part)
            case Sum(text, begin, end):
                return self._of_sum(text, begin, end)
            case _:
                begin, end = (part.begin, part.end) if not isinstance(part, Array) else (0, 0)
                return mark(LOST, begin, end)

    def _of_variable(self, part: Variable) -> Run:
        begin, end = part.begin, part.end
        if part.name in ("@", "*") or part.name.isdigit():
            value: _Value = self._argument(part.name)
            unset = value == ()
        else:
            unset = part.name not in self.values
            value = self.values.get(part.name, ())
        if value is None:
            return mark(LOST, begin, end)
        if not unset and value and (len(value) == 1 or not part.every):
            if value[0].text or part.default is None:
                return value[0]
        elif not unset and value:
            return joined(value, " ")
        if part.default is None:
            return mark(OUTER, begin, end) if unset and not self.clouded else mark(LOST, begin, end)
        if self.clouded:
            return mark(LOST, begin, end)
        run = joined(self._value(inner) for inner in part.default)
        if unset:
            self._assumed.update(start for start, _ in run.at)
        return run

    def _argument(self, name: str) -> _Value:
        if self.arguments is None:
            return ()
        if not name.isdigit():
            return self.arguments or (Run("", ()),)
        index = int(name) - 1 if len(name) < 4 else -1
        return (self.arguments[index],) if 0 <= index < len(self.arguments) else ()

    def _of_sum(self, text: str, begin: int, end: int) -> Run:
        assumed = False
        lost = False

        def number(found: re.Match[str]) -> str:
            nonlocal assumed, lost
            run = self._of_variable(Variable(found[1], begin, end, quoted=True))
            assumed = assumed or self.assumed(run)
            lost = lost or not _NUMBER.match(run.text)
            return run.text

        filled = _NAMED.sub(number, text) if len(text) < 500 else "$"
        value = None if lost else _computed(filled)
        if value is None:
            return mark(LOST, begin, end)
        if assumed:
            self._assumed.add(begin)
        return Run(str(value), ((begin, end),) * len(str(value)))

    def _appended(self, name: str, fields: _Value, *, array: bool, value: Word) -> _Value:
        before = self.values.get(name, () if array else (Run("", ()),))
        begin, end = value.begin, value.end
        if before is None or fields is None:
            before = (mark(LOST, begin, end),)
        if array:
            return (*before, *(fields or ()))
        if name in self.arrays or len(before) != 1:
            return None
        return (joined([before[0], *(fields or ())]),)


def _size(fields: tuple[Run, ...]) -> int:
    return sum(len(run.text) for run in fields)


def _split(run: Run) -> list[Run]:
    return [run.part(found.start(), found.end()) for found in re.finditer(r"[^ \t\n]+", run.text)]


def _computed(text: str) -> int | None:
    """The value of arithmetic over plain numbers."""
    if not re.fullmatch(r"[\d\s+\-*/%()]*", text) or re.search(r"\b0\d|\*\*|//", text):
        return None
    try:
        value = _reckon(ast.parse(text.strip().replace("/", "//"), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None
    return value if abs(value) < 2**63 else None


def _reckon(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_reckon(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _reckon(operand)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATIONS:
            return _OPERATIONS[type(operator)](_reckon(left), _reckon(right))
        case _:
            raise ValueError


def _common(values: list[_Value], *, array: bool) -> _Value:
    """What several values have in common at their beginning, with a mark for the rest."""
    first = values[0]
    if all(value is not None and first is not None and _texts(value) == _texts(first) for value in values):
        return first
    known = [value for value in values if value is not None]
    if len(known) < len(values) or any(not value for value in known):
        return None
    shortest = min(known, key=_size)
    if array:
        count = 0
        while count < len(shortest) and len({_texts(value[count : count + 1]) for value in known}) == 1:
            count += 1
        return (*shortest[:count], _mark_after(shortest[count - 1])) if count else None
    return _common_text([value[0] for value in known])


def _common_text(runs: list[Run]) -> _Value:
    shortest = min(runs, key=lambda run: len(run.text))
    end = 0
    for end, letters in enumerate(zip(*(run.text for run in runs), strict=False)):  # noqa: B007 - used behind the loop
        if len(set(letters)) > 1:
            break
    else:
        end = len(shortest.text)
    while end and not all(run.text[end : end + 1].isspace() or len(run.text) == end for run in runs):
        end -= 1
    if not shortest.text[:end].strip():
        return None
    kept = shortest.part(0, end)
    return (joined([kept, _mark_after(kept)], " "),)


def _texts(value: tuple[Run, ...]) -> tuple[str, ...]:
    return tuple(run.text for run in value)


def _mark_after(run: Run) -> Run:
    begin, end = run.at[-1] if run.at else (0, 0)
    return mark(LOST, begin, end)
