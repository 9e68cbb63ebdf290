"""What a rank finds out, written down as it goes: a rank that dies later has still told what came before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meshfit.evidence import Compared
from meshfit.mesh import MeshSpec
from meshfit.proof.comparing import left_out

__all__ = ["Findings", "read_findings"]


class Findings:
    """What one rank found out.

    Args:
        folder: of the proof, which outlives the run.
        mesh: that runs.
        rank: whose findings these are.
        backend: of its process group.
    """

    def __init__(self, folder: str, mesh: MeshSpec, rank: int, backend: str = "gloo") -> None:
        self._path = _path(folder, mesh, rank)
        self._path.unlink(missing_ok=True)
        self._backend = backend
        self.compared: dict[str, Compared] = {}
        self.placed: dict[str, int] = {}
        self.idle: list[str] = []
        """Axes over which nothing was spread."""
        self.notes: list[str] = []

    def to_dict(self) -> dict[str, Any]:
        """The findings as JSON holds them."""
        return {
            "compared": {name: list(one) for name, one in self.compared.items()},
            "placed": self.placed,
            "idle": self.idle,
            "notes": self.notes,
            "backend": self._backend,
        }

    def spread(self, cut: Mapping[str, int], body: int) -> None:
        """Note how many of the body's parameters are cut, by axis; of several axes the least counts."""
        self.placed.update(sharded=min(cut.values()), body=body)
        self.idle.extend(axis for axis, count in cut.items() if not count)

    def keep(self) -> None:
        """Write down what is known so far."""
        self._path.write_text(json.dumps(self.to_dict()), encoding="utf-8")

    def attempt(self, name: str, compare: Callable[[], Compared]) -> None:
        """Make a comparison that decides nothing, and whose failure is a finding too.

        Args:
            name: of the comparison.
            compare: makes it.
        """
        try:
            self.compared[name] = compare()
        except Exception as fault:  # noqa: BLE001 - whatever the engine raises is what is told
            lines = str(fault).strip().splitlines()
            self.compared[name] = Compared("failed", None, f"{type(fault).__name__}: {lines[0][:300] if lines else ''}")
        self.keep()

    def leave_out(self, names: Mapping[str, str]) -> None:
        """Tell why comparisons are not made."""
        self.compared.update({name: left_out(why) for name, why in names.items()})


def _path(folder: str, mesh: MeshSpec, rank: int) -> Path:
    sizes = "-".join(f"{axis}{mesh.size(axis)}" for axis in mesh.used)
    return Path(folder, f"found-{sizes}-{rank}.json")


def read_findings(folder: str | Path, mesh: MeshSpec, world_size: int) -> list[dict[str, Any]]:
    """The findings of each rank that wrote some, in order of rank; whole ones only.

    Args:
        folder: of the proof.
        mesh: that ran.
        world_size: ranks of it.
    """
    found = []
    for rank in range(world_size):
        try:
            found.append(json.loads(_path(str(folder), mesh, rank).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return found
