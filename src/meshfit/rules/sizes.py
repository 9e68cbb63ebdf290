"""Arithmetic of sizes: the ones that would work, and how a sentence names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import gcd

__all__ = ["common_divisors", "divisors", "one_of", "satisfying"]

LARGEST = 4096
"""No axis larger than this is offered."""


def divisors(number: int) -> tuple[int, ...]:
    """The divisors of `number` (>= 1) up to `LARGEST`, ascending."""
    return tuple(size for size in range(1, min(number, LARGEST) + 1) if number % size == 0)


def common_divisors(numbers: Iterable[int]) -> tuple[int, ...]:
    """The sizes that divide every one of `numbers`, ascending."""
    return divisors(gcd(*numbers))


def satisfying(condition: Callable[[int], bool], *, up_to: int) -> tuple[int, ...]:
    """The sizes from 1 to `up_to` (at most `LARGEST`) that meet `condition`, ascending."""
    return tuple(size for size in range(1, min(up_to, LARGEST) + 1) if condition(size))


def one_of(sizes: Iterable[int]) -> str:
    """`1, 2 or 4`: at most the eight largest, so that a sentence stays one."""
    named = [str(size) for size in sizes][-8:]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"
