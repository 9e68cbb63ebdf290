"""As much of torch as the cases name, under the dotted names of the real one."""

from torch import distributed as distributed, nn as nn, optim as optim


class Tensor:
    def size(self, dim: int = 0) -> int:
        return dim


class device:
    def __init__(self, kind: str) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *raised: object) -> None: ...


def manual_seed(seed: int) -> None: ...


def randint(low: int, high: int, size: tuple[int, ...]) -> Tensor:
    return Tensor()
