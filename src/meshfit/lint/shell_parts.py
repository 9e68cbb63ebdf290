"""What words of a shell script are made of."""

from __future__ import annotations

from typing import NamedTuple

from meshfit.lint.shell_text import Run

__all__ = ["Array", "Part", "Redirect", "Sum", "Text", "Token", "Unread", "Variable", "Word"]


class Text(NamedTuple):
    """Characters that stand for themselves."""

    run: Run
    quoted: bool


class Variable(NamedTuple):
    """`$NAME`, `${NAME:-8}`, `${NAME[@]}`, `$1`, `$@`.

    Args:
        name: with no `$`; `@` and `*` for all arguments.
        begin, end: offsets of the whole.
        quoted: inside double quotes.
        every: `[@]` or `[*]` follows the name.
        default: what stands in for it when it is not set; None where nothing does.
    """

    name: str
    begin: int
    end: int
    quoted: bool
    every: bool = False
    default: tuple[Part, ...] | None = None


class Sum(NamedTuple):
    """`$(( … ))`."""

    text: str
    begin: int
    end: int


class Unread(NamedTuple):
    """What only a run can tell: the output of a command, a length, a pattern cut off."""

    begin: int
    end: int


class Array(NamedTuple):
    """`( … )` right behind `NAME=`."""

    words: tuple[Word, ...]


Part = Text | Variable | Sum | Unread | Array


class Word(NamedTuple):
    """A word, by its parts."""

    parts: tuple[Part, ...]
    begin: int
    end: int

    @property
    def plain(self) -> str:
        """Its text where it is no more than that, unquoted; else empty."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only.run.text if isinstance(only, Text) and not only.quoted else ""


class Token(NamedTuple):
    r"""A word, or an operator (`;`, `&&`, `\\n`; empty at the end)."""

    operator: str
    word: Word | None = None


class Redirect:
    """`> file`, `<<EOF`.

    Args:
        operator: as written.
        word: the file, or the end of the here-document.
    """

    __slots__ = ("document", "operator", "word")

    def __init__(self, operator: str, word: Word) -> None:
        self.operator: str = operator
        self.word: Word = word
        self.document: Word | None = None
        """The here-document, which comes only after the line of the command; None for one that is too long."""
