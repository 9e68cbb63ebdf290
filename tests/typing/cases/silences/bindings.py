"""Names of which some binding cannot be read."""

import os
from typing import Any

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


COUNTED = 1
COUNTED += 7
REPLACED = MeshSpec(tp_size=8)


def replace() -> None:
    global REPLACED
    REPLACED = MeshSpec()


def of_globals(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=COUNTED))
    net.validate_for_mesh(REPLACED)


def augmented(net: Net, more: int) -> None:
    size = 8
    size -= more
    net.validate_for_mesh(MeshSpec(tp_size=size))


def changed_by_an_inner_function(net: Net) -> None:
    mesh = MeshSpec(tp_size=8)

    def shrink() -> None:
        nonlocal mesh
        mesh = MeshSpec()

    shrink()
    net.validate_for_mesh(mesh)


def shadowed_by_a_parameter(net: Net, REPLACED: MeshSpec) -> None:
    net.validate_for_mesh(REPLACED)


def shadowed_in_a_lambda(net: Net) -> None:
    mesh = MeshSpec(tp_size=1)
    run = lambda mesh: net.validate_for_mesh(mesh)
    run(mesh)


def shadowed_in_a_comprehension(net: Net, meshes: list[MeshSpec]) -> None:
    mesh = MeshSpec()
    print([net.validate_for_mesh(mesh) for mesh in meshes], mesh)


def in_a_try(net: Net) -> None:
    try:
        size = int(os.environ["TP"])
    except KeyError:
        size = 8
    net.validate_for_mesh(MeshSpec(tp_size=size))


def by_a_context_manager(net: Net, manager: Any) -> None:
    mesh = MeshSpec(tp_size=8)
    with manager as mesh:
        net.validate_for_mesh(mesh)


def by_unpacking(net: Net, pair: tuple[MeshSpec, MeshSpec]) -> None:
    first = MeshSpec(tp_size=8)
    first, *others = pair
    net.validate_for_mesh(first)
    net.validate_for_mesh(others[0])


def by_a_capture(net: Net, value: object) -> None:
    match value:
        case MeshSpec() as mesh:
            net.validate_for_mesh(mesh)


def deleted_and_made_anew(net: Net, make: Any) -> None:
    mesh = MeshSpec(tp_size=8)
    del mesh
    mesh = make()
    net.validate_for_mesh(mesh)


try:
    from settings_that_may_exist import SIZE  # type: ignore[import-not-found]
except ImportError:
    SIZE = 8


def perhaps_imported(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=SIZE))
