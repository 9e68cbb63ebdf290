"""Meshes in Jupyter notebooks: the code cells as one program, each line where it stands in the JSON. Nothing is run.

Cells may run in any order, so what is bound once in all of them is known, as in a file. What the shell of the notebook
does (`!pip …`, `%time …`) is passed over; where that may bind names, or a cell is no Python, nothing is known.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from json import loads
from typing import Final

from meshfit.lint.documents import Branch, DocumentError, Items, Leaf, Node
from meshfit.lint.inner_text import InnerText
from meshfit.lint.recipe import Recipe
from meshfit.lint.shell_text import Places, Run, joined

__all__ = ["read_notebook"]

_LETTER: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL
)
"""A letter of a JSON text as it is written; two escapes of a pair are one."""
_COMMAND: Final = re.compile(r"[ \t]*(?:[!%?]|[\w.]+\?{1,2}[ \t]*$)")
_ASSIGNED: Final = re.compile(r"[ \t]*[\w.,\[\] \t]+=[ \t]*(?=[!%])")
_BINDS: Final = re.compile(r"[ \t]*%(?:run|pylab|store|macro|load|time|prun|rerun|recall|exec|px)\b")
"""Commands behind which any name may be another."""
_STAR: Final = "from IPython.unknown import *"
_PYTHON_CELL: Final = re.compile(r"%%(?:time|timeit|capture|prun|px|local)\b")
_LONGEST: Final = 200_000
"""Characters of all code; what is longer carries data."""
_LANGUAGES: Final = frozenset({"python", "python2", "python3", "ipython", "ipython3"})


def read_notebook(text: str, path: str) -> Iterator[Recipe]:
    """The meshes of a notebook's code, in its order.

    Args:
        text: of the file.
        path: where it is; it tells from which folder the code imports.

    Raises:
        DocumentError: it is no JSON, or nested too deeply for a notebook.
    """
    from meshfit.lint.json_text import read_json
    from meshfit.lint.python import read_python

    root = read_json(text)
    if not isinstance(root, Branch) or not _is_python(root):
        return
    places = Places(text)
    sources = list(_sources(root))
    if sum(_length(source) for source in sources) > _LONGEST:
        return
    cells = [cell for source in sources if (cell := _code(_run(source, text, places))) is not None]
    if any(not _parses(cell.text) for cell in cells):
        return
    program = joined(cells, "\n")
    inner = InnerText(program, places)
    try:
        for recipe in read_python(program.text, path):
            yield inner.moved(recipe, path)
    except DocumentError:  # of cells that are Python, each by itself
        return


def _is_python(root: Branch) -> bool:
    """Whether the notebook says no other language."""
    said = (
        root.value("metadata", "kernelspec", "language"),
        root.value("metadata", "language_info", "name"),
    )
    return all(not isinstance(name, str) or name.lower() in _LANGUAGES for name in said)


def _sources(root: Branch) -> Iterator[Node]:
    """The texts of the code cells."""
    cells = root.find("cells")
    for cell in cells.nodes if isinstance(cells, Items) else ():
        source = cell.find("source") if isinstance(cell, Branch) else None
        if isinstance(cell, Branch) and cell.value("cell_type") == "code" and source is not None:
            yield source


def _length(source: Node) -> int:
    leaves = source.nodes if isinstance(source, Items) else [source]
    return sum(len(leaf.value) for leaf in leaves if isinstance(leaf, Leaf) and isinstance(leaf.value, str))


def _run(source: Node, text: str, places: Places) -> Run:
    """The code of a cell: one text, or a list with one for each line."""
    leaves = source.nodes if isinstance(source, Items) else [source]
    return joined(
        _decoded(text, places.offset(leaf.spot.line, leaf.spot.column), places.offset(*leaf.spot[2:]))
        for leaf in leaves
        if isinstance(leaf, Leaf) and leaf.quoted
    )


def _decoded(text: str, begin: int, end: int) -> Run:
    """A JSON text between two offsets, each letter with its place."""
    letters: list[str] = []
    at: list[tuple[int, int]] = []
    for found in _LETTER.finditer(text, begin + 1, end - 1):
        written = found[0]
        if written[0] == "\\":
            try:
                written = loads(f'"{written}"')
            except ValueError:
                written = "\ufffd"
        letters.append(written)
        at += [found.span()] * len(written)
    return Run("".join(letters), tuple(at))


def _code(cell: Run) -> Run | None:
    """The Python of a cell, commands of the notebook put out of the way; None for a cell of something else."""
    if cell.text.lstrip().startswith("%%"):
        if not _PYTHON_CELL.match(cell.text.lstrip()):
            return None
    elif _parses(cell.text):
        return cell
    lines: list[Run] = []
    at, goes_on = 0, False
    for line in cell.text.split("\n"):
        run = cell.part(at, at + len(line))
        lines.append(Run("", ()) if goes_on else _statement(run))
        goes_on = line.endswith("\\") and (goes_on or lines[-1] is not run)
        at += len(line) + 1
    return joined(lines, "\n")


def _statement(line: Run) -> Run:
    """A line of code; for a command of the notebook one that does as much to names."""
    text = line.text
    assigned = _ASSIGNED.match(text)
    if assigned and not text.lstrip().startswith(("%", "!")):
        return joined([line.part(0, assigned.end()), _instead("get_ipython()", line)])
    if not _COMMAND.match(text):
        return line
    indent = line.part(0, len(text) - len(text.lstrip()))
    if text.lstrip().startswith("%%"):
        return Run("", ())
    return joined([indent, _instead(_STAR if _BINDS.match(text) else "pass", line)])


def _instead(text: str, line: Run) -> Run:
    return Run(text, (line.at[0],) * len(text))


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
