from torch import Tensor

from .module import Module


class Embedding(Module):
    weight: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input
