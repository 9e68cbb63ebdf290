"""Statements of a shell script: what runs, what may run, and what may run more than once."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from meshfit.lint.documents import MAX_DEPTH, DocumentError
from meshfit.lint.shell_parts import Redirect, Token, Word
from meshfit.lint.shell_text import Run
from meshfit.lint.shell_words import Lexer

__all__ = ["Branches", "Function", "Loop", "Simple", "Statement", "Subshell", "statements"]


class Simple(NamedTuple):
    """A command with its words; assignments before it are words too.

    Args:
        words: as written.
        changed: names that it changes by arithmetic.
        redirects: where its input and output go.
    """

    words: tuple[Word, ...]
    changed: tuple[str, ...] = ()
    redirects: tuple[Redirect, ...] = ()


class Branches(NamedTuple):
    """Lists of statements of which one runs, or, where they are not all, none."""

    bodies: tuple[tuple[Statement, ...], ...]
    complete: bool


class Loop(NamedTuple):
    """Statements that run any number of times, with names that each round sets anew."""

    body: tuple[Statement, ...]
    names: tuple[str, ...] = ()


class Subshell(NamedTuple):
    """Statements whose assignments end with them."""

    body: tuple[Statement, ...]


class Function(NamedTuple):
    """A function; its body runs when it is called."""

    name: str
    body: tuple[Statement, ...]


Statement = Simple | Branches | Loop | Subshell | Function

_CHANGED: Final = re.compile(
    r"([A-Za-z_]\w*)\s*(?:\[[^]]*\])?\s*(?:[-+*/%&|^]?=(?!=)|\+\+|--|<<=|>>=)|(?:\+\+|--)\s*([A-Za-z_]\w*)"
)
_CLOSING: Final = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})


def statements(source: Run | str) -> tuple[Statement, ...]:
    """The statements of a script; what is no shell is passed over as far as it goes.

    Raises:
        DocumentError: they are nested too deeply.
    """
    return _Parser(source).script()


def changed_by(arithmetic: str) -> tuple[str, ...]:
    """Names that an arithmetic command assigns."""
    return tuple(first or second for first, second in _CHANGED.findall(arithmetic))


class _Parser:
    def __init__(self, source: Run | str) -> None:
        self._lexer = Lexer(source)
        self._depth = 0
        self._ahead: Token = self._lexer.next()

    def script(self) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while not self._over:
            found += self._list(())
            if not self._over:
                self._take()  # a closing word with nothing to close
        return tuple(found)

    @property
    def _over(self) -> bool:
        return self._ahead.word is None and not self._ahead.operator

    @property
    def _word(self) -> str:
        return "" if self._ahead.word is None else self._ahead.word.plain

    def _take(self) -> Token:
        taken = self._ahead
        self._ahead = self._lexer.next()
        return taken

    def _list(self, ends: tuple[str, ...]) -> tuple[Statement, ...]:
        """Statements up to a closing word, or an operator of `ends`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DocumentError("is nested too deeply for a script")
        found: list[Statement] = []
        maybe = False
        while not self._over:
            if self._ahead.word is not None:
                if self._word in _CLOSING:
                    break
                made = self._pipeline()
                found += [Branches((tuple(made),), complete=False)] if maybe and made else made
                maybe = False
            elif self._ahead.operator in ends or self._ahead.operator in (")", ";;", ";&", ";;&"):
                break
            elif self._ahead.operator == "(":
                made = self._pipeline()
                found += [Branches((tuple(made),), complete=False)] if maybe and made else made
                maybe = False
            else:
                operator = self._take().operator
                # a newline may follow `&&`
                maybe = operator in ("&&", "||") or (maybe and operator == "\n")
        self._depth -= 1
        return tuple(found)

    def _pipeline(self) -> list[Statement]:
        first = self._command()
        if self._ahead.operator not in ("|", "|&"):
            return first
        found: list[Statement] = [Subshell(tuple(first))]
        while self._ahead.operator in ("|", "|&"):
            self._take()
            while self._ahead.operator == "\n":
                self._take()
            if self._ahead.word is None and self._ahead.operator != "(":
                break
            # `… | while read X` and `… | read X` change names in some shells
            found += self._command()
        return found

    def _command(self) -> list[Statement]:
        if self._ahead.operator == "(":
            if self._lexer.before_bracket:
                text = self._lexer.arithmetic()
                self._take()
                return [Simple((), changed_by(text))]
            self._take()
            body = self._list((")",))
            if self._ahead.operator == ")":
                self._take()
            return [Subshell(body)]
        made = {
            "if": self._if,
            "while": self._while,
            "until": self._while,
            "for": self._for,
            "select": self._for,
            "case": self._case,
            "{": self._group,
            "function": self._function,
            "[[": self._condition,
            "!": self._skip,
            "time": self._skip,
        }.get(self._word)
        return self._simple() if made is None else made()

    def _skip(self) -> list[Statement]:
        self._take()
        if self._ahead.word is None or self._word in _CLOSING:
            return []
        return self._command()

    def _condition(self) -> list[Statement]:
        self._lexer.condition()
        self._take()
        return []

    def _simple(self) -> list[Statement]:
        words: list[Word] = []
        while self._ahead.word is not None:
            words.append(self._ahead.word)
            self._take()
        if len(words) == 1 and self._ahead.operator == "(" and words[0].plain:
            self._take()
            if self._ahead.operator == ")":
                self._take()
                return self._body(words[0].plain)
        redirects = self._lexer.redirects(words[0].begin if words else 0)
        return [Simple(tuple(words), redirects=redirects)]

    def _function(self) -> list[Statement]:
        self._take()
        name = self._word
        self._take()
        if self._ahead.operator == "(":
            self._take()
            if self._ahead.operator == ")":
                self._take()
        return self._body(name)

    def _body(self, name: str) -> list[Statement]:
        while self._ahead.operator == "\n":
            self._take()
        if self._over:
            return []
        return [Function(name, tuple(self._command()))]

    def _group(self) -> list[Statement]:
        self._take()
        body = self._list(())
        self._expect("}")
        return list(body)

    def _if(self) -> list[Statement]:
        self._take()
        before = list(self._list(()))
        bodies: list[tuple[Statement, ...]] = []
        complete = False
        self._expect("then")
        bodies.append(self._list(()))
        while self._word in ("elif", "else"):
            complete = self._word == "else"
            self._take()
            condition = () if complete else self._list(())
            if not complete:
                self._expect("then")
            bodies.append((*condition, *self._list(())))
        self._expect("fi")
        return [*before, Branches(tuple(bodies), complete)]

    def _while(self) -> list[Statement]:
        self._take()
        condition = self._list(())
        self._expect("do")
        body = self._list(())
        self._expect("done")
        return [Loop((*condition, *body))]

    def _for(self) -> list[Statement]:
        self._take()
        names: tuple[str, ...] = ()
        if self._ahead.operator == "(" and self._lexer.before_bracket:
            names = changed_by(self._lexer.arithmetic())
            self._take()
        elif self._word:
            names = (self._word,)
            self._take()
        while not self._over and self._word not in ("do", "{"):
            self._take()
        closing = "done" if self._word == "do" else "}"
        self._take()
        body = self._list(())
        self._expect(closing)
        return [Loop(body, names)]

    def _case(self) -> list[Statement]:
        self._take()
        while not self._over and self._word != "in":
            self._take()
        self._take()
        bodies: list[tuple[Statement, ...]] = []
        complete = False
        while not self._over and self._word != "esac":
            pattern: list[str] = []
            while self._ahead.operator != ")" and self._word != "esac" and not self._over:
                pattern.append(self._word or self._ahead.operator)
                self._take()
            if self._word == "esac":
                break
            complete = complete or "*" in pattern
            self._take()
            bodies.append(self._list(()))
            while self._ahead.operator in (";;", ";&", ";;&", "\n", ";"):
                self._take()
            if self._word in _CLOSING - {"esac"} or self._ahead.operator == ")":
                self._take()
        self._expect("esac")
        return [Branches(tuple(bodies), complete)]

    def _expect(self, word: str) -> None:
        if self._word == word:
            self._take()
