"""`MeshSpec`: sizes, their text, and what is no size."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from meshfit.errors import MeshError, MeshfitError
from meshfit.mesh import AXES, AXIS_WORDS, MeshSpec

SIZES = st.fixed_dictionaries({f"{axis}_size": st.integers(1, 10**6) for axis in AXES})


@given(SIZES)
def test_a_mesh_reads_back_from_its_text(sizes: dict[str, int]) -> None:
    """`parse(str(mesh))` is the mesh, whatever its sizes."""
    mesh = MeshSpec(**sizes)
    assert MeshSpec.parse(str(mesh)) == mesh


@given(SIZES, st.permutations(AXES))
def test_order_and_spelling_of_a_text_do_not_matter(sizes: dict[str, int], order: list[str]) -> None:
    """Any order, with or without `_size`, with spaces."""
    text = " , ".join(f"{axis}_size = {sizes[f'{axis}_size']}" for axis in order)
    assert MeshSpec.parse(text) == MeshSpec(**sizes)


@given(SIZES)
def test_experts_retile_the_world(sizes: dict[str, int]) -> None:
    """`ep` is a second tiling of the same ranks, so the world does not depend on it."""
    mesh = MeshSpec(**sizes)
    assert mesh.world_size == dataclasses.replace(mesh, ep_size=1).world_size
    assert mesh.world_size % (mesh.tp_size * mesh.pp_size) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty mesh; write sizes such as tp=8,pp=2"),
        ("  ", "empty mesh"),
        ("tp", "'tp' in 'tp' is not axis=size"),
        ("tp=8,", "'' in 'tp=8,' is not axis=size"),
        ("xp=8", "unknown axis 'xp'.*axes are tp, pp"),
        ("tp=8,tp=4", "axis 'tp' appears twice"),
        ("tp=8,tp_size=8", "axis 'tp' appears twice"),
        ("tp=0", "tp_size must be >= 1, got 0"),
        ("tp=-1", "size '-1' of axis 'tp'"),
        ("tp=2.0", "size '2.0' of axis 'tp'"),
        ("tp=True", "size 'True' of axis 'tp'"),
        ("tp=", "size '' of axis 'tp'"),
        ("tp=\N{ARABIC-INDIC DIGIT TWO}", "is not a whole number"),
        ("tp=9999999999", "is not a whole number"),
    ],
)
def test_texts_that_are_no_mesh(text: str, message: str) -> None:
    """Each names the part that is wrong and what to write."""
    with pytest.raises(MeshError, match=message):
        MeshSpec.parse(text)


def test_only_a_text_is_parsed() -> None:
    """A mapping belongs to `of`."""
    not_text: Any = {"tp": 2}
    with pytest.raises(MeshError, match="a mesh text is a str"):
        MeshSpec.parse(not_text)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, ">= 1, got 0"),
        (-2, ">= 1, got -2"),
        (True, r"an int >= 1, got True \(bool\)"),
        (2.0, r"an int >= 1, got 2.0 \(float\)"),
        ("2", r"an int >= 1, got '2' \(str\)"),
        (None, r"an int >= 1, got None \(NoneType\)"),
    ],
)
def test_sizes_that_are_not_positive_ints(axis: str, size: Any, told: str) -> None:
    """The message names the axis and says how to leave it unused."""
    with pytest.raises(MeshError, match=f"{axis}_size must be {told}.*write {axis}_size=1"):
        MeshSpec(**{f"{axis}_size": size})


def test_a_mesh_error_is_a_value_error() -> None:
    """Callers that catch ValueError keep working."""
    assert issubclass(MeshError, ValueError)
    assert issubclass(MeshError, MeshfitError)


def test_sizes_by_axis_and_the_axes_in_use() -> None:
    """`used` follows the order of AXES, whatever was written first."""
    mesh = MeshSpec.parse("cp=2,tp=8,pp=1")
    assert (mesh.used, mesh.size("tp"), mesh.size("pp")) == (("tp", "cp"), 8, 1)
    with pytest.raises(MeshError, match="unknown axis 'xp'"):
        mesh.size("xp")


def test_one_device_has_a_text() -> None:
    """A mesh that uses no axis still reads back."""
    assert str(MeshSpec()) == "tp=1"


def test_a_mesh_is_frozen_hashable_and_pickles() -> None:
    """Ranks may pass it around and key on it."""
    mesh = MeshSpec(tp_size=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        mesh.tp_size = 4  # type: ignore[misc]
    assert {mesh: 1}[MeshSpec(tp_size=2)] == 1
    read = MeshSpec.of({"tp": 2, "tp_plan": "auto"})
    for copied in (pickle.loads(pickle.dumps(read)), copy.deepcopy(read), copy.copy(read)):
        assert (copied, copied.engine, copied.settings["tp_plan"]) == (read, None, "auto")


def test_every_axis_has_words() -> None:
    """A report names each axis in a sentence."""
    assert set(AXIS_WORDS) == {*AXES, "mesh"}
