"""Meshes that cannot be."""

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from transformers.distributed import DistributedConfig

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}


def sizes(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=0))  # E: meshfit-mesh "tp_size must be >= 1, got 0"
    net.validate_for_mesh(MeshSpec(tp_size=-1))  # E: meshfit-mesh
    net.validate_for_mesh(MeshSpec(tp_size=True))  # E: meshfit-mesh "must be an int"
    net.validate_for_mesh(MeshSpec(tp_size=8 // 16))  # E: meshfit-mesh
    net.validate_for_mesh({"tp_size": 0})  # E: meshfit-mesh


def axes(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tensor=8))  # E: call-arg
    net.validate_for_mesh({"tensor": 8})  # E: meshfit-mesh "unknown key 'tensor'"
    net.validate_for_mesh({"tensor_parallel_size": 8})  # E: meshfit-mesh "write 'tp_size'"
    net.validate_for_mesh({})  # E: meshfit-mesh "tells no sizes"


def an_annotation() -> None:
    mesh: MeshSpec[int]  # E: type-arg "expects no type arguments, but 1 given"


def texts(net: Net) -> None:
    net.validate_for_mesh(MeshSpec.parse("tensor=8"))  # E: meshfit-mesh "unknown axis 'tensor'"
    net.validate_for_mesh(MeshSpec.parse("tp"))  # E: meshfit-mesh "is not axis=size"
    net.validate_for_mesh(MeshSpec.parse("tp=8,tp=2"))  # E: meshfit-mesh "appears twice"
    net.validate_for_mesh(MeshSpec.parse("tp=eight"))  # E: meshfit-mesh "not a whole number"
    net.validate_for_mesh(MeshSpec.parse(""))  # E: meshfit-mesh "empty mesh"


def of_other_packages(net: Net) -> None:
    net.validate_for_mesh(DistributedConfig(tp_size=0))  # E: meshfit-mesh
    net.validate_for_mesh(init_device_mesh("cuda", (2, 4)))  # E: meshfit-mesh "unnamed dims"
    net.validate_for_mesh(init_device_mesh("cuda", (8,), mesh_dim_names=("tensor",)))  # E: meshfit-mesh "unknown dim"


def no_meshes(net: Net) -> None:
    net.validate_for_mesh("tp=8")  # E: meshfit-mesh "MeshSpec.parse"


def only_one_of_them_cannot_be(net: Net, wide: bool) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8 if wide else 4))
