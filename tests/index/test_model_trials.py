"""What an index tells wrongly of a random config, it tells of none."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshfit.readers.shipped.archive import Section, read_index, written
from meshfit.readers.shipped.choice import SHIPPED
from meshfit.readers.shipped.model_trials import as_saved, without, wrong_facts
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
    assert found == {"LlamaModel": {"inplace_outputs": True}}


def test_it_is_told_of_no_class_of_the_configuration(spoilt: Section, package: Package, tmp_path: Path) -> None:
    """What is left is right, and is what else there was."""
    left = without(spoilt, {"LlamaModel": {"inplace_outputs": True}})
    told = {fact for entry in left.classes.values() for _, facts in entry["variants"] for fact in facts}
    assert "inplace_outputs" not in told
    assert "parameters" in told
    assert wrong_facts(_file(left, tmp_path), package.root.parent, CLASSES) == {}


def test_what_is_wrong_of_other_configs_only_is_left_to_the_default_one(spoilt: Section) -> None:
    """The first recording that tells the fact still does; no later one does."""
    told = [("parameters" in facts) for _, facts in spoilt.classes["LlamaModel"]["variants"]]
    left = without(spoilt, {"LlamaModel": {"parameters": False}}).classes["LlamaModel"]["variants"]
    assert sum(told) > 1
    assert sum("parameters" in facts for _, facts in left) == 1
    assert left[told.index(True)][1]["parameters"]


def test_a_config_is_also_tried_as_it_is_saved(package: Package) -> None:
    """Defaults and derived values are written out; what was given stays."""
    saved = as_saved({"model_type": "llama", "num_attention_heads": 8, "hidden_size": 64}, package)
    assert saved["num_key_value_heads"] == saved["num_attention_heads"] == 8
    assert saved["rope_parameters"] == {"rope_theta": 10000.0, "rope_type": "default"}
