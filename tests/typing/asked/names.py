"""Names: what is bound to them, wherever it stands."""

import random
from typing import Final

from asking import ask, ask_values
from meshfit.mesh import MeshSpec

FLAG = random.random() > 0.5
ONCE = MeshSpec(tp_size=8)
ask(ONCE)  # -> tp=8
TWICE = MeshSpec(tp_size=8)
ask(TWICE)  # -> tp=2 | tp=8
TWICE = MeshSpec(tp_size=2)
ANNOTATED: MeshSpec = MeshSpec(tp_size=8)
ask(ANNOTATED)  # -> tp=8
FIXED: Final = MeshSpec(pp_size=2)
ask(FIXED)  # -> pp=2
FIRST = SECOND = MeshSpec(cp_size=2)
ask(SECOND)  # -> cp=2
LEFT, (MIDDLE, RIGHT) = MeshSpec(tp_size=2), (MeshSpec(tp_size=4), MeshSpec(tp_size=8))
ask(LEFT)  # -> tp=2
ask(MIDDLE)  # -> tp=4
ask(RIGHT)  # -> tp=8
[LISTED] = [MeshSpec(ep_size=2)]
ask(LISTED)  # -> ep=2
COPY = ONCE
ask(COPY)  # -> tp=8
if FLAG:
    BRANCH = MeshSpec(tp_size=8)
else:
    BRANCH = MeshSpec(tp_size=4)
ask(BRANCH)  # -> tp=4 | tp=8
try:
    TRIED = MeshSpec(tp_size=8)
except ValueError:
    TRIED = MeshSpec(tp_size=2)
else:
    TRIED = MeshSpec(tp_size=4)
finally:
    ask(TRIED)  # -> tp=2 | tp=4 | tp=8
ask(MeshSpec(tp_size=4) if FLAG else MeshSpec(tp_size=2))  # -> tp=2 | tp=4
ask(MeshSpec(tp_size=4) if ONCE is None else MeshSpec(tp_size=2))  # -> tp=2 | tp=4
ask(MeshSpec(tp_size=4) if 2 > 1 else MeshSpec(tp_size=2))  # -> tp=4
ask(walrus := MeshSpec(tp_size=4))  # -> tp=4
ask(walrus)  # -> tp=4
while (looping := MeshSpec(tp_size=2)) and FLAG:
    ask(looping)  # -> tp=16 | tp=2
    looping = MeshSpec(tp_size=16)
ask(looping)  # -> tp=16 | tp=2
MAYBE = None
if FLAG:
    MAYBE = MeshSpec(tp_size=8)
ask(MAYBE)  # -> tp=1 | tp=8
if MAYBE is not None:
    ask(MAYBE)  # -> tp=8
ask(MAYBE or MeshSpec(tp_size=2))  # -> tp=2 | tp=8
ask(None or MeshSpec(tp_size=2))  # -> tp=2
ask(ONCE and MeshSpec(tp_size=2))  # -> tp=2 | tp=8
SELF = MeshSpec(tp_size=2)
SELF = SELF or MeshSpec(tp_size=4)
ask(SELF)  # -> tp=2 | tp=4
for LOOPED in (MeshSpec(tp_size=2), MeshSpec(tp_size=4)):
    ask(LOOPED)  # -> tp=2 | tp=4
for LOOPED_SIZE in [2, 4]:
    ask(MeshSpec(tp_size=LOOPED_SIZE, pp_size=LOOPED_SIZE // 2))  # -> tp=2 | tp=2,pp=2 | tp=4 | tp=4,pp=2
for INDEX, COUNTED in enumerate((MeshSpec(tp_size=2), MeshSpec(tp_size=4))):
    ask(COUNTED)  # -> tp=2 | tp=4
for RANGED in range(2, 5):
    ask(MeshSpec(tp_size=RANGED))  # -> tp=2 | tp=3 | tp=4
TABLE = {"small": MeshSpec(tp_size=2), "large": MeshSpec(tp_size=8)}
ask(TABLE["large"])  # -> tp=8
ask(TABLE["small" if FLAG else "large"])  # -> tp=2 | tp=8
for KEY, VALUE in TABLE.items():
    ask(VALUE)  # -> tp=2 | tp=8
    ask(TABLE[KEY])  # -> tp=2 | tp=8
for VALUE_ONLY in TABLE.values():
    ask(VALUE_ONLY)  # -> tp=2 | tp=8
PAIR = (MeshSpec(tp_size=2), MeshSpec(tp_size=4))
ask(PAIR[1])  # -> tp=4
ask(PAIR[-2])  # -> tp=2
ask(PAIR[int(random.random())])  # -> tp=2 | tp=4


def inner() -> None:
    ask(ONCE)  # -> tp=8
    local = MeshSpec(tp_size=2)
    ask(local)  # -> tp=2 | tp=4

    def closure() -> None:
        nonlocal local
        ask(local)  # -> tp=2 | tp=4
        local = MeshSpec(tp_size=4)

    closure()
    ask([ask(m) for m in (MeshSpec(tp_size=2), MeshSpec(tp_size=4))])  # -> ?
    [
        ask(made)  # -> tp=2 | tp=4
        for made in (MeshSpec(tp_size=2), MeshSpec(tp_size=4))
    ]
    ONCE_SHADOWED = 1
    ask(MeshSpec(tp_size=ONCE_SHADOWED))  # -> tp=1


def shadow() -> None:
    TWICE = MeshSpec(pp_size=4)
    ask(TWICE)  # -> pp=4


def rebind() -> None:
    global REBOUND
    REBOUND = MeshSpec(tp_size=2)


REBOUND = MeshSpec(tp_size=4)
ask(REBOUND)  # -> tp=2 | tp=4


async def waits() -> None:
    ask(ONCE)  # -> tp=8
    mesh = MeshSpec(tp_size=2)
    ask(mesh)  # -> tp=2


def generates():
    yield ask(ONCE)  # -> tp=8


class Body:
    SIZE = 4
    MESH = MeshSpec(tp_size=SIZE)
    ask(MESH)  # -> tp=4
