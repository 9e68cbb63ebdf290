"""The mesh and the class stand in other modules."""

from across import reexport, sizes
from across.models import Emptied, MyGPT2, Net, Planned, SetElsewhere, Staged, make_net
from across.reexport import HANDED_ON, Exported
from across.sizes import CHOSEN, CONFIG, MESH, NONE, READ, REBOUND, SMALL, TP, Settings, make, make_or_not
from meshfit import MeshSpec, validate_for_mesh


def sizes_of_another_module(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=TP))  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(MeshSpec(tp_size=sizes.TP))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(tp_size=TP // 2))  # E: meshfit-tp "tp_size=4"
    net.validate_for_mesh(MeshSpec(tp_size=NONE))


def meshes_of_another_module(net: Net) -> None:
    net.validate_for_mesh(MESH)  # E: meshfit-tp "tp_size=8"
    net.validate_for_mesh(sizes.MESH)  # E: meshfit-tp
    net.validate_for_mesh(SMALL)
    net.validate_for_mesh(CONFIG)  # E: meshfit-tp
    local = MESH
    net.validate_for_mesh(local)  # E: meshfit-tp


def meshes_handed_on(net: Net) -> None:
    net.validate_for_mesh(HANDED_ON)  # E: meshfit-tp
    net.validate_for_mesh(reexport.HANDED_ON)  # E: meshfit-tp


def meshes_of_several_bindings(net: Net) -> None:
    net.validate_for_mesh(REBOUND)
    net.validate_for_mesh(CHOSEN)
    net.validate_for_mesh(READ)


def meshes_of_functions(net: Net) -> None:
    net.validate_for_mesh(make())  # E: meshfit-tp
    net.validate_for_mesh(sizes.make())  # E: meshfit-tp
    net.validate_for_mesh(make_or_not(True))


def meshes_of_attributes(net: Net, settings: Settings) -> None:
    net.validate_for_mesh(Settings.mesh)  # E: meshfit-tp
    net.validate_for_mesh(settings.own)  # E: meshfit-tp
    net.validate_for_mesh(settings.changing)


def a_choice_among_them(net: Net, wide: bool) -> None:
    net.validate_for_mesh(MESH if wide else SMALL)
    net.validate_for_mesh(MESH if wide else CONFIG)  # E: meshfit-tp
    mesh = SMALL
    net.validate_for_mesh(mesh)
    mesh = MESH
    net.validate_for_mesh(mesh)


def classes_of_another_module() -> None:
    Net().validate_for_mesh(MESH)  # E: meshfit-tp
    Exported().validate_for_mesh(MESH)  # E: meshfit-tp
    make_net().validate_for_mesh(MESH)  # E: meshfit-tp
    Planned().validate_for_mesh(MESH)
    Emptied().validate_for_mesh(MESH)  # E: meshfit-tp
    Staged().validate_for_mesh(MeshSpec(tp_size=1, pp_size=2))
    Planned().validate_for_mesh(MeshSpec(pp_size=2))  # E: meshfit-pp
    SetElsewhere().validate_for_mesh(MESH)
    MyGPT2.from_pretrained("gpt2").validate_for_mesh(MESH)  # E: meshfit-tp
    validate_for_mesh(Emptied(), MESH)  # E: meshfit-tp


class Added(Emptied):
    """A base in another module."""

    _tp_plan = {"up": "colwise"}


class Left(Emptied):
    """The same, left as it is."""


def bases_of_another_module(added: Added, left: Left) -> None:
    added.validate_for_mesh(MESH)
    left.validate_for_mesh(MESH)  # E: meshfit-tp
