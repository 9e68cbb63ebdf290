"""One of several meshes: an axis is reported when all of them use it."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def a_ternary(net: Net, wide: bool) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8) if wide else MeshSpec(tp_size=2))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(tp_size=8) if wide else MeshSpec())
    net.validate_for_mesh(MeshSpec(tp_size=8) if wide else None)


def a_ternary_behind_a_name(net: Net, wide: bool) -> None:
    mesh = MeshSpec(tp_size=8) if wide else MeshSpec(tp_size=2)
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def branches(net: Net, wide: bool) -> None:
    if wide:
        mesh = MeshSpec(tp_size=8)
    else:
        mesh = MeshSpec(tp_size=2, pp_size=2)
    net.validate_for_mesh(mesh)  # E: meshfit-tp


def branches_that_differ_in_the_axis(net: Net, wide: bool) -> None:
    if wide:
        mesh = MeshSpec(tp_size=8)
    else:
        mesh = MeshSpec(pp_size=2)
    net.validate_for_mesh(mesh)


def branches_of_which_one_does_without(net: Net, wide: bool) -> None:
    mesh = MeshSpec()
    if wide:
        mesh = MeshSpec(tp_size=8)
    net.validate_for_mesh(mesh)


def branches_of_sizes(net: Net, ranks: int) -> None:
    if ranks > 8:
        size = 8
    elif ranks > 4:
        size = 4
    else:
        size = 2
    net.validate_for_mesh(MeshSpec(tp_size=size))  # E: meshfit-tp


def one_branch_is_unknown(net: Net, ranks: int) -> None:
    if ranks > 8:
        size = 8
    else:
        size = ranks
    net.validate_for_mesh(MeshSpec(tp_size=size))


def the_known_axis_beside_an_unknown(net: Net, ranks: int) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8, pp_size=ranks))  # E: meshfit-tp


def match_statement(net: Net, kind: str) -> None:
    match kind:
        case "wide":
            mesh = MeshSpec(tp_size=8)
        case _:
            mesh = MeshSpec(tp_size=4)
    net.validate_for_mesh(mesh)  # E: meshfit-tp
