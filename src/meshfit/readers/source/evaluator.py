"""The evaluator: builds configurations and models from the source of their classes, without running any of it."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import calls, configs, natives
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.operators import plain
from meshfit.readers.source.values import UNKNOWN, Bound, ConfigObject, Node, Trace, Traced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meshfit.readers.source.index import ClassSource

__all__ = ["Evaluator"]

_STEPS: Final = 2_000_000
_DEPTH: Final = 40


class Evaluator:
    """Evaluates constructors of one package's classes. Keep one for one model: it caches the layers it has built."""

    def __init__(self) -> None:
        self._steps = 0
        self._depth = 0
        self._built: dict[str, list[tuple[list[Any], dict[str, Any], Trace, Any]]] = {}

    def tick(self) -> None:
        """Count one step; raises BudgetError past the limit."""
        self._steps += 1
        if self._steps > _STEPS:
            raise BudgetError

    def config(self, cls: ClassSource, values: Mapping[str, Any]) -> ConfigObject:
        """The configuration `cls(**values)`."""
        return configs.build_config(Frame(self, cls.module), cls, values)

    def model(self, cls: ClassSource, config: ConfigObject) -> Node:
        """The model `cls(config)`; `complete` is False where its constructor could not be followed to the end."""
        built = self._construct(cls, [config], {})
        assert isinstance(built, Node)
        return built

    def instantiate(self, cls: ClassSource, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Build an object of a class of the source, reusing a layer built for an index that decides the same."""
        traced = [value for value in (*args, *kwargs.values()) if isinstance(value, Traced)]
        if len(traced) != 1:
            return self._construct(cls, [plain(a) for a in args], {k: plain(v) for k, v in kwargs.items()})
        (index,) = traced
        known = self._built.setdefault(cls.qualname, [])
        for old_args, old_kwargs, trace, made in known:
            if _alike(old_args, args) and _alike_mapping(old_kwargs, kwargs) and trace.same(index.value):
                _extend(index, trace)
                return made
        trace = Trace()
        observed = Traced(index.value, lambda number: number, trace)
        swap = {id(index): observed}
        built = self._construct(
            cls, [swap.get(id(a), a) for a in args], {k: swap.get(id(v), v) for k, v in kwargs.items()}
        )
        known.append((args, kwargs, trace, built))
        _extend(index, trace)
        return built

    def _construct(self, cls: ClassSource, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self._depth > _DEPTH:
            return UNKNOWN
        self._depth += 1
        try:
            frame = Frame(self, cls.module)
            if configs.is_config_class(cls):
                return configs.build_config(frame, cls, kwargs)
            node = Node(cls.name, cls, natives.node_evaluator(self), is_module=_is_module(cls))
            self._initialise(frame, node, cls, args, kwargs)
            unknown = [name for name, value in node.attributes.items() if value is UNKNOWN]
            node.unseen = _called(cls).intersection(unknown) if unknown else frozenset()
            return node
        finally:
            self._depth -= 1

    def _initialise(self, frame: Frame, node: Node, cls: ClassSource, args: list[Any], kwargs: dict[str, Any]) -> None:
        init = cls.method("__init__")
        try:
            if init is not None:
                calls.run(self, Bound(init, node), args, kwargs)
            else:
                calls.base_init(frame, node, args, kwargs)
        except (RaisedError, BudgetError, RecursionError):
            node.complete = False


@cache
def _called(cls: ClassSource) -> frozenset[str]:
    """Attributes that the class's forward calls: an unknown one of them may be a module that is not seen."""
    forward = cls.method("forward")
    if forward is None:
        return frozenset()
    functions = (node.func for node in ast.walk(forward.node) if isinstance(node, ast.Call))
    members = (function for function in functions if isinstance(function, ast.Attribute))
    return frozenset(m.attr for m in members if isinstance(m.value, ast.Name) and m.value.id == "self")


def _is_module(cls: ClassSource) -> bool:
    return any(base.startswith("torch.nn.") or base.endswith("PreTrainedModel") for base in cls.external_bases)


def _alike(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))


def _alike_mapping(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Traced) or isinstance(right, Traced):
        return isinstance(left, Traced) and isinstance(right, Traced)
    if isinstance(left, int | float | str | bool | tuple | None.__class__):
        return type(left) is type(right) and bool(left == right)
    return left is right and left is not UNKNOWN


def _extend(index: Traced, trace: Trace) -> None:
    """Whoever handed out the index learns what was decided from it."""
    for ask, answer in trace.answers:
        compute = index.compute
        index.trace.record(lambda number, ask=ask, compute=compute: ask(compute(number)), answer)  # type: ignore[misc]
