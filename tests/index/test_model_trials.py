"""What an index tells wrongly of a random config, it tells of none."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshfit.readers.shipped.archive import Section, read_index, written
from meshfit.readers.shipped.choice import SHIPPED
from meshfit.readers.shipped.model_trials import without, wrong_facts
from meshfit.readers.source.index import Package, find_package

pytestmark = pytest.mark.torch
CLASSES = ("LlamaForCausalLM", "LlamaModel", "LlamaForTokenClassification")


@pytest.fixture
def package() -> Package:
    """Transformers, as source."""
    found = find_package("transformers")
    assert found is not None
    return found


@pytest.fixture
def spoilt() -> Section:
    """Three classes of one configuration; one of them has a fact that is wrong."""
    index = read_index(SHIPPED)
    models = {name: index.model(name) for name in CLASSES}
    for _, facts in models["LlamaModel"]["variants"]:  # type: ignore[index]
        if "inplace_outputs" in facts:
            facts["inplace_outputs"] = ["norm"]
    return Section(models, {"LlamaConfig": index.config("LlamaConfig")})


def _file(section: Section, folder: Path) -> Path:
    path = folder / "some.index"
    path.write_bytes(written("5", [section], {"llama": "LlamaConfig"}, read_index(SHIPPED).kinds))
    return path


def test_a_wrong_fact_is_found(spoilt: Section, package: Package, tmp_path: Path) -> None:
    """Of the class that has it, and no other."""
    found = wrong_facts(_file(spoilt, tmp_path), package.root.parent, CLASSES)
    assert found == {"LlamaModel": ["inplace_outputs"]}


def test_it_is_told_of_no_class_of_the_configuration(spoilt: Section, package: Package, tmp_path: Path) -> None:
    """What is left is right, and is what else there was."""
    left = without(spoilt, {"LlamaModel": ["inplace_outputs"]})
    told = {fact for entry in left.classes.values() for _, facts in entry["variants"] for fact in facts}
    assert "inplace_outputs" not in told
    assert "parameters" in told
    assert wrong_facts(_file(left, tmp_path), package.root.parent, CLASSES) == {}
