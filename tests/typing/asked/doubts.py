"""More ways to bind, or to write past a binding."""

import copy
import functools
import importlib
import operator
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, NewType, TypeVar

from asking import ask, ask_values
from meshfit.mesh import MeshSpec

T = TypeVar("T", int, str)

SET = MeshSpec(tp_size=8)
sys.modules[__name__].SET = MeshSpec()
ask(SET)  # -> ?
SET_BY_NAME = MeshSpec(tp_size=8)
setattr(sys.modules[__name__], "SET_BY_NAME", MeshSpec())
ask(SET_BY_NAME)  # -> ?
SET_IMPORTED = MeshSpec(tp_size=8)
importlib.import_module("doubts").SET_IMPORTED = MeshSpec()
ask(SET_IMPORTED)  # -> ?
this = sys.modules[__name__]
SET_THIS = MeshSpec(tp_size=8)
this.SET_THIS = MeshSpec()
ask(SET_THIS)  # -> ?
UNTOUCHED = MeshSpec(tp_size=8)
ask(UNTOUCHED)  # -> tp=8


class Dynamic:
    def __init__(self, **kw: Any) -> None:
        self.mesh = MeshSpec(tp_size=8)
        for key, value in kw.items():
            setattr(self, key, value)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?


class Named:
    def __init__(self) -> None:
        self.mesh = MeshSpec(tp_size=8)
        self.other = MeshSpec(tp_size=4)
        setattr(self, "mesh", MeshSpec())

    def fit(self) -> None:
        ask(self.mesh)  # -> ?
        ask(self.other)  # -> tp=4


class ByDict:
    def __init__(self, **kw: Any) -> None:
        self.mesh = MeshSpec(tp_size=8)
        self.__dict__.update(kw)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?


class Past:
    def __init__(self, value: Any) -> None:
        self.mesh = MeshSpec(tp_size=8)
        object.__setattr__(self, "mesh", value)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?


class Custom:
    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, MeshSpec())

    def __init__(self) -> None:
        self.mesh = MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?


class Still:
    """What is written on other classes by name is nothing to this one."""

    def __init__(self) -> None:
        self.mesh = MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.mesh)  # -> tp=8


class Deleted:
    mesh = MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.mesh)  # -> ?
        del self.mesh


class Unpacked:
    def __init__(self, pair: tuple[MeshSpec, MeshSpec]) -> None:
        self.left, self.right = pair
        self.left_too, *self.rest = MeshSpec(tp_size=8), MeshSpec()

    def fit(self) -> None:
        ask(self.left)  # -> ?
        ask(self.left_too)  # -> ?
        ask(self.rest[0])  # -> ?


class WithFinal:
    mesh: Final = MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.mesh)  # -> tp=8


@dataclass
class FinalField:
    size: Final[int] = 8

    def fit(self) -> None:
        ask_values(self.size)  # -> ?
        ask_values(FinalField.size)  # -> ?


class Looped:
    for mesh in (MeshSpec(tp_size=2), MeshSpec(tp_size=4)):
        ask(mesh)  # -> tp=2 | tp=4

    def fit(self) -> None:
        ask(self.mesh)  # -> tp=2 | tp=4


class Chained:
    def __init__(self) -> None:
        self.one = self.two = MeshSpec(tp_size=8)

    def fit(self) -> None:
        ask(self.one)  # -> tp=8
        ask(self.two)  # -> tp=8


def shadows(mesh: MeshSpec) -> None:
    outer = MeshSpec(tp_size=8)

    def inner(outer: MeshSpec) -> None:
        ask(outer)  # -> ?

    def reads() -> None:
        ask(outer)  # -> tp=8

    (lambda outer: ask(outer))(mesh)  # -> ?
    (lambda: ask(outer))()  # -> tp=8
    [ask(outer) for outer in [mesh]]  # -> ?
    ask(outer)  # -> tp=8


def walrus_in_a_comprehension(meshes: list[MeshSpec]) -> None:
    held = MeshSpec(tp_size=8)
    print([held := mesh for mesh in meshes])
    ask(held)  # -> ?


def generic(value: T) -> T:
    mesh = MeshSpec(tp_size=8)
    ask(mesh)  # -> ?
    ask(MeshSpec(tp_size=8))  # -> tp=8
    return value


def pair() -> tuple[MeshSpec, MeshSpec]:
    return MeshSpec(tp_size=2), MeshSpec(tp_size=4)


def table() -> dict[str, MeshSpec]:
    return {"a": MeshSpec(tp_size=2)}


def of_functions() -> None:
    left, right = pair()
    ask(right)  # -> tp=4
    ask(pair()[0])  # -> tp=2
    ask(table()["a"])  # -> tp=2
    ask(table()["b"])  # -> ?
    ask(table().get("a"))  # -> ?
    ask(functools.partial(MeshSpec, tp_size=8)())  # -> ?
    ask(next(map(MeshSpec.parse, ["tp=8"])))  # -> ?
    ask(operator.itemgetter(0)(pair()))  # -> ?
    ask(copy.copy(UNTOUCHED))  # -> ?
    ask(type(UNTOUCHED)(tp_size=8))  # -> ?
    ask(globals_of()["UNTOUCHED"])  # -> ?


def globals_of() -> dict[str, Any]:
    return {}


Renamed = NewType("Renamed", MeshSpec)


def typed(annotated: Annotated[MeshSpec, MeshSpec(tp_size=8)], renamed: Renamed) -> None:
    ask(annotated)  # -> ?
    ask(renamed)  # -> ?
    ask(Renamed(MeshSpec(tp_size=8)))  # -> ?
    local: "MeshSpec" = MeshSpec(tp_size=8)
    ask(local)  # -> tp=8


def loops(flag: bool, count: int) -> None:
    for index in range(count):
        ask_values(index)  # -> ?
    else:
        after = 1
    ask_values(after)  # -> 1
    for a, b in zip((1, 2), (3, 4)):
        ask_values(a)  # -> ?
    for (c, d), e in [((1, 2), 3), ((4, 5), 6)]:
        ask_values(d)  # -> 2 | 5
    for f in [1, 2] + [3]:
        ask_values(f)  # -> ?
    for g in {1, 2}:
        ask_values(g)  # -> 1 | 2
    for h in (i for i in (1, 2)):
        ask_values(h)  # -> ?
    for j in [*(1, 2), 3]:
        ask_values(j)  # -> ?
    for k in "ab":
        ask_values(k)  # -> ?
    for l in (1, 2):
        l += 1
        ask_values(l)  # -> ?
    for m in range(3, 0, -1):
        ask_values(m)  # -> 1 | 2 | 3
    for n in range(0, 4, 0):
        ask_values(n)  # -> ?
    while flag:
        while_bound = 1
    else:
        while_bound = 2
    ask_values(while_bound)  # -> 1 | 2
    self_fed = [1]
    for self_fed_item in self_fed:
        self_fed = [self_fed_item]
    ask_values(self_fed[0])  # -> ?


def many() -> None:
    a = 1 if sys.argv else 2
    ask_values((a, a, a, a, a, a, a))  # -> ?
    ask_values(a + a)  # -> 2 | 3 | 4


def texts(count: int) -> None:
    ask_values(f"tp={8}")  # -> ?
    ask_values("tp=%d" % 8)  # -> 'tp=8'
    ask_values("tp=" + str(8))  # -> ?
    ask_values("ab")  # -> 'ab'
    ask_values({"a": 1} | {"b": 2})  # -> {'a': 1, 'b': 2}
    ask_values({k: v for k, v in [("a", 1)]})  # -> ?
    ask_values(dict(zip(("a",), (1,))))  # -> ?
    ask_values({"a": count}["a"])  # -> ?
    ask_values({"a": 1, count: 2}["a"])  # -> 1 | 2
    ask_values((1, count)[0])  # -> 1
    ask_values((1, count))  # -> ?
    ask_values(1 if count else (2 if count > 1 else 3))  # -> 1 | 2 | 3
    ask_values(count or 8)  # -> ?
    ask_values(0 or 8)  # -> 8
    ask_values(0 and 8)  # -> 0
    ask_values(8 and 4)  # -> 4
    ask_values(None or False or 4)  # -> 4
    ask_values(not count)  # -> ?
    ask_values(count == count)  # -> ?
    ask_values(8 * 4 // 2 - 1)  # -> 15
    ask_values(bool(0))  # -> False
    ask_values(sum((1, 2)))  # -> 3
    ask_values(len({"a": 1}))  # -> 1
    ask_values(min(8, count))  # -> ?
    ask_values(-count)  # -> ?
    ask_values(1 if True else 2)  # -> 1
    ask_values([1, 2][0:1])  # -> ?
    ask_values(int)  # -> ?
    ask_values(len)  # -> ?
    ask_values(sys)  # -> ?
    ask_values(...)  # -> ?
