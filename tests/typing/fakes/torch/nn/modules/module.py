from collections.abc import Callable, Iterator, Iterator
from typing import Any, TypeVar, Union

from torch import Tensor

T = TypeVar("T", bound="Module")


def _forward_unimplemented(self: "Module", *input: Any) -> None:
    raise NotImplementedError


class Module:
    training: bool
    call_super_init: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.training = True

    forward: Callable[..., Any] = _forward_unimplemented

    __call__: Callable[..., Any] = _forward_unimplemented

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:
        yield Tensor()

    def __getattr__(self, name: str) -> Union[Tensor, "Module"]:
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Union[Tensor, "Module"]) -> None: ...

    def eval(self: T) -> T:
        return self

    def train(self: T, mode: bool = True) -> T:
        return self

    def to(self: T, device: str) -> T:
        return self

    def children(self) -> Iterator["Module"]:
        yield self
