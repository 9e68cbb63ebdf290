"""Names that `from there import *` brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshfit.readers.source.index import FunctionSource, Package


@pytest.mark.parametrize(("name", "found"), [("make_mask", True), ("_hidden", False), ("absent", False)])
def test_a_star_import_brings_what_the_other_file_defines(tmp_path: Path, name: str, found: bool) -> None:
    """Public names are followed, those with an underscore are not brought along."""
    (tmp_path / "__init__.py").touch()
    (tmp_path / "masks.py").write_text("def make_mask():\n    pass\n\n\ndef _hidden():\n    pass\n", encoding="utf-8")
    (tmp_path / "modeling.py").write_text("from .masks import *\nfrom torch import *\n", encoding="utf-8")
    module = Package("own", tmp_path).module("own.modeling")
    assert module is not None
    assert isinstance(module.lookup(name), FunctionSource) is found
