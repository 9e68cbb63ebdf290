"""As much of torch as the cases name, under the dotted names of the real one."""

from torch import distributed as distributed, nn as nn


class Tensor:
    def size(self, dim: int = 0) -> int:
        return dim
