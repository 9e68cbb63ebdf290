"""Values of a config that keep account of themselves: numbers, texts, lists and mappings that know what they are.

They behave as what they hold, so the source reader computes with them as ever. Whatever leaves them as a plain fact (a
comparison, a truth, a name to look up) is recorded with its answer: the same answers mean the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from meshfit.readers.shipped.expressions import Expr, kind_of
from meshfit.readers.shipped.numbers import SymbolicInt, number
from meshfit.readers.shipped.recorder import Account, Recorder, bare, expression, is_scalar, settled, told
from meshfit.readers.shipped.settling import LAYERS
from meshfit.readers.shipped.texts import SymbolicText
from meshfit.readers.source.values import UNKNOWN

NEVER = "@never"
"""What no value of a config is: facts that hang on an unknown value are told of none."""

__all__ = ["SymbolicDict", "SymbolicLayer", "SymbolicList", "symbol"]


def symbol(value: Any, expr: Expr) -> Any:
    """`value` as the symbol of `expr`. A bool and None cannot be one: what they are is remembered."""
    if value is None or isinstance(value, bool):
        told(expr, value)
        return value
    if type(value) is float:
        told(("number", expr), True)
    else:
        told(("type", expr), kind_of(value))
    if isinstance(value, str):
        return SymbolicText(value, expr)
    if isinstance(value, list | tuple):
        return SymbolicList(value, expr)
    return SymbolicDict(value, expr) if isinstance(value, dict) else number(value, expr)


class SymbolicList(Account, list[Any]):
    """A list that knows its expression; its items are symbols too."""

    def __init__(self, items: Any, expr: Expr) -> None:
        super().__init__(items)
        self.expr = expr
        self.size: int = len(items)

    def plain(self) -> list[Any]:
        """The plain items."""
        return [list.__getitem__(self, number) for number in range(self.size)]

    def indices(self) -> list[Any]:
        """The numbers of the items, each the symbol of its loop."""
        recorder = Recorder.current
        if recorder is None:
            return list(range(self.size))
        recorder.loops.append((("len", self.expr), self.size))
        loop = len(recorder.loops) - 1
        return [SymbolicInt(number, ("i", loop, number)) for number in range(self.size)]

    def walk(self) -> list[Any]:
        """The items in order."""
        return [self[number] for number in self.indices()]

    def length(self) -> Any:
        """`len(self)`."""
        return SymbolicInt(self.size, ("len", self.expr))

    def settle(self) -> list[Any]:
        """The plain items, their being so remembered."""
        items = self.plain()
        told(("==", self.expr, _constant(items)), True)
        return items

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            parts = (key.start, key.stop, key.step)
            cut = self.plain()[slice(*map(bare, parts))]
            return SymbolicList(cut, ("cut", self.expr, *map(expression, parts)))
        try:
            value = list.__getitem__(self, bare(key))
        except IndexError:
            told(("len", self.expr), self.size)
            settled(key)
            raise
        return symbol(value, ("at", self.expr, expression(key)))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.walk())

    def __len__(self) -> int:
        told(("len", self.expr), self.size)
        return self.size

    def __bool__(self) -> bool:
        told(("bool", self.expr), self.size > 0)
        return self.size > 0

    def __contains__(self, item: Any) -> bool:
        answer = bare(item) in self.plain()
        told(("in", expression(item), self.expr), answer)
        return answer

    def index(self, item: Any, *_bounds: Any) -> Any:
        """As a list's."""
        if _bounds or item not in self:
            return self.settle().index(settled(item), *_bounds)
        return SymbolicInt(self.plain().index(bare(item)), ("index", self.expr, expression(item)))

    def __eq__(self, other: object) -> bool:
        return self.settle() == (other.settle() if isinstance(other, SymbolicList) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __add__(self, other: Any) -> Any:
        return self.settle() + list(other)

    def __radd__(self, other: Any) -> Any:
        return list(other) + self.settle()

    def __mul__(self, count: Any) -> Any:
        return SymbolicList(self.plain() * bare(count), ("times", self.expr, expression(count)))

    def __rmul__(self, count: Any) -> Any:
        return self * count

    def __repr__(self) -> str:
        return repr(self.settle())


def _settled_list(method: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.settle(), method)(*args, **kwargs)

    return call


for _method in ("copy", "count"):
    setattr(SymbolicList, _method, _settled_list(_method))


def _refuse(_self: Any, *_args: Any, **_kwargs: Any) -> Any:
    raise TypeError("a config's list is changed in place")


for _method in ("append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear", "__setitem__", "__iadd__"):
    setattr(SymbolicList, _method, _refuse)


_MISSING = object()


def _constant(value: Any) -> Expr:
    return ("list", *map(_constant, value)) if isinstance(value, list | tuple) else value


class SymbolicDict(Account, dict[str, Any]):
    """A mapping in a config whose values are symbols, and whose keys are remembered where somebody asks for them."""

    def __init__(self, items: dict[str, Any], expr: Expr, *, declared: frozenset[str] = frozenset()) -> None:
        super().__init__(items)
        self.expr = expr
        self.declared = declared
        self.own: dict[str, Any] = {}
        self.gone: set[str] = set()
        self.behind: SymbolicDict | None = None
        self._inner: dict[str, Any] = {}

    def walk(self) -> list[Any]:
        """The keys."""
        return list(self.keys())

    def length(self) -> Any:
        """`len(self)`."""
        return len(self.keys())

    def as_expression(self) -> Expr:
        """Itself as it stands in the config; what was changed since, item by item."""
        if not self.own and not self.gone:
            return self.expr
        return ("dict", *(expression(part) for item in self.items() for part in item))

    def leaf(self, name: str) -> Expr:
        """The expression of one value."""
        return (*self.expr, name)

    def asks(self, name: str) -> Expr:
        """The question whether there is a value."""
        return ("has", *self.expr[1:], name)

    def over(self, below: dict[str, Any]) -> Any:
        """`{**below, **self}`."""
        if not below or self.own or self.gone or isinstance(below, Account):
            return {**below, **self}
        return SymbolicUnion(self, below)

    def raw(self, name: str) -> Any:
        """A value as it is."""
        return self.own[name] if name in self.own else dict.__getitem__(self, name)

    def __contains__(self, name: object) -> bool:
        name = settled(name)
        if name in self.own:
            return True
        if name in self.gone or not isinstance(name, str):
            return False
        answer = dict.__contains__(self, name)
        if name not in self.declared:
            told(self.asks(name), answer)
        return answer or (self.behind is not None and name in self.behind)

    def __getitem__(self, name: str) -> Any:
        name = settled(name)
        if name in self.own:
            return self.own[name]
        if name not in self:
            raise KeyError(name)
        if self.behind is not None and not dict.__contains__(self, name):
            return self.behind[name]
        value = dict.__getitem__(self, name)
        if isinstance(value, dict) and not isinstance(value, Account):
            made = symbol(value, self.leaf(name))
            return self._inner.setdefault(name, made)  # what is changed in it stays changed
        if is_scalar(value) or isinstance(value, list | tuple):
            return symbol(value, self.leaf(name))
        if value is UNKNOWN:
            told(("==", self.leaf(name), NEVER), True)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        return self[name] if name in self else default  # noqa: SIM401 - this is `get`

    def pop(self, name: str, *default: Any) -> Any:
        """As a dict's."""
        name = settled(name)
        if name in self:
            value = self[name]
            self.own.pop(name, None)
            self.gone.add(name)
            return value
        if default:
            return default[0]
        raise KeyError(name)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        if name not in self:
            self[name] = default
        return self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        name = settled(name)
        self.own[name] = value
        self.gone.discard(name)

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def update(self, *others: Any, **named: Any) -> None:
        """As a dict's."""
        for name, value in dict(*others, **named).items():
            self[name] = value

    def names(self) -> list[str]:
        """The keys, not remembered."""
        given = [name for name in dict.keys(self) if name not in self.gone]
        return [*given, *(name for name in self.own if name not in given)]

    def keys(self) -> Any:
        """As a dict's."""
        told(("keys", self.expr), sorted(dict.keys(self)))
        return dict.fromkeys(self.names()).keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __bool__(self) -> bool:
        return bool(self.keys())

    def items(self) -> Any:
        """As a dict's."""
        recorder = Recorder.current
        before = set(recorder.answers) if recorder is not None else set()
        found = {name: self[name] for name in self.keys()}
        if recorder is not None:
            plain = {name: value for name, value in dict.items(self) if name not in self.own and name not in self.gone}
            recorder.spread(plain, [expr for expr in recorder.answers if expr not in before])
        return found.items()

    def values(self) -> Any:
        """As a dict's."""
        return {name: self[name] for name in self.keys()}.values()

    def __eq__(self, other: object) -> bool:
        return self._is_copy(other) or dict(self.items()) == other

    def _is_copy(self, other: object) -> bool:
        """Whether the other is this mapping, changed in the same way: they are equal whatever they hold."""
        return (
            isinstance(other, SymbolicDict)
            and (self.expr, self.gone, self.own.keys()) == (other.expr, other.gone, other.own.keys())
            and all(value is other.own[name] for name, value in self.own.items())
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def copy(self) -> Any:
        """A copy that keeps account of itself too."""
        made = type(self).__new__(type(self))
        dict.update(made, dict.items(self))
        made.__dict__.update(self.__dict__, own=dict(self.own), gone=set(self.gone), _inner={})
        return made

    def merged(self, other: SymbolicDict, agreed: Callable[[Any, Any], Any]) -> SymbolicDict:
        """What is left of two copies that were changed in two ways, of which nobody knows which was taken."""
        made = self.copy()
        for name in {*self.own, *other.own, *(self.gone ^ other.gone)}:
            made.own[name] = agreed(self.own.get(name, _MISSING), other.own.get(name))
        merged: SymbolicDict = made
        return merged

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Any:
        return self.copy()


class SymbolicUnion(SymbolicDict):
    """A mapping of a config with a plain one for what it lacks.

    Args:
        above: the mapping of the config.
        below: what holds where it says nothing.
    """

    def __init__(self, above: SymbolicDict, below: dict[str, Any]) -> None:
        items = {**{name: bare(value) for name, value in below.items()}, **dict(dict.items(above))}
        super().__init__(items, ("over", expression(below), above.expr))

    def leaf(self, name: str) -> Expr:
        """The expression of one value."""
        return ("named", self.expr, name)

    def asks(self, name: str) -> Expr:
        """The question whether there is a value."""
        return ("in", name, self.expr)


class SymbolicLayer(SymbolicDict):
    """The values of one layer: those of its config, but for what is said of the layer alone.

    Args:
        whole: the values of the config.
        overrides: those of this layer.
        index: the expression of its number.
    """

    def __init__(self, whole: SymbolicDict, overrides: dict[str, Any], index: Expr) -> None:
        super().__init__({**dict(dict.items(whole)), **overrides}, whole.expr)
        odd = [name for name, value in overrides.items() if name in whole.own or isinstance(value, dict)]
        self.own.update({**whole.own, **dict.fromkeys(odd, UNKNOWN)})
        self.gone.update(whole.gone)
        self.index = index

    def leaf(self, name: str) -> Expr:
        """The expression of one value; no layer has mappings of its own."""
        whole = super().leaf(name)
        if isinstance(dict.__getitem__(self, name), dict):
            return whole
        return ("layer", whole, (*self.expr, LAYERS), self.index, name)
