"""The mesh stands behind a name of this file."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


MESH = MeshSpec(tp_size=8)
ALIAS = MESH
ANNOTATED: MeshSpec = MeshSpec(tp_size=8)
FIRST = SECOND = MeshSpec(tp_size=8)
PAIRED, SINGLE = MeshSpec(tp_size=8), MeshSpec()


def of_the_module(net: Net) -> None:
    net.validate_for_mesh(MESH)  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(ALIAS)  # E: meshfit-tp
    net.validate_for_mesh(ANNOTATED)  # E: meshfit-tp
    net.validate_for_mesh(SECOND)  # E: meshfit-tp
    net.validate_for_mesh(PAIRED)  # E: meshfit-tp
    net.validate_for_mesh(SINGLE)


def of_the_function(net: Net) -> None:
    mesh = MeshSpec(tp_size=8)
    other = mesh
    net.validate_for_mesh(mesh)  # E: meshfit-tp
    net.validate_for_mesh(other)  # E: meshfit-tp


def a_size_behind_a_name(net: Net) -> None:
    size = 8
    net.validate_for_mesh(MeshSpec(tp_size=size))  # E: meshfit-tp "tp_size=8"
    mesh = MeshSpec(tp_size=size)
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def bound_by_a_walrus(net: Net) -> None:
    if (mesh := MeshSpec(tp_size=8)).world_size > 4:
        net.validate_for_mesh(mesh)  # E: meshfit-tp


def seen_from_an_inner_function(net: Net) -> None:
    mesh = MeshSpec(tp_size=8)

    def inner() -> None:
        net.validate_for_mesh(mesh)  # E: meshfit-tp

    inner()


def every_binding_uses_the_axis(net: Net) -> None:
    mesh = MeshSpec(tp_size=2)
    net.validate_for_mesh(mesh)  # E: meshfit-tp
    mesh = MeshSpec(tp_size=4)
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def one_binding_does_not(net: Net) -> None:
    mesh = MeshSpec(tp_size=8)
    print(mesh)
    mesh = MeshSpec()
    net.validate_for_mesh(mesh)


def a_local_name_hides_the_global(net: Net) -> None:
    MESH = MeshSpec()
    net.validate_for_mesh(MESH)


def reading_a_mesh_does_not_change_it(net: Net) -> None:
    mesh = MeshSpec(tp_size=8)
    print(mesh, mesh.world_size, str(mesh))
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def the_model_behind_a_name() -> None:
    net = Net()
    net.validate_for_mesh(MESH)  # E: meshfit-tp
