import sizes
import reexport
from asking import ask, ask_values
from meshfit.mesh import MeshSpec
from reexport import HANDED_ON
from sizes import (
    CHOSEN,
    COMPUTED,
    CONFIG,
    CONST,
    COPIED,
    DECLARED,
    FLAG,
    LATE,
    MESH,
    NAME,
    NONE,
    OPTIONAL,
    OTHER,
    PARSED,
    PARTIAL,
    PLAIN,
    READ,
    REBOUND,
    SECOND,
    SMALL,
    THIRD,
    TP,
    TUPLE,
    WIDTH,
    WITH_PLAN,
    WRITTEN,
    Nested,
    Settings,
    More,
    make,
    make_or_not,
    with_argument,
    Overriding,
)

ask_values(TP)  # -> 8
ask_values(sizes.TP)  # -> 8
ask_values(TP // 2)  # -> 4
ask_values(PLAIN)  # -> ?
ask_values(SECOND)  # -> ?
ask_values(THIRD)  # -> 4
ask_values(NAME)  # -> 'tp'
ask_values(FLAG)  # -> True
ask_values(WIDTH)  # -> 8
ask(MESH)  # -> tp=8
ask(sizes.MESH)  # -> tp=8
ask(SMALL)  # -> tp=1
ask(CONFIG)  # -> ?
ask(REBOUND)  # -> ?
ask(CHOSEN)  # -> ?
ask(READ)  # -> tp=?
ask(make())  # -> tp=8
ask(sizes.make())  # -> tp=8
ask(make_or_not(True))  # -> ?
ask(HANDED_ON)  # -> tp=8
ask(reexport.HANDED_ON)  # -> tp=8
ask(Settings.mesh)  # -> ?
ask(DECLARED)  # -> tp=8
ask(CONST)  # -> tp=8
ask(PARSED)  # -> tp=8
ask(PARTIAL)  # -> tp=8,pp=?
ask(COMPUTED)  # -> tp=16
ask(TUPLE)  # -> ?
ask(WRITTEN)  # -> ?
ask(COPIED)  # -> ?
ask(OPTIONAL)  # -> tp=8
ask(WITH_PLAN)  # -> transformers:tp=8
ask(LATE)  # -> ?
ask(with_argument(2))  # -> pp=2,tp=?
ask(More.own2)  # -> tp=2
ask(Nested.Inner.mesh)  # -> ?


def attributes(settings: Settings, nested: Nested, overriding: Overriding) -> None:
    ask(settings.own)  # -> tp=8
    ask(settings.changing)  # -> ?
    ask(nested.typed)  # -> cp=2
    ask(nested.conditional)  # -> ?
    ask(overriding.mesh)  # -> ?
    ask(overriding.own)  # -> tp=8


local = MESH
ask(local)  # -> tp=8
moved = MESH
moved = SMALL
ask(moved)  # -> tp=1 | tp=8
joined = [MESH, MeshSpec(tp_size=2)]
ask(joined[0])  # -> tp=8
ask(max(joined, key=str))  # -> ?
ask(MESH if FLAG else SMALL)  # -> tp=8
ask(MESH or SMALL)  # -> tp=1 | tp=8


def parameter(mesh: MeshSpec = MESH) -> MeshSpec:
    ask(mesh)  # -> ?
    return mesh


ask(parameter(MESH))  # -> ?
CONFIG.tp_size = 2
#
