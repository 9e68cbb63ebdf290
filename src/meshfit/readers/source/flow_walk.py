"""Walking forward bodies: statements and expressions over `Value`s, module calls followed by their own source.

Branches whose test is known are taken alone, others are both taken and joined; loops run once per distinct element.
What a call does to its arguments is decided in `flow_calls`; what is worth remembering, by the recorder.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from meshfit.readers.source import flow_calls as calls
from meshfit.readers.source.flow_record import Recorder
from meshfit.readers.source.flow_shapes import shape_items
from meshfit.readers.source.flow_values import (
    ATTENTION,
    EMPTY,
    LENGTH,
    NOTHING,
    OPAQUE,
    SHAPE,
    TENSOR,
    Value,
    is_instance,
    join,
    parameter_shape,
    tensor,
    union,
)
from meshfit.readers.source.index import Assignment, ClassSource, External, FunctionSource, ModuleSource
from meshfit.readers.source.values import UNKNOWN, Instance

__all__ = ["Frame", "Walk"]

_CONTAINERS: Final = frozenset({"ModuleList", "ModuleDict"})
_LIMIT: Final = 60_000
_DEPTH: Final = 24


class Frame:
    """One running function: its names, whose method it is and the path of that module."""

    __slots__ = ("caught", "depth", "env", "function", "instance", "path", "returned")

    def __init__(self, function: FunctionSource, instance: Instance | None, path: str, depth: int) -> None:
        self.function = function
        self.instance = instance
        self.path = path
        self.depth = depth
        self.env: dict[str, Value] = {}
        self.returned: Value | None = None
        self.caught: dict[str, Value] | None = None


class Walk:
    """One walk over a model, from the forward of its root."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.steps = 0
        self.loads: dict[tuple[int, str], Value | None] = {}
        self.calls: dict[object, Value] = {}
        self.active: set[tuple[int, int]] = set()

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

    # statements

    def block(self, frame: Frame, body: Sequence[ast.stmt]) -> bool:
        """Walk statements in order; True when they always leave (return, raise, continue, break)."""
        for node in body:
            self.steps += 1
            if self.steps > _LIMIT:
                return True
            handler = _STATEMENTS.get(type(node))
            if handler is not None and handler(self, frame, node):
                return True
        return False

    def assign_statement(self, frame: Frame, node: ast.Assign) -> None:
        value = self.value(frame, node.value)
        for target in node.targets:
            self.assign(frame, target, value)

    def annotated(self, frame: Frame, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(frame, node.target, self.value(frame, node.value))

    def augmented(self, frame: Frame, node: ast.AugAssign) -> None:
        left = self.value(frame, node.target)
        right = self.value(frame, node.value)
        if left.alias and left.const is TENSOR:
            self.recorder.changed_in_place(left)
        result = calls.combine(self, frame, (left, right))
        self.assign(
            frame, node.target, Value(result.const, result.labels, alias=left.alias, cut=result.cut), store=False
        )

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
                    calls.item_assigned(self, frame, holder)
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
                self.assign(frame, target, item)
            return
        part = calls.element(value)
        for target in targets:
            self.assign(frame, target, part)

    def expression_statement(self, frame: Frame, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(frame, node.value)

    def if_statement(self, frame: Frame, node: ast.If) -> bool:
        truth = self.value(frame, node.test).truth
        if truth is not None:
            return self.block(frame, node.body if truth else node.orelse)
        return self.either(frame, node.body, node.orelse)

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

    def for_statement(self, frame: Frame, node: ast.For) -> None:
        for item in self.elements(frame, node.iter):
            self.assign(frame, node.target, item)
            self.block(frame, node.body)
        self.block(frame, node.orelse)

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
        return calls.iterate(self, self.value(frame, node))

    def while_statement(self, frame: Frame, node: ast.While) -> None:
        if self.value(frame, node.test).truth is not False:
            self.either(frame, node.body, [])

    def with_statement(self, frame: Frame, node: ast.With) -> bool:
        for item in node.items:
            value = self.value(frame, item.context_expr)
            if item.optional_vars is not None:
                self.assign(frame, item.optional_vars, value)
        return self.block(frame, node.body)

    def try_statement(self, frame: Frame, node: ast.Try) -> bool:
        left = self.block(frame, node.body)
        return self.block(frame, node.finalbody) or left

    def return_statement(self, frame: Frame, node: ast.Return) -> bool:
        value = NOTHING if node.value is None else self.value(frame, node.value)
        frame.returned = value if frame.returned is None else join(frame.returned, value)
        return True

    def leave(self, _frame: Frame, _node: ast.stmt) -> bool:
        return True

    def nested_function(self, frame: Frame, node: ast.FunctionDef) -> None:
        frame.env[node.name] = Value(FunctionSource(node, frame.function.module, frame.function.owner))

    # expressions

    def value(self, frame: Frame, node: ast.expr) -> Value:
        """The abstract value of an expression."""
        self.steps += 1
        handler = _EXPRESSIONS.get(type(node))
        return OPAQUE if handler is None or self.steps > _LIMIT else handler(self, frame, node)

    def constant(self, _frame: Frame, node: ast.Constant) -> Value:
        return Value(node.value)

    def name(self, frame: Frame, node: ast.Name) -> Value:
        found = frame.env.get(node.id)
        if found is not None:
            return found
        if node.id == "self" and frame.instance is not None:
            return Value(frame.instance, path=frame.path)
        if node.id == "ALL_ATTENTION_FUNCTIONS":
            return Value(ATTENTION)
        defined = frame.function.module.lookup(node.id)
        if isinstance(defined, Assignment):
            return Value(defined.value.value) if isinstance(defined.value, ast.Constant) else OPAQUE
        return OPAQUE if defined is None else Value(defined)

    def attribute(self, frame: Frame, node: ast.Attribute) -> Value:
        if node.attr in _ABOUT:
            return OPAQUE
        if node.attr == "shape" and isinstance(node.value, ast.Attribute) and node.value.attr in ("weight", "bias"):
            return Value(SHAPE)
        return self.load(frame, self.value(frame, node.value), node.attr)

    def load(self, frame: Frame, base: Value, name: str) -> Value:
        """`base.name`."""
        const = base.const
        if const is TENSOR or base.shape is not None:
            return calls.tensor_attribute(self, frame, base, name)
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
                return calls.tensor_attribute(self, frame, base, name)
            return Value(labels=base.labels, cut=None)
        return self._computed(frame, const, name)

    def _computed(self, frame: Frame, const: object, name: str) -> Value:
        """An attribute of a config or another plain object, as its reader computes it."""
        key = (id(const), name)
        if key not in self.loads:
            result: object = UNKNOWN
            if frame.instance is not None and const is not None and not isinstance(const, ClassSource | FunctionSource):
                result = frame.instance.evaluate(ast.Attribute(_HOLDER, name, ast.Load()), {"_holder": const})
            self.loads[key] = _plain(result)
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
            return _plain(found)
        if name == "training":
            return OPAQUE
        if instance.cls is not None:
            method = instance.cls.method(name)
            if method is not None and not _is_property(method):
                return Value(calls.Method(instance, base.path, method))
        return self._computed(frame, instance, name)

    def subscript(self, frame: Frame, node: ast.Subscript) -> Value:
        return calls.item(self, frame, self.value(frame, node.value), node.slice)

    def binary(self, frame: Frame, node: ast.BinOp) -> Value:
        left, right = self.value(frame, node.left), self.value(frame, node.right)
        if isinstance(left.const, int | float) and isinstance(right.const, int | float):
            number = calls.arithmetic(node.op, left.const, right.const)
            return Value(number, left.labels | right.labels)
        if left.items is not None and right.items is not None and isinstance(node.op, ast.Add):
            return Value(items=left.items + right.items)
        if TENSOR not in (left.const, right.const):
            return Value(labels=left.labels | right.labels)
        return calls.combine(self, frame, (left, right))

    def unary(self, frame: Frame, node: ast.UnaryOp) -> Value:
        value = self.value(frame, node.operand)
        if isinstance(node.op, ast.Not):
            truth = value.truth
            return Value(labels=value.labels) if truth is None else Value(not truth)
        if isinstance(node.op, ast.USub) and isinstance(value.const, int | float):
            return Value(-value.const)
        return Value(value.const if value.const is TENSOR else UNKNOWN, value.labels, cut=value.cut)

    def boolean(self, frame: Frame, node: ast.BoolOp) -> Value:
        stops = isinstance(node.op, ast.Or)
        result: Value | None = None
        for part in node.values:
            value = self.value(frame, part)
            result = value if result is None else join(result, value)
            if value.truth is stops:
                return value if result is value or stops is False else join(result, value)
            if value.truth is not None and part is not node.values[-1]:
                result = None
        return result if result is not None else OPAQUE

    def compare(self, frame: Frame, node: ast.Compare) -> Value:
        left = self.value(frame, node.left)
        rights = [self.value(frame, comparator) for comparator in node.comparators]
        if len(rights) == 1:
            answer = calls.compared(node.ops[0], left, rights[0])
            if answer is not None:
                return Value(answer)
        values = (left, *rights)
        const = TENSOR if any(v.const is TENSOR for v in values) else UNKNOWN
        return Value(const, union(values) - {LENGTH})

    def conditional(self, frame: Frame, node: ast.IfExp) -> Value:
        truth = self.value(frame, node.test).truth
        if truth is not None:
            return self.value(frame, node.body if truth else node.orelse)
        return join(self.value(frame, node.body), self.value(frame, node.orelse))

    def sequence(self, frame: Frame, node: ast.Tuple | ast.List) -> Value:
        items: list[Value] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                value = self.value(frame, element.value)
                items.extend(value.items if value.items is not None else (calls.element(value),))
            else:
                items.append(self.value(frame, element))
        return Value(items=tuple(items))

    def mapping(self, frame: Frame, node: ast.Dict) -> Value:
        fields: dict[str, Value] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(frame, item)
            if key is None:
                fields.update(value.fields or {})
            else:
                name = self.value(frame, key).const
                fields[name if isinstance(name, str) else f"?{len(fields)}"] = value
        return Value(fields=fields)

    def walrus(self, frame: Frame, node: ast.NamedExpr) -> Value:
        value = self.value(frame, node.value)
        frame.env[node.target.id] = value
        return value

    def comprehension(self, frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        outer = frame.env
        frame.env = dict(outer)
        results: list[Value] = []
        for item in self.elements(frame, node.generators[0].iter):
            self.assign(frame, node.generators[0].target, item)
            for more in node.generators[1:]:
                self.assign(frame, more.target, calls.element(self.value(frame, more.iter)))
            results.append(self.value(frame, node.value if isinstance(node, ast.DictComp) else node.elt))
        frame.env = outer
        if isinstance(node, ast.DictComp):
            return Value(fields={f"?{i}": value for i, value in enumerate(results)})
        joined = results[0] if results else OPAQUE
        for value in results[1:]:
            joined = join(joined, value)
        return Value(labels=union(results), alias=joined.alias, fields={"?": joined})

    def starred(self, frame: Frame, node: ast.Starred) -> Value:
        return self.value(frame, node.value)

    def call(self, frame: Frame, node: ast.Call) -> Value:
        return calls.call(self, frame, node)


_ABOUT: Final = frozenset({"dtype", "device", "ndim", "requires_grad", "is_cuda", "is_meta"})
"""Attributes that say something about a tensor without reading it."""
_HOLDER: Final = ast.Name("_holder", ast.Load())


def _plain(found: object) -> Value:
    """The value of an attribute that is neither module nor parameter."""
    if found is UNKNOWN:
        return OPAQUE
    if type(found).__name__ == "Tensor":
        return tensor(EMPTY)
    if isinstance(found, tuple | list) and len(found) <= 64:
        return Value(found, items=tuple(_plain(item) for item in found))
    return Value(found)


def _is_property(method: FunctionSource) -> bool:
    return any(isinstance(d, ast.Name) and d.id.endswith("property") for d in method.node.decorator_list)


_STATEMENTS: Final[dict[type[ast.stmt], Callable[..., object]]] = {
    ast.Assign: Walk.assign_statement,
    ast.AnnAssign: Walk.annotated,
    ast.AugAssign: Walk.augmented,
    ast.Expr: Walk.expression_statement,
    ast.If: Walk.if_statement,
    ast.For: Walk.for_statement,
    ast.While: Walk.while_statement,
    ast.With: Walk.with_statement,
    ast.Try: Walk.try_statement,
    ast.Return: Walk.return_statement,
    ast.Raise: Walk.leave,
    ast.Continue: Walk.leave,
    ast.Break: Walk.leave,
    ast.FunctionDef: Walk.nested_function,
}
_EXPRESSIONS: Final[dict[type[ast.expr], Callable[..., Value]]] = {
    ast.Constant: Walk.constant,
    ast.Name: Walk.name,
    ast.Attribute: Walk.attribute,
    ast.Subscript: Walk.subscript,
    ast.BinOp: Walk.binary,
    ast.UnaryOp: Walk.unary,
    ast.BoolOp: Walk.boolean,
    ast.Compare: Walk.compare,
    ast.IfExp: Walk.conditional,
    ast.Tuple: Walk.sequence,
    ast.List: Walk.sequence,
    ast.Dict: Walk.mapping,
    ast.NamedExpr: Walk.walrus,
    ast.ListComp: Walk.comprehension,
    ast.SetComp: Walk.comprehension,
    ast.GeneratorExp: Walk.comprehension,
    ast.DictComp: Walk.comprehension,
    ast.Starred: Walk.starred,
    ast.Call: Walk.call,
}
