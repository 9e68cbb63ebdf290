from collections.abc import Iterable, Iterator

from .module import Module


class ModuleList(Module):
    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()

    def __iter__(self) -> Iterator[Module]:
        return iter(())

    def __getitem__(self, index: int) -> Module:
        return self
