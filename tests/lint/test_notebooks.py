"""Notebooks: code cells as one program, each finding where its line of code stands in the JSON."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from meshfit.lint.documents import DocumentError
from meshfit.lint.notebook import read_notebook
from meshfit.lint.recipe import Recipe
from meshfit.mesh import MeshSpec

IMPORT = "from transformers.distributed import DistributedConfig\n"
MADE = "DistributedConfig(pp_size=2, fsdp_size=4)"


def notebook(*cells: Any, indent: int | None = 1) -> str:
    """A notebook with these code cells, each a text or a list of lines."""
    made = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4}, indent=indent)


def recipes(text: str) -> list[Recipe]:
    """All meshes of a notebook."""
    return list(read_notebook(text, "train.ipynb"))


def marked(text: str, recipe: Recipe) -> str:
    """What the region of a recipe holds, on its one line."""
    line, column, end_line, end_column = recipe.spot
    assert line == end_line
    return text.split("\n")[line - 1][column - 1 : end_column - 1]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "cell",
    [
        f"{IMPORT}{MADE}",
        [IMPORT, MADE],
        [IMPORT, "x = 'é \"\t\\\\ 😀'; ", MADE],
        f"%pip install transformers\n{IMPORT}!ls \\\n  -l\n{MADE}",
        f"%%capture out\n{IMPORT}{MADE}",
        f"{IMPORT}if True:\n    !ls\n    {MADE}",
        f"{IMPORT}files = !ls\nprint?\n?print\n{MADE}",
    ],
)
def test_a_call_is_found_and_marked(cell: Any, indent: int | None) -> None:
    """However its cell is written: escapes, commands of the notebook, one line of JSON or many."""
    text = notebook(cell, indent=indent)
    (recipe,) = recipes(text)
    assert recipe.mesh == MeshSpec(pp_size=2, dp_shard_size=4)
    assert marked(text, recipe) == MADE


def test_names_go_from_cell_to_cell() -> None:
    """Bound once in all of them is known; bound twice is not."""
    once = [IMPORT + "size = 4", "DistributedConfig(pp_size=2, fsdp_size=size)"]
    (recipe,) = recipes(notebook(*once))
    assert recipe.mesh == MeshSpec(pp_size=2, dp_shard_size=4)
    (recipe,) = recipes(notebook(*once, "size = 8"))
    assert recipe.mesh != MeshSpec(pp_size=2, dp_shard_size=4)


@pytest.mark.parametrize(
    "cells",
    [
        [f"%%bash\n{IMPORT}{MADE}"],
        [f"%%writefile x.py\n{IMPORT}{MADE}"],
        [IMPORT, "%run sizes.py", MADE],
        [IMPORT, MADE, "half of a (cell"],
        [IMPORT, f"# {MADE}"],
        [{"source": IMPORT + MADE}],
    ],
)
def test_what_is_no_python_or_may_bind_any_name_is_left_alone(cells: list[Any]) -> None:
    """Nobody is told anything of it."""
    assert recipes(notebook(*cells)) == []


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"cells": 1}', '{"cells": [1, {"cell_type": "code"}]}', '{"worksheets": []}']
)
def test_other_json_has_no_cells(text: str) -> None:
    """Whatever it holds."""
    assert recipes(text) == []


def test_another_language_is_left_alone() -> None:
    """A kernel that is not Python's."""
    text = notebook(IMPORT + MADE).replace(
        '"metadata": {},\n "nbformat"', '"metadata": {"kernelspec": {"language": "R"}},\n "nbformat"'
    )
    assert '"R"' in text
    assert recipes(text) == []


LINES = st.lists(
    st.sampled_from(
        [
            *(IMPORT, MADE, f"{MADE}\n", "%run x\n", "%%time\n", "!ls \\\n", "x = !ls\n", "x = (\n", ")\n", "'''\n"),
            *("if x:\n", "    pass\n", "é\n", "\ud800\n", "\x0c\n", "?x\n", "\r\n", "\u2028", "\\", '"', "%", "\t"),
        ]
    )
    | st.text(max_size=20),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(
    cells=st.lists(LINES | LINES.map("".join), max_size=5), indent=st.sampled_from([None, 1]), cut=st.integers(0, 40)
)
def test_any_cells_are_read_to_their_end(cells: list[Any], indent: int | None, cut: int) -> None:
    """Recipes or a clear error, whole or cut off, and every place is in the file."""
    text = notebook(IMPORT, *cells, MADE, indent=indent)
    lines = text.split("\n")
    for recipe in recipes(text):
        line, column, end_line, end_column = recipe.spot
        assert 1 <= line <= end_line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
        assert 1 <= end_column <= len(lines[end_line - 1]) + 1
    with contextlib.suppress(DocumentError):
        recipes(text[: len(text) - cut])
