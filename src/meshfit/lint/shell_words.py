"""Words and operators of a shell script, as the grammar of POSIX (XCU 2.2, 2.3) and bash's arrays have them.

A word is kept as its parts; what they amount to is for `meshfit.lint.shell_values` to say.
"""

from __future__ import annotations

import re
from typing import Final

from meshfit.lint.documents import MAX_DEPTH, DocumentError
from meshfit.lint.shell_parts import Array, Part, Redirect, Sum, Text, Token, Unread, Variable, Word
from meshfit.lint.shell_text import Run, joined

__all__ = ["Lexer"]


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARRAY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=\Z")
_PLAIN: Final = re.compile(r"[^\s;&|()<>\\'\"$`#]+")
_QUOTED: Final = re.compile(r'[^"\\$`]+')
_UNQUOTED: Final = re.compile(r"[^\\$`]+")
_DIGITS: Final = re.compile(r"\d+\Z")
_BLANK: Final = " \t"
_ENDS: Final = "\n;&|()<>"
_OPERATORS: Final = ("&>>", "<<<", "<<-", ";;&", "&&", "||", ";;", ";&", "|&", "&>", ">>", "<<", ">&", "<&", "<>", ">|")
_DROPPED: Final = frozenset({">", ">>", "<", "<<<", "&>", "&>>", ">&", "<&", "<>", ">|"})
_HEREDOCS: Final = frozenset({"<<", "<<-"})
_LONGEST_DOCUMENT: Final = 20_000
"""Characters of a here-document; configs have some hundred."""


class Lexer:
    """Takes a script apart; comments are passed over, redirections and here-documents kept aside.

    Args:
        source: the script.
    """

    def __init__(self, source: Run | str) -> None:
        self._text = source if isinstance(source, str) else source.text
        self._map = None if isinstance(source, str) else source.at
        self._at = 0
        self._depth = 0
        self._awaited: list[Redirect] = []
        self._redirects: list[Redirect] = []

    def next(self) -> Token:
        """The next token.

        Raises:
            DocumentError: quotes or brackets are nested too deeply.
        """
        while True:
            self._blanks()
            text, at = self._text, self._at
            if at >= len(text):
                return Token("")
            letter = text[at]
            if letter == "\n":
                self._at += 1
                self._skip_documents()
                return Token("\n")
            if letter == "#":
                self._at = self._line_end()
                continue
            if letter in "<>" and text.startswith("(", at + 1):
                return Token("", self._word())
            if letter in _ENDS:
                operator = next((one for one in _OPERATORS if text.startswith(one, at)), letter)
                self._at += len(operator)
                if operator in _DROPPED or operator in _HEREDOCS:
                    self._redirect(operator)
                    continue
                return Token(operator)
            word = self._word()
            if _DIGITS.match(word.plain) and text.startswith(("<", ">"), self._at):
                continue  # the number of a stream
            return Token("", word)

    def condition(self) -> None:
        """Pass over `[[ … ]]`, its begin already taken."""
        while True:
            token = self.next()
            if (token.word is None and not token.operator) or (token.word is not None and token.word.plain == "]]"):
                return

    def arithmetic(self) -> str:
        """The text of `(( … ))` as a command, its first bracket already taken."""
        begin = self._at + 1
        self._at = begin
        self._balance("(", ")", 2)
        return self._text[begin : self._at - 2]

    def document(self) -> Word:
        """The whole text as a here-document, in which variables are replaced and quotes stand for themselves."""
        parts: list[Part] = []
        self._letters(parts, "")
        return Word(_merged(parts), *self._span(0))

    def redirects(self, begin: int) -> tuple[Redirect, ...]:
        """The redirections since the last call that begin behind an offset."""
        found = tuple(redirect for redirect in self._redirects if redirect.word.begin > begin)
        self._redirects.clear()
        return found

    @property
    def before_bracket(self) -> bool:
        """Whether an opening bracket comes at once."""
        return self._text.startswith("(", self._at)

    def _blanks(self) -> None:
        text = self._text
        while self._at < len(text):
            if text[self._at] in _BLANK or (text[self._at] == "\r" and text.startswith("\r\n", self._at)):
                self._at += 1
            elif text.startswith(("\\\n", "\\\r\n"), self._at):
                self._at = text.index("\n", self._at) + 1
            else:
                return

    def _line_end(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _redirect(self, operator: str) -> None:
        self._blanks()
        if self._at >= len(self._text) or self._text[self._at] in "\n;|":
            return
        if operator in (">&", "<&") and self._text.startswith("-", self._at):
            self._at += 1
            return
        redirect = Redirect(operator, self._word())
        self._redirects.append(redirect)
        if operator in _HEREDOCS:
            self._awaited.append(redirect)

    def _skip_documents(self) -> None:
        for redirect in self._awaited:
            texts = [part for part in redirect.word.parts if isinstance(part, Text)]
            end = "".join(part.run.text for part in texts)
            indented = redirect.operator == "<<-"
            lines: list[Run] = []
            length = 0
            while self._at < len(self._text):
                begin, stop = self._at, self._line_end()
                line = self._text[begin:stop].rstrip("\r")
                self._at = stop + 1
                tabs = len(line) - len(line.lstrip("\t")) if indented else 0
                if line[tabs:] == end:
                    break
                length += len(line) + 1
                if length <= _LONGEST_DOCUMENT:
                    lines.append(self._run(begin + tabs, stop + 1))
            if length <= _LONGEST_DOCUMENT:
                body = joined(lines)
                plain = any(part.quoted for part in texts)
                whole = Word((Text(body, quoted=True),), *redirect.word[1:])
                redirect.document = whole if plain else Lexer(body).document()
        self._awaited.clear()
        self._at = min(self._at, len(self._text))

    def _word(self) -> Word:
        begin = self._at
        parts: list[Part] = []
        text = self._text
        while self._at < len(text):
            letter = text[self._at]
            if letter in _BLANK or text.startswith("\r\n", self._at):
                break
            if letter in "<>" and text.startswith("(", self._at + 1) and not parts:
                start = self._at
                self._at += 2
                self._balance("(", ")", 1)
                parts.append(self._unread(start))
                continue
            if letter == "(" and len(parts) == 1 and _ARRAY.match(_plain(parts)):
                parts.append(self._array())
                continue
            if letter in _ENDS:
                break
            self._part(parts)
        return Word(_merged(parts), *self._span(begin))

    def _part(self, parts: list[Part]) -> None:
        text, at = self._text, self._at
        letter = text[at]
        if letter == "\\":
            width = 3 if text.startswith("\\\r\n", at) else 2
            self._at = min(at + width, len(text))
            if not text.startswith(("\\\n", "\\\r\n"), at):
                parts.append(Text(self._run(at + 1, self._at), quoted=True))
        elif letter == "'":
            end = text.find("'", at + 1)
            end = len(text) if end < 0 else end
            parts.append(Text(self._run(at + 1, end), quoted=True))
            self._at = min(end + 1, len(text))
        elif letter == '"':
            self._quotes(parts)
        elif letter == "$":
            self._dollar(parts, quoted=False)
        elif letter == "`":
            parts.append(self._backquotes())
        else:
            found = _PLAIN.match(text, at)
            self._at = found.end() if found else at + 1
            parts.append(Text(self._run(at, self._at), quoted=False))

    def _quotes(self, parts: list[Part]) -> None:
        """A text in double quotes, its begin not yet taken."""
        self._enter()
        self._at += 1
        parts.append(Text(Run("", ()), quoted=True))
        self._letters(parts, '"')
        self._at = min(self._at + 1, len(self._text))
        self._depth -= 1

    def _letters(self, parts: list[Part], closing: str) -> None:
        """Letters up to a closing one, or to the end where there is none; only `$`, backquote and backslash act."""
        text = self._text
        while self._at < len(text) and text[self._at] != closing:
            at = self._at
            found = (_QUOTED if closing else _UNQUOTED).match(text, at)
            if found:
                self._at = found.end()
                parts.append(Text(self._run(at, self._at), quoted=True))
            elif text[at] == "\\":
                self._at = min(at + (3 if text.startswith("\\\r\n", at) else 2), len(text))
                if not text.startswith(("\\\n", "\\\r\n"), at):
                    special = text[at + 1 : at + 2] in ("$", "`", closing, "\\")
                    parts.append(Text(self._run(at + special, self._at), quoted=True))
            elif text[at] == "$":
                self._dollar(parts, quoted=True)
            else:
                parts.append(self._backquotes())

    def _dollar(self, parts: list[Part], *, quoted: bool) -> None:
        text, at = self._text, self._at
        if text.startswith("$((", at):
            self._at = at + 3
            if self._balance("(", ")", 2):
                parts.append(Sum(text[at + 3 : self._at - 2], *self._span(at)))
            else:
                parts.append(self._unread(at))
        elif text.startswith("$(", at):
            self._at = at + 2
            self._balance("(", ")", 1)
            parts.append(self._unread(at))
        elif text.startswith("${", at):
            parts.append(self._braces(quoted=quoted))
        elif text.startswith(("$'", '$"'), at) and not quoted:
            self._at = at + 1
            inner: list[Part] = []
            self._part(inner)
            escaped = text[at + 1] == "'" and "\\" in text[at : self._at]
            parts += [self._unread(at)] if escaped else inner
        else:
            found = _NAME.match(text, at + 1)
            special = text[at + 1 : at + 2]
            if found is None and not (special.isdigit() or special in "@*#?$!-_" if special else False):
                self._at = at + 1
                parts.append(Text(self._run(at, at + 1), quoted=quoted))
                return
            self._at = found.end() if found else at + 2
            name = found[0] if found else special
            if name in ("#", "?", "$", "!", "-"):
                parts.append(self._unread(at))
            else:
                parts.append(Variable(name, *self._span(at), quoted))

    def _braces(self, *, quoted: bool) -> Part:
        """`${ … }`, its begin not yet taken."""
        self._enter()
        text, at = self._text, self._at
        found = _NAME.match(text, at + 2) or re.compile(r"\d+|[@*]").match(text, at + 2)
        self._at = found.end() if found else at + 2
        every = found is not None and text.startswith(("[@]", "[*]"), self._at)
        self._at += 3 * every
        operator = re.compile(r":?[-=]").match(text, self._at)
        default: tuple[Part, ...] | None = None
        if found is not None and operator is not None:
            self._at = operator.end()
            inner: list[Part] = []
            while self._at < len(text) and text[self._at] != "}":
                self._default(inner, quoted=quoted)
            default = _merged(inner)
        sound = found is not None and (text.startswith("}", self._at) or text.startswith((":?", "?"), self._at))
        if not text.startswith("}", self._at):
            self._balance("{", "}", 1)
        else:
            self._at += 1
        self._depth -= 1
        if not sound or found is None:
            return self._unread(at)
        return Variable(found[0], *self._span(at), quoted, every, default)

    def _default(self, parts: list[Part], *, quoted: bool) -> None:
        at = self._at
        if self._text[at] in _BLANK + _ENDS + "#\r" or (quoted and self._text[at] == "'"):
            self._at += 1
            parts.append(Text(self._run(at, at + 1), quoted=quoted))
            return
        self._part(parts)
        last = parts[-1] if parts else None
        if isinstance(last, Text) and not last.quoted and "}" in last.run.text:
            cut = last.run.text.index("}")
            self._at -= len(last.run.text) - cut
            parts[-1] = Text(last.run.part(0, cut), quoted=quoted)

    def _array(self) -> Array:
        self._enter()
        self._at += 1
        words: list[Word] = []
        while True:
            token = self.next()
            if token.word is not None:
                words.append(token.word)
            elif token.operator in (")", ""):
                break
        self._depth -= 1
        return Array(tuple(words))

    def _backquotes(self) -> Unread:
        at = self._at
        end = self._text.find("`", at + 1)
        self._at = len(self._text) if end < 0 else end + 1
        return self._unread(at)

    def _balance(self, opening: str, closing: str, depth: int) -> bool:
        """Pass over what is in brackets, quotes included; whether the last brackets close side by side."""
        text, last = self._text, -1
        while self._at < len(text):
            letter = text[self._at]
            if letter == "\\":
                self._at += 1
            elif letter == "'":
                end = text.find("'", self._at + 1)
                self._at = len(text) if end < 0 else end
            elif letter == '"':
                self._quotes([])
                continue
            elif letter == "#" and text[self._at - 1] in " \t\n" and opening == "(":
                self._at = self._line_end()
                continue
            elif letter == opening:
                depth += 1
            elif letter == closing:
                depth -= 1
                if depth == 0:
                    self._at += 1
                    return last == self._at - 2
                last = self._at
            self._at += 1
        self._at = len(text)
        return False

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DocumentError("is nested too deeply for a script")

    def _run(self, begin: int, end: int) -> Run:
        places = ((at, at + 1) for at in range(begin, end)) if self._map is None else self._map[begin:end]
        return Run(self._text[begin:end], tuple(places))

    def _span(self, begin: int) -> tuple[int, int]:
        if self._map is None:
            return begin, self._at
        if not self._map:
            return 0, 0
        last = len(self._map) - 1
        return self._map[min(begin, last)][0], self._map[min(max(self._at - 1, begin), last)][1]

    def _unread(self, begin: int) -> Unread:
        return Unread(*self._span(begin))


def _plain(parts: list[Part]) -> str:
    only = parts[0]
    return only.run.text if isinstance(only, Text) and not only.quoted else ""


def _merged(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring texts of one kind as one."""
    found: list[Part] = []
    row: list[Text] = []
    for part in (*parts, None):
        if row and not (isinstance(part, Text) and part.quoted == row[0].quoted):
            found.append(Text(joined(text.run for text in row), quoted=row[0].quoted))
            row = []
        if isinstance(part, Text):
            row.append(part)
        elif part is not None:
            found.append(part)
    return tuple(found)
