"""Sizes that nobody can know while typing."""

import json
import os
import sys
from typing import Any

from torch import nn

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def from_the_environment(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=int(os.environ["TP"])))
    net.validate_for_mesh(MeshSpec(tp_size=int(os.environ.get("TP", "8"))))
    size = int(os.environ.get("TP", 8))
    net.validate_for_mesh(MeshSpec(tp_size=size))
    net.validate_for_mesh(MeshSpec(tp_size=int(sys.argv[1])))


def from_a_parameter(net: Net, size: int, mesh: MeshSpec) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=size))
    net.validate_for_mesh(mesh)


def from_a_default(net: Net, size: int = 8, mesh: MeshSpec = MeshSpec(tp_size=8)) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=size))
    net.validate_for_mesh(mesh)


def from_keyword_arguments(net: Net, *sizes: int, **kw: Any) -> None:
    net.validate_for_mesh(MeshSpec(**kw))
    net.validate_for_mesh(MeshSpec(tp_size=kw["tp"]))
    net.validate_for_mesh(MeshSpec(tp_size=sizes[0]))
    net.validate_for_mesh(MeshSpec(tp_size=8, **kw), **kw)


def from_a_file(net: Net, path: str) -> None:
    with open(path) as file:
        sizes = json.load(file)
    net.validate_for_mesh(sizes)
    net.validate_for_mesh(MeshSpec.of(sizes))
    net.validate_for_mesh(MeshSpec(tp_size=sizes["tp"]))


def from_a_container(net: Net) -> None:
    meshes = [MeshSpec(tp_size=8)]
    meshes.append(MeshSpec())
    net.validate_for_mesh(meshes[-1])
    for mesh in meshes:
        net.validate_for_mesh(mesh)
    sizes = {"wide": 8}
    sizes["wide"] = 1
    net.validate_for_mesh(MeshSpec(tp_size=sizes["wide"]))
    net.validate_for_mesh(MeshSpec(tp_size=max(sizes.values())))


def asked_for_some_other_way(net: Net, known: bool) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=int(input())))
    net.validate_for_mesh(MeshSpec(tp_size=len("12345678") if known else len(sys.path)))
    net.validate_for_mesh(MeshSpec(tp_size=id(net)))


def through_any(net: Net, mesh: Any) -> None:
    net.validate_for_mesh(mesh)
    net.validate_for_mesh(mesh["tp"])
    net.validate_for_mesh(mesh.tp)


def options_of_a_wrong_type(net: Net, engine: str) -> None:
    validate_for_mesh(net, MeshSpec(dp_shard_size=4), world_size="6")  # type: ignore[arg-type]
    validate_for_mesh(net, MeshSpec(dp_shard_size=4), world_size=-6)
    validate_for_mesh(net, MeshSpec(tp_size=8), engine=engine)
    validate_for_mesh(net, MeshSpec(tp_size=8), engine="slurm")
