"""The task of one rank for a model that is none of transformers: spread by the user's own function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from meshfit.mesh import MeshSpec
from meshfit.proof.engine_ranks import observe_and_compare
from meshfit.proof.gathering import count_sharded
from meshfit.proof.loading import begin, class_of

if TYPE_CHECKING:
    from meshfit.proof.rank import Rank

__all__ = ["run"]

_CUT: Final = ("tp", "dp_shard")
"""Axes over which parameters are cut; what the others spread, only the model knows."""


def run(rank: Rank, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Build the model, spread it, run it, and compare it with one process.

    A parameter that is cut must be a DTensor, so that its gradient can be told whole.

    Args:
        rank: this one.
        payload: `folder` of the reference, `module` and `class_name` of the factory, `parallelize` as
            `package.module:function`, `mesh` as text.

    Returns:
        `Findings` as JSON.
    """
    import torch

    from meshfit.proof.reference import CHECKPOINT
    from meshfit.proof.twin import find_class

    mesh, found, inputs, expected = begin(rank, payload)
    rank.step("load")
    model = class_of(payload)().float().eval()
    model.load_state_dict(torch.load(Path(payload["folder"], CHECKPOINT, "state.pt"), weights_only=True))
    parallelize: Any = find_class(payload["parallelize"])
    model = parallelize(model, _device_mesh(rank, mesh))
    rank.step("place")
    counts, body = count_sharded(model, expected["gradients"].keys())
    asked = [axis for axis in _CUT if mesh.size(axis) > 1]
    if asked:
        found.spread({axis: counts.get(axis, 0) for axis in asked}, body)
    observe_and_compare(rank, model, inputs, expected, found, backward=True)
    found.leave_out(dict.fromkeys(("tokens", "reload"), "only the model knows how"))
    found.keep()
    return found.to_dict()


def _device_mesh(rank: Rank, mesh: MeshSpec) -> Any:
    """A mesh of the used dense axes, by name, outermost first as transformers lays them."""
    from torch.distributed.device_mesh import init_device_mesh

    order = ("pp", "dp_replicate", "dp_shard", "cp", "sp", "tp")
    used = [axis for axis in order if mesh.size(axis) > 1]
    sizes = tuple(mesh.size(axis) for axis in used)
    return init_device_mesh(rank.device.partition(":")[0], sizes, mesh_dim_names=tuple(used))
