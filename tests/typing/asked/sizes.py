"""Sizes and meshes that other modules use."""

import os
from typing import Final

from transformers.distributed import DistributedConfig

from meshfit import MeshSpec

TP: Final = 8
NONE: Final = 1
PLAIN = 8
MESH = MeshSpec(tp_size=8)
SMALL = MeshSpec()
CONFIG = DistributedConfig(tp_size=8)
REBOUND = MeshSpec(tp_size=8)
REBOUND = MeshSpec()
CHOSEN = MeshSpec(tp_size=8) if "WIDE" in os.environ else MeshSpec()
READ = MeshSpec(tp_size=int(os.environ.get("TP", "8")))


def make() -> MeshSpec:
    return MeshSpec(tp_size=8)


def make_or_not(wide: bool) -> MeshSpec:
    if wide:
        return MeshSpec(tp_size=8)
    return MeshSpec()


class Settings:
    mesh = MeshSpec(tp_size=8)

    def __init__(self) -> None:
        self.own = MeshSpec(tp_size=8)
        self.changing = MeshSpec(tp_size=8)

    def change(self) -> None:
        self.changing = MeshSpec()


DECLARED: MeshSpec = MeshSpec(tp_size=8)
CONST: Final = MeshSpec(tp_size=8)
PARSED = MeshSpec.parse("tp=8")
PARTIAL = MeshSpec(tp_size=8, pp_size=int(os.environ["PP"]))
COMPUTED = MeshSpec(tp_size=PLAIN * 2)
TUPLE, OTHER = MeshSpec(tp_size=8), 1
WRITTEN = DistributedConfig(tp_size=8)
WRITTEN.tp_size = 2
COPIED = MESH
COPIED = SMALL
OPTIONAL: "MeshSpec | None" = MeshSpec(tp_size=8)
WITH_PLAN = DistributedConfig(tp_size=8, tp_plan={"a": "colwise"})
SECOND: Final = PLAIN
THIRD: Final[int] = 4
NAME: Final = "tp"
FLAG: Final = True
WIDTH: Final = 4 * 2


def rebinds() -> None:
    global LATE
    LATE = MeshSpec()


LATE = MeshSpec(tp_size=8)


def with_argument(size: int) -> MeshSpec:
    return MeshSpec(tp_size=size, pp_size=2)


def rebound_function() -> MeshSpec:
    return MeshSpec(tp_size=8)


class More(Settings):
    own2 = MeshSpec(tp_size=2)


class Nested:
    class Inner:
        mesh = MeshSpec(tp_size=8)

    def __init__(self, flag: bool) -> None:
        self.typed: MeshSpec = MeshSpec(cp_size=2)
        if flag:
            self.conditional = MeshSpec(tp_size=8)


class Overriding(Settings):
    mesh = MeshSpec()
