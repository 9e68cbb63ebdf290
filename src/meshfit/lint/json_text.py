"""JSON as a tree of places. Comments and trailing commas are let pass, as the tools that read these files do."""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final

from meshfit.lint.documents import MAX_DEPTH, Branch, DocumentError, Entry, Items, Leaf, Node
from meshfit.lint.recipe import Spot
from meshfit.readers.unknown import UNKNOWN

__all__ = ["read_json"]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|\#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d+(?P<rest>(?:\.\d+)?(?:[eE][-+]?\d+)?)")
_WORD: Final = re.compile(r"[A-Za-z]+|-Infinity")
_WORDS: Final[dict[str, Any]] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}


def read_json(text: str) -> Node:
    """The value of a text, as a tree.

    Raises:
        DocumentError: the text is no JSON, or nested too deeply.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]

    def read(self) -> Node:
        """The tree, built without recursion."""
        top = Items(Spot(1, 1, 1, 1))
        stack: list[tuple[Branch | Items, int]] = [(top, 0)]
        while stack:
            parent, _ = stack[-1]
            if parent is top and top.nodes:
                break
            self._skip()
            closing = "}" if isinstance(parent, Branch) else "]"
            if parent is not top and self._text.startswith(closing, self._at):
                self._at += 1
                done, start = stack.pop()
                done.spot = self._spot(start)
                self._comma(closing if len(stack) > 1 else "")
                continue
            self._member(parent, stack)
        self._skip()
        if self._at < len(self._text):
            raise self._error("more follows the value")
        return top.nodes[0]

    def _member(self, parent: Branch | Items, stack: list[tuple[Branch | Items, int]]) -> None:
        key, key_spot = "", parent.spot
        if isinstance(parent, Branch):
            start = self._at
            key = self._string()
            key_spot = self._spot(start)
            self._skip()
            if not self._text.startswith(":", self._at):
                raise self._error("a colon is missing after the key")
            self._at += 1
            self._skip()
        start = self._at
        node = self._value()
        if isinstance(parent, Branch):
            parent.put(key, Entry(key_spot, node))
        else:
            parent.nodes.append(node)
        if isinstance(node, Leaf):
            self._comma("}" if isinstance(parent, Branch) else "]" if len(stack) > 1 else "")
        elif len(stack) > MAX_DEPTH:
            raise self._error("it is nested too deeply for a config")
        else:
            stack.append((node, start))

    def _value(self) -> Node:
        start, text = self._at, self._text
        first = text[start : start + 1]
        if first in ("{", "["):
            self._at += 1
            return Branch(self._spot(start)) if first == "{" else Items(self._spot(start))
        if first == '"':
            return Leaf(self._string(), self._spot(start), quoted=True)
        number = _NUMBER.match(text, start)
        if number:
            self._at = number.end()
            long = number.end() - start > 18
            value = UNKNOWN if long else float(number[0]) if number["rest"] else int(number[0])
            return Leaf(value, self._spot(start))
        word = _WORD.match(text, start)
        if word and word[0] in _WORDS:
            self._at = word.end()
            return Leaf(_WORDS[word[0]], self._spot(start))
        raise self._error("a value is missing" if start < len(text) else "it ends too early")

    def _string(self) -> str:
        if not self._text.startswith('"', self._at):
            raise self._error(
                "a key in double quotes is missing" if self._at < len(self._text) else "it ends too early"
            )
        try:
            value, self._at = scanstring(self._text, self._at + 1, False)
        except ValueError:
            raise self._error("a text does not end") from None
        return str(value)

    def _comma(self, closing: str) -> None:
        """Pass the comma between members; before a closing bracket none is needed."""
        if not closing:
            return
        self._skip()
        if self._text.startswith(",", self._at):
            self._at += 1
        elif not self._text.startswith(("}", "]"), self._at):
            raise self._error("a comma is missing" if self._at < len(self._text) else "it ends too early")

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _error(self, problem: str) -> DocumentError:
        line, column = self._place(self._at)
        return DocumentError(f"is not JSON: {problem}", line, column)

    def _spot(self, start: int) -> Spot:
        return Spot(*self._place(start), *self._place(self._at))

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1
