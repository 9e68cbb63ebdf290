"""Loads the twin onto ranks as a user of the engine would, and what one process computed with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from meshfit.mesh import MeshSpec
from meshfit.proof.telling import Findings

if TYPE_CHECKING:
    from meshfit.proof.rank import Rank

__all__ = ["ENGINE_SIZES", "Begun", "begin", "class_of", "load_expected", "load_onto_mesh", "quieten"]

ENGINE_SIZES: Final = {
    "tp": "tp_size",
    "pp": "pp_size",
    "ep": "ep_size",
    "dp_shard": "fsdp_size",
    "dp_replicate": "dp_replicate_size",
}
"""Axis -> the argument of transformers' `DistributedConfig`."""


class Begun(NamedTuple):
    """What a task of a proof works with.

    Args:
        mesh: that runs.
        found: to be filled.
        inputs: of the reference, on the rank's device.
        expected: what one process computed from them.
    """

    mesh: MeshSpec
    found: Findings
    inputs: dict[str, Any]
    expected: dict[str, Any]


def class_of(payload: Mapping[str, Any]) -> Any:
    """The class of the twin, or the factory of a plain model."""
    from meshfit.proof.twin import find_class

    return find_class(f"{payload['module']}:{payload['class_name']}")


def quieten() -> None:
    """What loading says on each of many ranks is of no use."""
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)


def begin(rank: Rank, payload: Mapping[str, Any]) -> Begun:
    """What every task of a proof starts with."""
    mesh = MeshSpec.parse(payload["mesh"])
    found = Findings(payload["folder"], mesh, rank.rank, rank.backend)
    quieten()
    return Begun(mesh, found, *load_expected(payload, rank.device))


def load_onto_mesh(payload: Mapping[str, Any], mesh: MeshSpec) -> Any:
    """The checkpoint through `from_pretrained(distributed_config=...)`, in 32 bits and eval mode.

    Args:
        payload: of the task.
        mesh: whose axes are all of `ENGINE_SIZES`.
    """
    import torch
    from transformers.distributed.configuration_utils import DistributedConfig

    from meshfit.proof.reference import CHECKPOINT

    sizes: Any = {ENGINE_SIZES[axis]: mesh.size(axis) for axis in mesh.used}
    model = class_of(payload).from_pretrained(
        Path(payload["folder"], CHECKPOINT), dtype=torch.float32, distributed_config=DistributedConfig(**sizes)
    )
    return model.eval()


def load_expected(payload: Mapping[str, Any], device: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs, on a device, and what one process computed from them.

    Args:
        payload: of the task.
        device: torch's name of it.
    """
    import torch

    from meshfit.proof.reference import INPUTS, REFERENCE

    folder = Path(payload["folder"])
    inputs = torch.load(folder / INPUTS, map_location=device, weights_only=True)
    return inputs, torch.load(folder / REFERENCE, weights_only=True)
