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
