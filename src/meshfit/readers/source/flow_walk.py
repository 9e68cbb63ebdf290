"""Walking forward bodies: statements and expressions over `Value`s, module calls followed by their own source.

Branches whose test is known are taken alone, others are both taken and joined; loops run once per distinct element.
What a call does to its arguments is decided in `flow_calls`; what is worth remembering, by the recorder.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from meshfit.readers.source.flow_calls import Method, item_assigned
from meshfit.readers.source.flow_expressions import EXPRESSIONS
from meshfit.readers.source.flow_items import element, iterate
from meshfit.readers.source.flow_record import Recorder
from meshfit.readers.source.flow_shapes import shape_items
from meshfit.readers.source.flow_statements import STATEMENTS
from meshfit.readers.source.flow_tensors import tensor_attribute
from meshfit.readers.source.flow_values import (
    ATTENTION,
    HOLDER,
    LENGTH,
    NOTHING,
    OPAQUE,
    SHAPE,
    TENSOR,
    Value,
    is_instance,
    join,
    parameter_shape,
    plain_value,
    union,
)
from meshfit.readers.source.index import ClassSource, External, FunctionSource, ModuleSource
from meshfit.readers.source.values import UNKNOWN, Instance

__all__ = ["Frame", "Walk"]

_LIMIT: Final = 60_000
_DEPTH: Final = 24


class Frame:
    """One running function: its names, whose method it is and the path of that module."""

    __slots__ = ("depth", "env", "function", "instance", "path", "returned")

    def __init__(self, function: FunctionSource, instance: Instance | None, path: str, depth: int) -> None:
        self.function: FunctionSource = function
        self.instance: Instance | None = instance
        self.path: str = path
        self.depth: int = depth
        self.env: dict[str, Value] = {}
        self.returned: Value | None = None


class Walk:
    """One walk over a model, from the forward of its root."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.steps: int = 0
        self.discarding: bool = False
        """The value that is being computed goes nowhere: a method is called for what it keeps, such as a table."""
        self.loads: dict[tuple[int, str], Value | None] = {}
        self.active: set[tuple[int, int]] = set()

    def enter(self, function: FunctionSource, instance: Instance | None, path: str, depth: int) -> Frame:
        """A frame for a call of `function`."""
        return Frame(function, instance, path, depth)

    def run(self, frame: Frame) -> Value:
        """Walk the body of the frame's function; what it returns."""
        key = (id(frame.function.node), id(frame.instance))
        if frame.depth > _DEPTH or key in self.active:
            return Value(labels=union(frame.env.values()))
        self.active.add(key)
        try:
            self.block(frame, frame.function.node.body)
        finally:
            self.active.discard(key)
        return frame.returned if frame.returned is not None else NOTHING

    def block(self, frame: Frame, body: Sequence[ast.stmt]) -> bool:
        """Walk statements in order; True when they always leave (return, raise, continue, break)."""
        for node in body:
            self.steps += 1
            if self.steps > _LIMIT:
                return True
            handler = STATEMENTS.get(type(node))
            if handler is not None and handler(self, frame, node):
                return True
        return False

    def assign(self, frame: Frame, target: ast.expr, value: Value, *, store: bool = True) -> None:
        """Bind a value to a name, an item, or a tuple of them."""
        if isinstance(target, ast.Name):
            frame.env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(frame, target.elts, value)
        elif isinstance(target, ast.Starred):
            self.assign(frame, target.value, Value(labels=union((value,))))
        elif isinstance(target, ast.Subscript) and store:
            holder = self.value(frame, target.value)
            key = self.value(frame, target.slice)
            if holder.fields is not None and isinstance(key.const, str):
                holder = Value(holder.const, holder.labels, fields={**holder.fields, key.const: value})
            else:
                if holder.const is TENSOR:
                    self.recorder.changed_in_place(holder)
                    item_assigned(self, frame, holder)
                holder = Value(holder.const, holder.labels | union((value,)), alias=holder.alias, cut=holder.cut)
            if isinstance(target.value, ast.Name):
                frame.env[target.value.id] = holder

    def _unpack(self, frame: Frame, targets: list[ast.expr], value: Value) -> None:
        items = value.items
        if items is not None and len(items) == len(targets) and not any(isinstance(t, ast.Starred) for t in targets):
            for target, item in zip(targets, items, strict=True):
                self.assign(frame, target, item)
            return
        if value.const is SHAPE and not any(isinstance(t, ast.Starred) for t in targets):
            for target, item in zip(targets, shape_items(value, len(targets)), strict=True):
                named = isinstance(target, ast.Name) and ("len" in target.id or "seq" in target.id)
                self.assign(frame, target, Value(labels=frozenset((LENGTH,))) if named else item)
            return
        part = element(value)
        for target in targets:
            self.assign(frame, target, part)

    def either(self, frame: Frame, first: Sequence[ast.stmt], second: Sequence[ast.stmt]) -> bool:
        """Walk both branches from the same names and join what they leave."""
        before = frame.env
        frame.env = dict(before)
        first_left = self.block(frame, first)
        after = frame.env
        frame.env = dict(before)
        second_left = self.block(frame, second)
        if first_left and not second_left:
            return False
        if second_left:
            frame.env = after
            return first_left
        for name, value in after.items():
            other = frame.env.get(name)
            if other is not value:
                frame.env[name] = value if other is None else join(value, other)
        return False

    def elements(self, frame: Frame, node: ast.expr) -> list[Value]:
        """The distinct elements of an iterable expression; one stand-in when they are not known."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id == "enumerate":
                return [Value(items=(OPAQUE, item)) for item in self.elements(frame, node.args[0])]
            if node.func.id in ("reversed", "list", "tuple", "tqdm"):
                return self.elements(frame, node.args[0])
            if node.func.id == "zip":
                columns = [self.elements(frame, arg) for arg in node.args]
                longest = max(map(len, columns))
                return [Value(items=tuple(c[i % len(c)] if c else OPAQUE for c in columns)) for i in range(longest)]
            if node.func.id == "range":
                return [OPAQUE]
        return iterate(self, self.value(frame, node))

    def value(self, frame: Frame, node: ast.expr) -> Value:
        """The abstract value of an expression."""
        self.steps += 1
        handler = EXPRESSIONS.get(type(node))
        return OPAQUE if handler is None or self.steps > _LIMIT else handler(self, frame, node)

    def load(self, frame: Frame, base: Value, name: str) -> Value:
        """`base.name`."""
        const = base.const
        if const is TENSOR or base.shape is not None:
            return tensor_attribute(self, frame, base, name)
        if is_instance(const):
            return self._member(frame, base, name)
        if base.fields is not None:
            return base.fields.get(name, Value(labels=union((base,))))
        if isinstance(const, External):
            return Value(External(f"{const.dotted}.{name}"))
        if isinstance(const, ModuleSource):
            found = const.lookup(name)
            return OPAQUE if found is None else Value(found)
        if const is ATTENTION:
            return base
        if const is UNKNOWN:
            if name in ("shape", "size"):
                return tensor_attribute(self, frame, base, name)
            return Value(labels=base.labels, cut=None)
        return self._computed(frame, const, name)

    def _computed(self, frame: Frame, const: object, name: str) -> Value:
        """An attribute of a config or another plain object, as its reader computes it."""
        key = (id(const), name)
        if key not in self.loads:
            result: object = UNKNOWN
            if frame.instance is not None and const is not None and not isinstance(const, ClassSource | FunctionSource):
                result = frame.instance.evaluate(ast.Attribute(HOLDER, name, ast.Load()), {"_holder": const})
            self.loads[key] = plain_value(result)
        return self.loads[key] or OPAQUE

    def _member(self, frame: Frame, base: Value, name: str) -> Value:
        instance: Instance = base.const  # type: ignore[assignment]
        path = f"{base.path}.{name}" if base.path else name
        if name in instance.attributes:
            found = instance.attributes[name]
            if is_instance(found):
                return Value(found, path=path)
            shape = parameter_shape(found)
            if shape is not None:
                own = base.path == frame.path
                if not own:
                    self.recorder.weight_read(base.path)
                return Value(TENSOR, frozenset((f"param:{path}",)), path=path, shape=shape)
            return plain_value(found)
        if name == "training":
            return OPAQUE
        if instance.cls is not None:
            method = instance.cls.method(name)
            if method is not None and not _is_property(method):
                return Value(Method(instance, base.path, method))
        return self._computed(frame, instance, name)


def _is_property(method: FunctionSource) -> bool:
    return any(isinstance(d, ast.Name) and d.id.endswith("property") for d in method.node.decorator_list)
