"""Every mesh of a world, judged one by one: what a sweep must come to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from meshfit.checking import judged
from meshfit.facts import ModelFacts
from meshfit.fitting.search import ORDER, Row

DENSE = tuple(axis for axis in ORDER if axis != "ep")


def divisors(number: int) -> list[int]:
    """By trial, as nobody could get wrong."""
    return [size for size in range(1, number + 1) if number % size == 0]


def factorisations(world: int, axes: int) -> Iterator[tuple[int, ...]]:
    """The ways to write `world` as a product of so many sizes."""
    if axes == 1:
        yield (world,)
        return
    for size in divisors(world):
        for rest in factorisations(world // size, axes - 1):
            yield (size, *rest)


def every_mesh(world: int) -> Iterator[Row]:
    """The meshes whose dense sizes have the world as their product, with each divisor of it as `ep`."""
    for dense, ep in product(factorisations(world, len(DENSE)), divisors(world)):
        sizes = dict(zip(DENSE, dense, strict=True), ep=ep)
        yield Row(0, 0, 0, tuple(sizes[axis] for axis in ORDER))


def legal_meshes(facts: ModelFacts, engine: str, world: int, *, strict: bool = False) -> list[Row]:
    """Those that `judged` lets through, with what it says of them, in order."""
    known = facts.replace(world_size=world)
    rows = []
    for row in every_mesh(world):
        report = judged(known, row.mesh, engine=engine, strict=strict)
        if report.ok:
            rows.append(Row(len(report.warnings), len(report.unknown), 0, row.sizes))
    return sorted(rows)
