"""torch's device meshes, and slices of them."""

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from meshfit import CapabilityMixin


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def inline(net: Net) -> None:
    net.validate_for_mesh(init_device_mesh("cuda", (8,), mesh_dim_names=("tp",)))  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(init_device_mesh("cuda", (2, 4), mesh_dim_names=("dp", "tp")))  # E: meshfit-tp "tp_size=4"
    net.validate_for_mesh(init_device_mesh("cuda", (2, 4), mesh_dim_names=("pp", "tp")))  # E: meshfit-tp meshfit-pp
    net.validate_for_mesh(init_device_mesh("cuda", (8, 1), mesh_dim_names=("dp", "tp")))
    net.validate_for_mesh(init_device_mesh("cuda", (2, 4), mesh_dim_names=("dp_replicate", "dp_shard")))


def by_the_module_name(net: Net) -> None:
    mesh = torch.distributed.device_mesh.init_device_mesh("cuda", (8,), mesh_dim_names=("tp",))
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def behind_names(net: Net) -> None:
    shape = (2, 4)
    names = ("dp", "tp")
    mesh = init_device_mesh("cuda", shape, mesh_dim_names=names)
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def slices(net: Net) -> None:
    mesh = init_device_mesh("cuda", (2, 2, 4), mesh_dim_names=("pp", "dp", "tp"))
    net.validate_for_mesh(mesh["tp"])  # E: meshfit-tp
    net.validate_for_mesh(mesh["dp", "tp"])  # E: meshfit-tp
    net.validate_for_mesh(mesh["dp"])
    net.validate_for_mesh(mesh["pp", "dp"])  # E: meshfit-pp
    tensor = mesh["tp"]
    net.validate_for_mesh(tensor)  # E: meshfit-tp


def a_slice_of_an_unknown_dim(net: Net, name: str) -> None:
    mesh = init_device_mesh("cuda", (2, 4), mesh_dim_names=("dp", "tp"))
    net.validate_for_mesh(mesh[name])


def sizes_that_are_not_known(net: Net, ranks: int) -> None:
    net.validate_for_mesh(init_device_mesh("cuda", (ranks,), mesh_dim_names=("tp",)))
    net.validate_for_mesh(init_device_mesh("cuda", (ranks, 8), mesh_dim_names=("dp", "tp")))  # E: meshfit-tp
    net.validate_for_mesh(init_device_mesh("cuda", (ranks // 8, 8), mesh_dim_names=("dp", "tp")))  # E: meshfit-tp


def names_that_are_not_known(net: Net, names: tuple[str, ...]) -> None:
    net.validate_for_mesh(init_device_mesh("cuda", (2, 4), mesh_dim_names=names))
