"""Meshes written as mappings and as plain objects, and everything that is no mesh."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from meshfit.errors import MeshError
from meshfit.mesh import MeshSpec
from meshfit.readers.meshes import read_mesh


@pytest.mark.parametrize(
    "mapping",
    [
        {"tp_size": 8, "pp_size": 2},
        {"tp": 8, "pp": 2},
        {"tp_size": 8, "pp": 2, "cp_size": None, "activation_checkpointing": True},
    ],
)
def test_a_mapping_with_or_without_the_suffix(mapping: dict[str, Any]) -> None:
    """Both spellings, an unset size and settings."""
    spec = read_mesh(mapping)
    assert (spec.tp_size, spec.pp_size, spec.cp_size) == (8, 2, 1)


@pytest.mark.parametrize(
    ("mapping", "sharded", "replicated"),
    [
        ({"dp_size": 8}, 8, 1),
        ({"dp_size": 8, "dp_replicate_size": 2}, 4, 2),
        ({"dp_size": 8, "dp_replicate_size": 2, "dp_shard_size": 4}, 4, 2),
        ({"dp_size": 1, "fsdp_size": 4}, 4, 1),
    ],
)
def test_dp_is_the_whole_data_parallel_width(mapping: dict[str, int], sharded: int, replicated: int) -> None:
    """As NeMo means it: dp_replicate * dp_shard."""
    assert read_mesh(mapping) == MeshSpec(dp_shard_size=sharded, dp_replicate_size=replicated)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "tells no sizes"),
        ({"tp_plan": "auto"}, "tells no sizes"),
        ({"tp_sise": 2}, "unknown key 'tp_sise'.*did you mean 'tp_size'"),
        ({"tensor_parallel_size": 4}, "write 'tp_size'"),
        ({"data_parallel_shard_degree": 4}, "write 'dp_shard_size'"),
        ({"world_size": 4, "tp": 2}, "'world_size' is not an axis"),
        ({"tp": 2, "tp_size": 2}, "axis 'tp' appears twice"),
        ({"fsdp": 2, "dp_shard_size": 2}, "axis 'dp_shard' appears twice"),
        ({1: 2}, "key 1 of the mesh is not a str"),
        ({"dp_size": 8, "dp_replicate_size": 3}, r"dp_size \(8\) is not divisible by dp_replicate_size \(3\)"),
        ({"dp_size": 4, "dp_shard_size": 2}, r"dp_size \(4\) is not dp_replicate_size \* dp_shard_size \(1 \* 2\)"),
        ({"dp_size": "4"}, "dp_size must be an int >= 1, got '4'"),
        ({"tp_size": None, "tp_plan": "auto"}, "tp_size is None with a tp_plan"),
    ],
)
def test_mappings_that_are_refused(mapping: dict[Any, Any], message: str) -> None:
    """Each mistake has its own message, with what to write instead."""
    with pytest.raises(MeshError, match=message):
        read_mesh(mapping)


@pytest.mark.parametrize("size", [0, -1, True, 2.0, "2", [2]])
@pytest.mark.parametrize("make", [lambda s: {"tp_size": s}, lambda s: SimpleNamespace(tp_size=s)])
def test_sizes_that_are_not_positive_ints_are_refused(size: object, make: Any) -> None:
    """A bool, a float and a text are not sizes, whatever carries them."""
    with pytest.raises(MeshError, match="tp_size must be"):
        read_mesh(make(size))


def test_any_object_with_size_members_is_read() -> None:
    """Members and properties; the engine stays open."""
    spec = read_mesh(SimpleNamespace(tp_size=2, cp_size=4, tp_plan="auto"))
    assert spec == MeshSpec(tp_size=2, cp_size=4, settings=spec.settings)
    assert dict(spec.settings) == {"tp_plan": "auto"}


def test_two_sizes_of_one_axis_are_refused() -> None:
    """`fsdp_size` and `dp_shard_size` are one axis."""
    with pytest.raises(MeshError, match=r"two sizes, 2 and 4"):
        read_mesh(SimpleNamespace(dp_shard_size=2, fsdp_size=4))


class _Opaque:
    def __repr__(self) -> str:
        raise AssertionError("the repr of a foreign object may be long or slow")


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (8, r"8 \(int\) tells no sizes"),
        (2.5, r"2.5 \(float\) tells no sizes"),
        (True, r"True \(bool\) tells no sizes"),
        ("tp=8", r"got the text 'tp=8'; MeshSpec.parse"),
        ([("tp", 8)], "the list object tells no sizes"),
        (_Opaque(), "the _Opaque object tells no sizes"),
        (MeshSpec, "got the class MeshSpec, not a mesh"),
        (SimpleNamespace(tensor_model_parallel_size=4), r"spells its sizes as tensor_model_parallel_size.*tp_size"),
    ],
)
def test_anything_else_is_refused_by_name(mesh: object, message: str) -> None:
    """An object that tells no sizes is never taken for all ones."""
    with pytest.raises(MeshError, match=message):
        MeshSpec.of(mesh)


def test_a_model_is_not_a_mesh() -> None:
    """Swapped arguments are told apart, though a loaded model has a `tp_size`."""
    module = type("Module", (), {"__module__": "torch.nn.modules.module"})
    model = type("Net", (module,), {"tp_size": 1})()
    with pytest.raises(MeshError, match="the Net object is a model, not a mesh"):
        read_mesh(model)


def test_a_property_that_fails_surfaces_as_itself() -> None:
    """A fault inside the caller's object is not hidden."""

    class Broken:
        @property
        def tp_size(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read_mesh(Broken())
