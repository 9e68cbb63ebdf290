"""TOML as a tree of places: tables, and keys with single values. What spans lines is passed over, and is unknown.

The standard library reads values without places, and only from Python 3.11 on.
"""

from __future__ import annotations

import re
from typing import Any, Final

from meshfit.lint.documents import Branch, DocumentError, Entry, Leaf
from meshfit.lint.recipe import Spot
from meshfit.readers.unknown import UNKNOWN

__all__ = ["read_toml"]

_PART: Final = r"(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')"
_KEY: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER: Final = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEY})[ \t]*(\]\]?)[ \t]*(?:\#.*)?")
_PAIR: Final = re.compile(rf"[ \t]*({_KEY})[ \t]*=[ \t]*")
_TEXT: Final = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'([^'\n]*)'")
_WORD: Final = re.compile(r"[^\s#,\]}]+")
_INT: Final = re.compile(r"[-+]?[0-9](?:_?[0-9]){0,17}")
_FLOAT: Final = re.compile(r"[-+]?[0-9_]{1,18}(?:\.[0-9_]{1,18}(?:[eE][-+]?[0-9]{1,3})?|[eE][-+]?[0-9]{1,3})")
_END: Final = re.compile(r"[ \t]*(?:\#.*)?")
_LONG: Final = ('"""', "'''")
_NESTS: Final = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|\#[^\n]*|[\[{]|[\]}]")


def read_toml(text: str) -> Branch:
    """The tables of a text.

    Raises:
        DocumentError: a line is neither a table's header nor a key with a value, or a value does not end.
    """
    lines = text.split("\n")
    root = Branch(Spot(1, 1, len(lines), len(lines[-1]) + 1))
    table, number = root, 0
    while number < len(lines):
        line = lines[number].rstrip("\r")
        number += 1
        if _END.fullmatch(line):
            continue
        header = _HEADER.fullmatch(line)
        if header and len(header[1]) == len(header[3]):
            table = _table(root, header[2], Spot(number, header.start(1) + 1, number, header.end(3) + 1), header[1])
            continue
        pair = _PAIR.match(line)
        if pair is None:
            raise DocumentError("is not TOML: neither a table nor a key with a value", number, 1)
        value, end = _value(line, pair.end(), number)
        if value is _SPANS:
            number, value = _passed(lines, number, pair.end()), UNKNOWN
            end = len(line)
        *outer, key = _parts(pair[1])
        holder = _below(table, outer, Spot(number, pair.start(1) + 1, number, pair.end(1) + 1))
        key_spot = Spot(number, pair.start(1) + 1, number, pair.end(1) + 1)
        holder.put(key, Entry(key_spot, Leaf(value, Spot(number, pair.end() + 1, number, end + 1))))
    return root


_SPANS: Final = object()


def _value(line: str, at: int, number: int) -> tuple[Any, int]:
    """A single value and where it ends; `_SPANS` for what may go on in the next lines."""
    if line.startswith((*_LONG, "[", "{"), at):
        return _SPANS, at
    quoted = _TEXT.match(line, at)
    word = quoted or _WORD.match(line, at)
    if word is None or not _END.fullmatch(line, word.end()):
        raise DocumentError("is not TOML: a value is missing, or does not end", number, at + 1)
    if quoted:
        return (quoted[1] if quoted[1] is not None else quoted[2]), quoted.end()
    plain = word[0]
    if plain in ("true", "false"):
        return plain == "true", word.end()
    if _INT.fullmatch(plain):
        return int(plain.replace("_", "")), word.end()
    if _FLOAT.fullmatch(plain):
        return float(plain.replace("_", "")), word.end()
    return UNKNOWN, word.end()  # a date, a number of another base, or one too long for a size


def _passed(lines: list[str], number: int, at: int) -> int:
    """The number of the last line of a value that begins in line `number`, at column `at`."""
    rest = lines[number - 1][at:]
    if rest.startswith(_LONG):
        mark, seen = rest[:3], rest[3:]
        for last in range(number, len(lines) + 1):
            if mark in seen:
                return last
            seen = lines[last] if last < len(lines) else ""
        raise DocumentError("is not TOML: a text does not end", number, at + 1)
    depth = 0
    for last in range(number, len(lines) + 1):
        for found in _NESTS.finditer(rest):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth <= 0:
            return last
        rest = lines[last] if last < len(lines) else ""
    raise DocumentError("is not TOML: a list or table does not end", number, at + 1)


def _parts(key: str) -> list[str]:
    return [part.strip().strip("\"'") for part in re.findall(_PART, key)]


def _table(root: Branch, key: str, spot: Spot, bracket: str) -> Branch:
    *outer, name = _parts(key)
    holder = _below(root, outer, spot)
    found = holder.find(name)
    if isinstance(found, Branch) and bracket == "[":
        return found
    table = Branch(spot)
    holder.entries[name] = Entry(spot, table)
    return table


def _below(table: Branch, keys: list[str], spot: Spot) -> Branch:
    for key in keys:
        found = table.find(key)
        if not isinstance(found, Branch):
            found = Branch(spot)
            table.entries[key] = Entry(spot, found)
        table = found
    return table
