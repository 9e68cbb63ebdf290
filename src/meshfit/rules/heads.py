"""Heads cut over tensor ranks: the one finding that engines share."""

from __future__ import annotations

from collections.abc import Iterator

from meshfit.mesh import MeshSpec
from meshfit.rules.registry import Finding
from meshfit.rules.sizes import common_divisors

__all__ = ["uneven_heads"]


def uneven_heads(key: str, counts: tuple[int, ...], mesh: MeshSpec) -> Iterator[Finding]:
    """One finding when a count is not divisible by tp_size.

    Args:
        key: the fact that holds the counts.
        counts: of every kind of layer.
        mesh: whose tensor ranks share them.
    """
    uneven = [count for count in counts if count % mesh.tp_size]
    if uneven:
        yield Finding(
            message=f"{key} ({', '.join(map(str, uneven))}) is not divisible by tp_size ({mesh.tp_size})",
            help="",
            alternatives=common_divisors(counts),
            facts=(key,),
        )
