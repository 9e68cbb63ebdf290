"""A mesh of which only some sizes are known."""

from __future__ import annotations

import copy
import pickle

import pytest

from meshfit import MeshSpec
from meshfit.errors import MeshError, MissingFact
from meshfit.facts import ModelFacts
from meshfit.partial_mesh import PartialMesh
from meshfit.render.text import headline
from meshfit.rules.judge import judge


def test_a_known_size_is_read_and_an_unknown_one_is_a_missing_fact() -> None:
    """Rules stay silent about what they cannot read."""
    mesh = PartialMesh(["pp"], tp_size=8)
    assert (mesh.tp_size, mesh.size("cp"), mesh.used) == (8, 1, ("tp",))
    for read in (lambda: mesh.pp_size, lambda: mesh.size("pp"), lambda: mesh.world_size):
        with pytest.raises(MissingFact):
            read()


def test_an_unknown_setting_is_a_missing_fact_and_an_absent_one_is_none() -> None:
    """`settings.get` of what may be anything must not answer None."""
    mesh = PartialMesh(["tp_plan"], tp_size=2, settings={"ep_implementation": "grouped"})
    assert mesh.settings.get("sequence_packing") is None
    assert mesh.settings.get("ep_implementation") == "grouped"
    with pytest.raises(MissingFact):
        mesh.settings.get("tp_plan")


def test_a_known_axis_is_judged_beside_an_unknown_one() -> None:
    """A model without a plan is refused on tp, whatever pp is."""
    facts = ModelFacts(class_name="MyLM", tp_plan={}, registered_tp_plan=False, declared={})
    report = judge(facts, PartialMesh(["pp"], tp_size=8), engine="generic")
    assert report.codes == ("TP001",)
    assert report.codes == judge(facts, MeshSpec(tp_size=8), engine="generic").codes


def test_an_axis_of_unknown_size_is_not_judged() -> None:
    """The size may be 1."""
    facts = ModelFacts(class_name="MyLM", tp_plan={}, registered_tp_plan=False, declared={})
    assert judge(facts, PartialMesh(["tp"]), engine="generic").violations == ()


def test_a_rule_of_the_whole_mesh_is_told_where_the_known_sizes_decide() -> None:
    """Pipeline beside FSDP is refused, however many tensor ranks there are; the ranks of the mesh are not known."""
    mesh = PartialMesh(["tp"], pp_size=2, dp_shard_size=4)
    (found,) = judge(ModelFacts(), mesh, engine="transformers").errors
    assert (found.code, found.size) == ("MS002", None)
    assert headline(found, "transformers").startswith("Device mesh: pp_size (2) cannot be combined with FSDP")


def test_a_rule_of_the_whole_mesh_is_silent_where_an_unknown_size_decides() -> None:
    """Replicas beside tensor parallelism need FSDP, of which nothing is known; nor of the ranks of the whole."""
    facts = ModelFacts(world_size=3)
    assert not judge(facts, PartialMesh(["dp_shard"], tp_size=2, dp_replicate_size=2), engine="accelerate").violations


def test_it_travels_and_compares_by_value() -> None:
    """Copies, pickles and a set see the sizes and what is unknown."""
    mesh = PartialMesh(["pp", "tp_plan"], tp_size=8, engine="transformers")
    for other in (copy.deepcopy(mesh), pickle.loads(pickle.dumps(mesh))):
        assert other == mesh
        assert hash(other) == hash(mesh)
        assert other.engine == "transformers"
    assert mesh != MeshSpec(tp_size=8)
    assert mesh != PartialMesh(["pp"], tp_size=8)
    assert repr(mesh) == "PartialMesh(['pp', 'tp_plan'], tp_size=8)"


def test_another_size_makes_the_axis_known() -> None:
    """The alternatives of a violation are tried that way."""
    mesh = PartialMesh(["pp"], tp_size=8).with_size("pp", 2)
    assert (mesh.pp_size, mesh.tp_size, mesh.world_size) == (2, 8, 16)
    assert MeshSpec(tp_size=8).with_size("pp", 2) == MeshSpec(tp_size=8, pp_size=2)


def test_sizes_are_held_to_what_a_mesh_takes_and_said_once() -> None:
    """A bad literal is an error here too."""
    with pytest.raises(MeshError, match="tp_size must be >= 1"):
        PartialMesh(["pp"], tp_size=0)
    with pytest.raises(MeshError, match="tp is given and said to be unknown"):
        PartialMesh(["tp"], tp_size=2)
