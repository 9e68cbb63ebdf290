"""The values the evaluator computes with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from meshfit.readers.unknown import UNKNOWN, Unknown

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Self

    from meshfit.readers.source.index import ClassSource, FunctionSource

__all__ = [
    "UNKNOWN",
    "Bound",
    "ConfigObject",
    "Dim",
    "Indices",
    "Instance",
    "Native",
    "Node",
    "Param",
    "Signature",
    "Symbolic",
    "Tensor",
    "Trace",
    "Traced",
    "Unknown",
    "items_of",
    "length_of",
    "undimmed",
]


class Instance(Protocol):
    """An object whose `__init__` was evaluated: what a forward body's `self` is."""

    @property
    def kind(self) -> str:
        """Plain class name ("LlamaModel", "Linear")."""

    @property
    def cls(self) -> ClassSource | None:
        """Its class as source; None for a class of torch."""

    @property
    def attributes(self) -> Mapping[str, object]:
        """Evaluated attributes; children are Instances, an absent name was never assigned."""

    def evaluate(self, expression: ast.expr, local: Mapping[str, object]) -> object:
        """The value of an expression of one of its methods, UNKNOWN where it cannot be computed."""


class Dim(int):
    """A size computed from a head count: `heads` is (config key, count), kept through multiplication."""

    heads: tuple[str, int]

    def __new__(cls, value: int, heads: tuple[str, int]) -> Self:
        """The number `value`, made of `heads`."""
        dim = super().__new__(cls, value)
        dim.heads = heads
        return dim

    def __mul__(self, other: object) -> Any:
        product = int.__mul__(self, other) if isinstance(other, int) else NotImplemented
        return Dim(product, self.heads) if isinstance(product, int) else product

    def __rmul__(self, other: object) -> Any:
        return self.__mul__(other)

    def __deepcopy__(self, memo: object) -> Dim:
        return self

    def undimmed(self) -> int:
        """The number without its heads."""
        return int(self)


class Symbolic:
    """A value that keeps account of itself and of what is decided from it: who takes it apart asks it for the parts.

    The reader never makes one: a config may hold them, and then says what a model's facts depend on.
    """

    def of_heads(self, name: str) -> Any:
        """This value as the count of heads that the config calls `name`; itself where it is no number."""
        _ = name
        return self

    def undimmed(self) -> Any:
        """The number without its heads."""
        return self

    def indices(self) -> list[Any]:
        """The numbers below this one, or those of its items."""
        raise TypeError(self)

    def walk(self) -> list[Any] | None:
        """The items in order; None where there are none to walk over."""
        return None

    def pick(self, holder: Any) -> Any:
        """`holder[self]`."""
        return holder[self]

    def length(self) -> Any:
        """`len(self)`."""
        raise TypeError(self)

    def over(self, below: dict[str, Any]) -> Any:
        """`{**below, **self}`."""
        raise TypeError(self, below)

    def __int__(self) -> int:
        raise TypeError(self)

    def converted(self, kind: type) -> Any:
        """`int(self)` or `float(self)`."""
        return kind(self)

    def root(self) -> Any:
        """`math.sqrt(self)`."""
        raise TypeError(self)

    def activation(self, build: Callable[[str], Any]) -> Any:  # noqa: ARG002 - only texts name one
        """The activation of this name, made by `build`."""
        return UNKNOWN


def undimmed(value: int) -> int:
    """The bare number; one that keeps account of itself still does."""
    return value.undimmed() if isinstance(value, Dim | Symbolic) else int(value)


def length_of(value: Any) -> int:
    """`len(value)`, still keeping account of itself where the value does."""
    found: int = value.length() if isinstance(value, Symbolic) else len(value)
    return found


def items_of(value: Any) -> Any:
    """What iterating over `value` gives."""
    return value.walk() if isinstance(value, Symbolic) else value


class Indices(list[Any]):
    """The numbers of a range that keep account of themselves."""


@dataclass(eq=False, slots=True)
class Trace:
    """What was decided from a layer index: every answer it gave, so that another index can be asked the same."""

    answers: list[tuple[Callable[[int], object], object]] = field(default_factory=list)

    def record(self, ask: Callable[[int], object], answer: object) -> None:
        """Remember that `ask(index)` gave `answer`."""
        self.answers.append((ask, answer))

    def same(self, index: int) -> bool:
        """Whether `index` would have given every answer, hence builds the same module."""
        try:
            return all(_equal(ask(index), answer) for ask, answer in self.answers)
        except Exception:  # noqa: BLE001 - an index that cannot be asked is a different one
            return False


def _equal(left: object, right: object) -> bool:
    return left is right or (type(left) is type(right) and bool(left == right))


@dataclass(eq=False, slots=True)
class Traced:
    """A layer index, or a number computed from one, under observation."""

    value: Any
    compute: Callable[[int], Any]
    trace: Trace

    def plain(self) -> Any:
        """The bare number; the trace then only matches indices that give the same one."""
        self.trace.record(self.compute, self.value)
        return self.value

    def then(self, function: Callable[[Any], Any]) -> Traced:
        """The number after `function`, still observed."""
        compute = self.compute
        return Traced(function(self.value), lambda index: function(compute(index)), self.trace)

    def decide(self, function: Callable[[Any], Any]) -> Any:
        """What `function` answers for this number, remembered."""
        answer = function(self.value)
        compute = self.compute
        self.trace.record(lambda index: function(compute(index)), answer)
        return answer


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor by its shape; None: unknown. `persistent` is False for a buffer that no checkpoint holds."""

    shape: tuple[Any, ...] | None = None
    persistent: bool = True


@dataclass(frozen=True, slots=True)
class Param:
    """An `nn.Parameter` by its shape."""

    shape: tuple[Any, ...] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Signature:
    """What `inspect.signature` tells of a constructor: its parameters by name."""

    parameters: Mapping[str, None]


@dataclass(eq=False)
class ConfigObject:
    """A configuration: its class and values, read and written as transformers' own (attribute_map, properties)."""

    cls: ClassSource
    values: dict[str, Any] = field(default_factory=dict)
    per_layer: dict[int, dict[str, Any]] = field(default_factory=dict)

    def by_base(self, rest: Mapping[str, Any]) -> bool:  # noqa: ARG002 - for those who keep account
        """Whether what the base class does to every configuration is done here; else by somebody else, later."""
        return True

    def deep_copy(self, copied: Callable[[Any], Any]) -> ConfigObject:
        """A copy whose values went through `copied`."""
        made = self.copy()
        made.values = {key: copied(item) for key, item in self.values.items()}
        return made

    def copy(self) -> ConfigObject:
        """A shallow copy, as `copy.copy` makes."""
        return ConfigObject(self.cls, dict(self.values), dict(self.per_layer))

    def layer(self, index: int) -> Any:
        """The configuration of one layer; this one itself where the layer has no values of its own."""
        overrides = self.per_layer.get(index)
        if not overrides:
            return self
        layered = self.copy()
        layered.per_layer = {}
        layered.values.update(overrides)
        return layered


@dataclass(eq=False)
class Node:
    """An object built by an evaluated `__init__`: a module with its children and parameters, or a plain one.

    `complete` is False where the constructor could not be followed to its end; `unseen` names attributes that may be
    modules but could not be built.
    """

    kind: str
    cls: ClassSource | None
    evaluator: Callable[[Node, ast.expr, Mapping[str, object]], object]
    is_module: bool = True
    attributes: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    unseen: frozenset[str] = frozenset()

    def evaluate(self, expression: ast.expr, local: Mapping[str, object]) -> object:
        """The value of an expression of one of its methods, UNKNOWN where it cannot be computed."""
        return self.evaluator(self, expression, local)

    def children(self) -> Iterator[tuple[str, Node]]:
        """Child modules in order of assignment."""
        for name, value in self.attributes.items():
            if isinstance(value, Node) and value.is_module:
                yield name, value

    def parameters(self) -> Iterator[tuple[str, Param]]:
        """The module's own parameters in order of assignment."""
        for name, value in self.attributes.items():
            if isinstance(value, Param):
                yield name, value


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """A function of the source with its `self` (or class), and the frame it closes over."""

    function: FunctionSource
    target: object = None
    closure: Any = None
    node: ast.Lambda | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Native:
    """A callable the evaluator implements itself; it gets evaluated positional and keyword arguments."""

    name: str
    run: Callable[..., Any]
