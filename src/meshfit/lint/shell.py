"""Meshes in the commands of shell and SLURM scripts. Nothing is run; what only a run can tell stays unknown.

A script is walked in its order. Assignments, arrays, arithmetic, functions, `export`, `bash -c` and `eval` are
followed; a variable that a branch or a loop changes is unknown behind it, and so is each one behind a `source` of a
file that is not here. Configs that a command names, or a here-document writes, are read with the command.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os.path import normpath
from typing import Final

from meshfit.lint.documents import DocumentError
from meshfit.lint.files import Found, read_text
from meshfit.lint.files_beside import FilesBeside
from meshfit.lint.flags_tools import read_command
from meshfit.lint.launchers import Command, Directives
from meshfit.lint.recipe import Recipe, Spot
from meshfit.lint.shell_parts import Word
from meshfit.lint.shell_statements import Branches, Function, Loop, Simple, Statement, Subshell, statements
from meshfit.lint.shell_text import LOST, OUTER, Places, Run, joined, mark
from meshfit.lint.shell_values import Variables, assignment
from meshfit.lint.shell_writing import CHANGING, writing

__all__ = ["read_shell"]

_MOST_COMMANDS: Final = 20_000
"""Commands that are walked through, calls of functions included."""
_LONGEST: Final = 500_000
"""Characters of a script; what is longer carries data."""
_DEEPEST: Final = 20
"""Functions and `bash -c` within each other."""
_SIGNS: Final = ("paral", "vllm", "_degree", "tp_size", ".yaml", ".yml", ".json", ".toml")
"""Every spelling of a mesh has one of them, or stands in a config."""
_LONGEST_SOURCED: Final = 50_000
_MOST_SOURCED: Final = 5
"""Files that source one another."""
_ELSEWHERE: Final = frozenset({"cd", "pushd", "popd"})

_DECLARING: Final = frozenset({"export", "declare", "typeset", "local", "readonly"})
_SHELLS: Final = frozenset({"bash", "sh", "zsh", "dash", "/bin/bash", "/bin/sh", "/usr/bin/bash"})
_ARITHMETIC: Final = "let"
_SETTING: Final = frozenset({"read", "mapfile", "readarray", "getopts", "printf", "wait", "let"})
_SOURCING: Final = frozenset({"source", "."})
_HARMLESS_SOURCES: Final = (
    "/activate",
    "conda.sh",
    ".bashrc",
    ".bash_profile",
    ".profile",
    "/setvars.sh",
    "/lmod",
    "modules.sh",
)
"""Files that set up a program, a shell or a compiler, and no sizes."""


def read_shell(text: str, path: str) -> Iterator[Recipe]:
    """The meshes of the commands in a script, each as often as its sizes differ.

    Args:
        text: the script; one with control characters is no script, and has none.
        path: the file; the files that the script names lie beside it.

    Raises:
        DocumentError: the script is nested too deeply, or is too long.
    """
    lower = text.lower()
    if LOST in text or OUTER in text or not any(sign in lower for sign in _SIGNS):
        return
    if len(text) > _LONGEST:
        raise DocumentError(f"has more than {_LONGEST} characters; scripts are smaller")
    yield from _Walk(text, path).recipes()


class _Walk:
    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._beside = FilesBeside(path)
        self._sourced = 0
        self._foreign: set[str] = set()
        self._written: dict[str, list[Recipe]] = {}
        self._directives = Directives(text)
        self._places = Places(text)
        self._functions: dict[str, tuple[Statement, ...]] = {}
        self._called: set[str] = set()
        self._locals: list[list[tuple[str, Variables]]] = []
        self._left = _MOST_COMMANDS
        self._depth = 0
        self._found: dict[Spot, list[Recipe]] = {}

    def recipes(self) -> list[Recipe]:
        """All meshes, each once."""
        variables = Variables(self._directives.variables())
        self._walk(statements(self._text), variables)
        # a file of functions that others call
        for name in [name for name in self._functions if name not in self._called and name not in self._foreign]:
            inner = variables.copy()
            inner.lose(*(changed for body in self._functions.values() for changed in _changed(body, self._functions)))
            self._walk(self._functions[name], inner)
        for recipe in (recipe for found in self._written.values() for recipe in found):
            self._note(recipe)
        return [recipe for found in self._found.values() for recipe in found]

    def _walk(self, body: tuple[Statement, ...], variables: Variables) -> None:
        for statement in body:
            # what branches keep apart is copied and compared for each of them
            self._left -= 1 if isinstance(statement, Simple) else 1 + variables.count // 20
            if self._left < 0:
                return
            match statement:
                case Simple():
                    self._simple(statement, variables)
                case Branches(bodies, complete):
                    ways = [variables.copy() for _ in bodies]
                    for way, inner in zip(ways, bodies, strict=True):
                        self._walk(inner, way)
                    variables.merge(ways if complete and ways else [variables.copy(), *ways])
                case Loop(inner, names):
                    variables.lose(*names)
                    for name, appended in _changed(inner, self._functions).items():
                        variables.vary(name) if appended else variables.lose(name)
                    once = variables.copy()
                    self._walk(inner, once)
                    variables.merge([variables.copy(), once])
                case Subshell(inner):
                    self._walk(inner, variables.copy())
                case Function(name, inner):
                    self._functions[name] = inner
                    self._foreign.add(name) if self._sourced else self._foreign.discard(name)

    def _simple(self, statement: Simple, variables: Variables) -> None:
        variables.lose(*statement.changed)
        words = list(statement.words)
        assigned = []
        while words and (made := assignment(words[0])) is not None:
            assigned.append(made)
            words.pop(0)
        if not words:
            for name, operator, value in assigned:
                variables.assign(name, operator, value)
            return
        if words[0].plain in _DECLARING:
            self._declare(words, variables)
            return
        fields = [field for word in words for field in variables.fields(word)]
        self._left -= sum(len(field.text) for field in fields) // 500
        if fields:
            environment = {name: variables.text(value) for name, operator, value in assigned if operator == "="}
            if statement.redirects and not self._sourced:
                self._writes(fields, statement, variables)
            self._command(fields, environment, variables)

    def _declare(self, words: list[Word], variables: Variables) -> None:
        """`export A=1 B`, `local A=1`, `declare -a A=(…)`."""
        kind = words[0].plain
        for word in words[1:]:
            made = assignment(word)
            name = made[0] if made else word.plain
            if kind == "local" and self._locals and name:
                self._locals[-1].append((name, variables.copy()))
            if made is not None:
                variables.assign(*made)
            if name and kind != "local":
                variables.export(name.rstrip("["))

    def _command(self, fields: list[Run], environment: Mapping[str, Run], variables: Variables) -> None:
        name = fields[0].text
        if name in self._functions:
            self._call(name, fields, variables)
        elif name in _SETTING:
            rest = fields[1:]
            texts = [field.text for field in rest if not field.text.startswith("-")]
            if name == "printf":
                texts = texts[:1] if rest and rest[0].text == "-v" else []
            variables.lose(*(text.partition("=")[0].strip("+-*/ ") for text in texts))
        elif name in _SOURCING:
            if len(fields) < 2 or not fields[1].text.endswith(_HARMLESS_SOURCES):
                self._source(fields[1:], variables)
        elif name in _ELSEWHERE:
            begin, end = (fields[1].at[0][0], fields[-1].at[-1][1]) if len(fields) > 1 and fields[1].at else (0, 0)
            self._beside.enter(self._text[begin:end])
        elif name == "unset":
            for field in fields[1:]:
                variables.forget(field.text)
        elif name in ("shift", "set"):
            if name == "shift" or any(field.text == "--" for field in fields):
                variables.arguments = (mark(LOST, *fields[0].at[0]),) * 9
        elif name == "eval":
            if all(LOST not in field.text for field in fields):
                self._inner(joined(fields[1:], " "), variables, ())
            else:
                variables.lose_all()
        else:
            self._run(fields, environment, variables)

    def _run(self, fields: list[Run], environment: Mapping[str, Run], variables: Variables) -> None:
        at = next((index for index, field in enumerate(fields) if field.text in _SHELLS), None)
        if at is not None:
            flag = (
                next((i for i in range(at + 1, len(fields)) if not _is_shell_option(fields[i].text)), len(fields)) - 1
            )
            if (
                flag > at
                and fields[flag].text.startswith("-")
                and fields[flag].text.endswith("c")
                and flag + 1 < len(fields)
            ):
                inner = Variables({**variables.environment(), **environment})
                self._inner(fields[flag + 1], inner, tuple(fields[:at]))
                return
        if self._sourced:
            return
        if fields[0].text in CHANGING:
            for name in self._beside.change(field.text for field in fields[1:]):
                self._written.pop(name, None)  # nor is what the script wrote into one before
        command = Command(
            fields=tuple(fields),
            environment={**variables.environment(), **environment},
            assumed=variables.assumed,
            directives=self._directives,
        )
        for recipe in read_command(command, self._text, self._places, self._beside):
            self._note(recipe)

    def _note(self, recipe: Recipe) -> None:
        found = self._found.setdefault(recipe.spot, [])
        if recipe not in found:
            found.append(recipe)

    def _writes(self, fields: list[Run], statement: Simple, variables: Variables) -> None:
        """Configs that the command writes, at their places in the script."""
        for name, config in writing(fields, statement.redirects, variables, self._places):
            if name.known:
                self._beside.write(name.text, config)
            told = self._written.setdefault(normpath(name.text), [])
            told += [recipe for recipe in (config.recipes if config else ()) if recipe not in told]

    def _source(self, fields: list[Run], variables: Variables) -> None:
        """`source FILE`: what the file sets counts, and stands where it is named. Its commands are its own affair."""
        path = self._beside.path(fields[0].text) if len(fields) == 1 and fields[0].known else None
        text = None if path is None or self._sourced >= _MOST_SOURCED else _sourced_text(path)
        if text is None:
            variables.lose_all()
            return
        begin, end = fields[0].at[0][0], fields[0].at[-1][1]
        self._sourced += 1
        try:
            self._walk(statements(Run(text, ((begin, end),) * len(text))), variables)
        except DocumentError:
            variables.lose_all()
        self._sourced -= 1

    def _inner(self, script: Run, variables: Variables, before: tuple[Run, ...]) -> None:
        """A script within the script; what stands before it (`srun -N 2`) starts each of its commands."""
        if self._depth >= _DEEPEST:
            return
        self._depth += 1
        outer, self._directives = self._directives, self._directives.started_by(before)
        self._walk(statements(script), variables)
        self._directives = outer
        self._depth -= 1

    def _call(self, name: str, fields: list[Run], variables: Variables) -> None:
        self._called.add(name)
        if self._depth >= _DEEPEST:
            variables.lose_all()
            return
        self._depth += 1
        self._locals.append([])
        outer, variables.arguments = variables.arguments, tuple(fields[1:])
        self._sourced += name in self._foreign
        self._walk(self._functions[name], variables)
        self._sourced -= name in self._foreign
        variables.arguments = outer
        for local, before in reversed(self._locals.pop()):
            variables.restore(local, before)
        self._depth -= 1


def _sourced_text(path: str) -> str | None:
    """The text of a file of settings; None for one that cannot be read, or is too long for one."""
    try:
        text = read_text(Found(path, named=True))
    except DocumentError:
        return None
    return text if text and len(text) <= _LONGEST_SOURCED and LOST not in text and OUTER not in text else None


def _is_shell_option(text: str) -> bool:
    return text.startswith(("-", "+"))


def _changed(body: tuple[Statement, ...], functions: Mapping[str, tuple[Statement, ...]]) -> dict[str, bool]:
    """Names that statements set, each with whether they do no more than append to it."""
    found: dict[str, bool] = {}
    waiting = list(body)
    seen: set[str] = set()

    def note(name: str, *, appended: bool) -> None:
        found[name] = appended and found.get(name, True)

    while waiting:
        statement = waiting.pop()
        match statement:
            case Branches(bodies):
                waiting += [inner for one in bodies for inner in one]
            case Loop(inner, names):
                waiting += inner
                for name in names:
                    note(name, appended=False)
            case Subshell(inner) | Function(_, inner):
                waiting += inner
            case Simple(words, changed):
                for name in changed:
                    note(name, appended=False)
                first = words[0].plain if words else ""
                if first in functions and first not in seen:
                    seen.add(first)
                    waiting += functions[first]
                sets = first in _SETTING or first == "unset"
                for word in words:
                    made = assignment(word)
                    if made is not None:
                        note(made[0].rstrip("["), appended=made[1] == "+=" and "[" not in made[0])
                    elif sets and word.plain:
                        note(word.plain, appended=False)
    return found
