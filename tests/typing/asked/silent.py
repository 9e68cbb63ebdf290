"""What is not known, so nothing is said."""

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, overload

from asking import ask
from meshfit.mesh import MeshSpec


def parameter(mesh: MeshSpec, *more: MeshSpec, named: MeshSpec = MeshSpec(tp_size=2), **others: MeshSpec) -> None:
    ask(mesh)  # -> ?
    ask(more[0])  # -> ?
    ask(named)  # -> ?
    ask(others["a"])  # -> ?


def augmented(size: int) -> None:
    tp = 2
    tp *= 4
    ask(MeshSpec(tp_size=tp, pp_size=2))  # -> pp=2,tp=?
    grown = 2
    grown = grown * 2
    ask(MeshSpec(tp_size=grown, pp_size=2))  # -> pp=2,tp=? | tp=2,pp=2 | tp=4,pp=2


@contextlib.contextmanager
def managed() -> Any:
    yield MeshSpec(tp_size=2)


def binders(flag: bool, thing: object) -> None:
    with managed() as mesh:
        ask(mesh)  # -> ?
    half = MeshSpec(tp_size=2)
    with managed() as half:
        ask(half)  # -> ?
    ask(half)  # -> ?
    try:
        caught: Any = MeshSpec(tp_size=2)
    except ValueError as caught:
        ask(caught)  # -> ?
    for star, *rest in [(MeshSpec(tp_size=2), MeshSpec(tp_size=4))]:
        ask(rest[0])  # -> ?
        ask(star)  # -> ?
    first, *tail = MeshSpec(tp_size=2), MeshSpec(tp_size=4)
    ask(tail[0])  # -> ?
    match thing:
        case MeshSpec() as matched:
            ask(matched)  # -> ?
        case [captured, *_]:
            ask(captured)  # -> ?
        case {"mesh": found, **left}:
            ask(found)  # -> ?
            ask(left["mesh"])  # -> ?
        case MeshSpec(tp_size=size):
            ask(MeshSpec(tp_size=size, pp_size=2))  # -> pp=2,tp=?
    deleted = MeshSpec(tp_size=2)
    ask(deleted)  # -> ?
    del deleted
    matched_before = MeshSpec(tp_size=2)
    match thing:
        case str() as matched_before:
            pass
    ask(matched_before)  # -> ?


def declared() -> None:
    mesh: MeshSpec
    if sys.argv:
        ask(mesh)  # -> ?


ask(os.environ)  # -> ?
ask(MeshSpec(tp_size=int(os.environ["TP"]), cp_size=2))  # -> cp=2,tp=?
ask(MeshSpec(tp_size=int(os.environ.get("TP", 8)), cp_size=2))  # -> cp=2,tp=?
ask(MeshSpec(**{"tp_size": int(sys.argv[1])}))  # -> tp=?
KEYWORDS = {"tp_size": 8}
KEYWORDS["tp_size"] = int(sys.argv[1])
ask(MeshSpec(**KEYWORDS))  # -> ?
ask(MeshSpec(tp_size=8, **KEYWORDS))  # -> ?

if TYPE_CHECKING:
    HIDDEN = MeshSpec(tp_size=8)
else:
    HIDDEN = MeshSpec()
ask(HIDDEN)  # -> ?

if sys.platform == "win32":
    PLATFORM = MeshSpec()
else:
    PLATFORM = MeshSpec(tp_size=8)
ask(PLATFORM)  # -> ?

if sys.version_info >= (3, 8):
    VERSION = MeshSpec(tp_size=8)
else:
    VERSION = MeshSpec()
ask(VERSION)  # -> ?


def decorate(function: Any) -> Any:
    return lambda: MeshSpec()


@decorate
def decorated() -> MeshSpec:
    return MeshSpec(tp_size=8)


ask(decorated())  # -> ?


@overload
def overloaded(a: int) -> MeshSpec: ...
@overload
def overloaded(a: str) -> MeshSpec: ...
def overloaded(a: object) -> MeshSpec:
    return MeshSpec(tp_size=8)


ask(overloaded(1))  # -> ?


def generator():
    yield MeshSpec(tp_size=8)
    return MeshSpec(tp_size=8)


ask(generator())  # -> ?
for generated in generator():
    ask(generated)  # -> ?


async def coroutine() -> MeshSpec:
    return MeshSpec(tp_size=8)


async def awaiting() -> None:
    ask(coroutine())  # -> ?
    ask(await coroutine())  # -> ?
    async for mesh in generator():
        ask(mesh)  # -> ?
    async with generator() as held:
        ask(held)  # -> ?


made = lambda: MeshSpec(tp_size=8)
ask(made())  # -> ?


def falls_off(flag: bool):
    if flag:
        return MeshSpec(tp_size=8)


ask(falls_off(True))  # -> ?


def optional(flag: bool) -> "MeshSpec | None":
    if flag:
        return MeshSpec(tp_size=8)
    return None


ask(optional(True))  # -> tp=1 | tp=8


def replaced() -> MeshSpec:
    return MeshSpec(tp_size=8)


replaced = lambda: MeshSpec()
ask(replaced())  # -> ?

if sys.argv:

    def twice() -> MeshSpec:
        return MeshSpec(tp_size=8)
else:

    def twice() -> MeshSpec:
        return MeshSpec()


ask(twice())  # -> ?


def recursive(n: int) -> MeshSpec:
    return recursive(n - 1) if n else MeshSpec(tp_size=8)


ask(recursive(3))  # -> tp=8


def endless(n: int) -> MeshSpec:
    return endless(n)


ask(endless(3))  # -> ?


class Own(MeshSpec):
    pass


ask(Own(tp_size=8))  # -> ?
ask(MeshSpec(8))  # type: ignore[call-arg]  # -> ?
ask(MeshSpec(tensor=8))  # type: ignore[call-arg]  # -> ?
ask(getattr(MeshSpec, "parse")("tp=8"))  # -> ?
ask((lambda: MeshSpec(tp_size=8))())  # -> ?
ask([MeshSpec(tp_size=8)][0])  # -> tp=8
LIST = [MeshSpec(tp_size=8)]
LIST.append(MeshSpec())
ask(LIST[0])  # -> ?
ask(LIST.pop())  # -> ?
ESCAPED = [MeshSpec(tp_size=8)]
decorate(ESCAPED)
ask(ESCAPED[0])  # -> ?
for item in ESCAPED:
    ask(item)  # -> ?
ask(MeshSpec.parse(f"tp={len(sys.argv)}"))  # -> ?
ask(MeshSpec.of(sys.argv))  # -> ?
ask(eval("MeshSpec(tp_size=8)"))  # -> ?


def star_called(*sizes: int) -> None:
    ask(MeshSpec(*sizes))  # -> ?
