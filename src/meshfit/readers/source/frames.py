"""Where names mean something: the frame of one running function, and the signals that leave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meshfit.readers.source.index import ClassSource, ModuleSource

__all__ = ["BudgetError", "Evaluating", "Frame", "LoopExit", "RaisedError", "ReturnValue"]


class Evaluating(Protocol):
    """What a frame needs of the evaluator that runs it."""

    def tick(self) -> None:
        """Count one step; raises BudgetError past the limit."""

    def instantiate(self, cls: ClassSource, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Build an object of a class of the source."""


@dataclass(eq=False, slots=True)
class Frame:
    """The names one function body sees: its locals, the frames it closes over, its module."""

    engine: Evaluating
    module: ModuleSource
    local: dict[str, Any] = field(default_factory=dict)
    owner: ClassSource | None = None
    target: Any = None
    outer: Frame | None = None

    def frames(self) -> Iterator[Frame]:
        """This frame, then the ones it closes over."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.outer

    def with_locals(self, local: Mapping[str, Any]) -> Frame:
        """A frame nested in this one (a comprehension's), with names of its own."""
        return Frame(self.engine, self.module, dict(local), self.owner, self.target, self)


class ReturnValue(Exception):  # noqa: N818 - control flow, not an error
    """`return value`."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class LoopExit(Exception):  # noqa: N818 - control flow, not an error
    """`break` or `continue`."""

    def __init__(self, *, leave: bool) -> None:
        super().__init__()
        self.leave = leave


class RaisedError(Exception):
    """The evaluated source raised an exception of its own."""


class BudgetError(Exception):
    """The evaluation took more steps than a constructor ever does."""
