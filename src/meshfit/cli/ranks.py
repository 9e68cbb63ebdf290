"""How many ranks will start, as users say it: as a number of all, or as nodes with so many devices each."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from meshfit.errors import MeshfitError

__all__ = ["Ranks", "add_rank_options", "given_ranks"]


class Ranks(NamedTuple):
    """What is known of them; None where the user did not say.

    Args:
        world: ranks that start.
        per_node: devices that share one node's fast links.
    """

    world: int | None
    per_node: int | None


def add_rank_options(command: argparse.ArgumentParser) -> None:
    """`--world`, `--nodes` and `--gpus-per-node`."""
    command.add_argument("--world", type=int, metavar="N", help="ranks that will start; the mesh must use them all")
    command.add_argument("--nodes", type=int, metavar="N", help="nodes; with --gpus-per-node they tell --world")
    command.add_argument("--gpus-per-node", type=int, metavar="N", help="devices that share one node's fast links")


def given_ranks(options: argparse.Namespace) -> Ranks:
    """What the three options say together.

    Raises:
        MeshfitError: a number below 1, or numbers that contradict each other.
    """
    world, nodes, each = options.world, options.nodes, options.gpus_per_node
    for option, number in (("--world", world), ("--nodes", nodes), ("--gpus-per-node", each)):
        if number is not None and number < 1:
            raise MeshfitError(f"{option} must be at least 1, got {number}")
    if nodes is None:
        return Ranks(world, each)
    if each is None and world is None:
        raise MeshfitError(f"--nodes {nodes} alone tells no number of ranks; add --gpus-per-node")
    if each is None:
        if world % nodes:
            raise MeshfitError(f"--world {world} cannot be spread over --nodes {nodes} evenly; correct one of them")
        each = world // nodes
    if world is not None and world != nodes * each:
        raise MeshfitError(
            f"--nodes {nodes} with --gpus-per-node {each} are {nodes * each} ranks, not --world {world}; leave one out"
        )
    return Ranks(nodes * each, each)
