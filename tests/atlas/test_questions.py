"""What a sweep asks, read from transformers' source and from the words of a user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshfit.atlas.questions import MESHES, all_classes, mesh_of, named_axes, picked
from meshfit.errors import MeshError, TargetError
from meshfit.evidence import axes_of
from meshfit.mesh import MeshSpec
from meshfit.readers.source.index import Package, find_package

TRUTH = Path(__file__).parents[1] / "truth"
INSTALLED = find_package("transformers")
assert INSTALLED is not None


def test_every_class_of_the_truth_is_asked() -> None:
    """And more; each once, in order."""
    files = [TRUTH / name for name in ("architectures.jsonl", "more_architectures.jsonl")]
    known = {json.loads(line)["arch"] for file in files for line in file.read_text(encoding="utf-8").splitlines()}
    found = all_classes(INSTALLED)
    assert known <= set(found)
    assert list(found) == sorted(set(found))


def test_a_folder_without_models_is_a_mistake(tmp_path: Path) -> None:
    """Not an empty sweep."""
    with pytest.raises(TargetError, match="lists no models; name the folder"):
        all_classes(Package("transformers", tmp_path))


def test_classes_that_a_user_names_are_asked_in_that_order() -> None:
    """Each once."""
    names = ("Qwen3ForCausalLM", "LlamaForCausalLM", "Qwen3ForCausalLM")
    assert picked(INSTALLED, names) == names[:2]


def test_a_slip_in_a_name_is_told_with_what_was_meant() -> None:
    """Before an hour is spent."""
    with pytest.raises(TargetError, match=r"defines no class 'LlamaForCausalML'; did you mean LlamaForCausalLM"):
        picked(INSTALLED, ["LlamaForCausalML"])


@pytest.mark.parametrize("axes", MESHES)
def test_a_mesh_has_the_axes_it_is_named_by(axes: str) -> None:
    """Two ranks in all, so that a pair of processes runs it."""
    assert axes_of(mesh_of(axes)) == axes
    assert mesh_of(axes).world_size == 2


def test_axes_are_named_in_any_order_and_spelling() -> None:
    """As evidence names them in the end."""
    assert named_axes("tp + ep") == "ep+tp"
    assert named_axes("dp_shard") == "fsdp"
    assert mesh_of("tp+pp") == MeshSpec(tp_size=2, pp_size=2)


def test_an_unknown_axis_is_told() -> None:
    """With axes there are."""
    with pytest.raises(MeshError, match=r"unknown axis 'tq' in 'ep\+tq'; write for example tp, pp"):
        mesh_of("ep+tq")
