"""Walks a forward body as one pipeline stage runs it, following locals instead of matching statements.

A walk runs in one of three modes: `whole` (one process: every layer real, `input_ids` given), `first` (the stage that
holds the first layers, the rest and the norm replaced) and `later` (the stage that holds the last layers and receives
the hidden state as `inputs_embeds`, without `input_ids`). Branches on values that are not known are walked both ways.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from meshfit.readers.source import pipeline_expressions, pipeline_iteration
from meshfit.readers.source.pipeline_values import (
    NEUTRAL,
    NONE,
    Carried,
    Cause,
    Frame,
    Known,
    Mod,
    Opaque,
    Seq,
    Table,
    Value,
    cause_of,
    join,
    join_scopes,
    labels,
    truth,
)

if TYPE_CHECKING:
    from meshfit.readers.source.values import Instance

__all__ = ["Mode", "Walk", "WalkLimitError"]

Mode = Literal["whole", "first", "later"]
Signal = Literal["", "return", "raise", "loop"]
"""How a block ended: by falling through, or by leaving the function, the path or the loop body."""

STEPS: Final = 400_000
"""Nodes evaluated before a walk gives up; the longest real forward takes a twentieth."""


class WalkLimitError(Exception):
    """The walk took more steps than any forward should."""


class Walk:
    """The state of one walk: the scenario, what was found, and how far the layers have come."""

    def __init__(self, mode: Mode, model: Instance, base: Instance, layers: Sequence[Mod]) -> None:
        self.mode = mode
        self.model = model
        self.base = base
        self.layers = layers
        self.faults: list[tuple[str, str]] = []
        self.undecided = False
        self.version = 0
        self.calls: dict[int, int] = {}
        self.current_layer: int | None = None
        self.shared: dict[int, tuple[Value, set[tuple[str, int]]]] = {}
        self.layer_where = ""
        self.forms: dict[int, int | None] = {}
        self.followed: dict[int, list[int | None]] = {}
        self.overlay: dict[tuple[int, str], Value] = {}
        self.raised: bool = False
        self.embedded: Opaque | None = None
        self.stub_last = False
        self._steps = 0

    def fault(self, kind: str, where: str) -> None:
        """Record a cause once."""
        if (kind, where) not in self.faults:
            self.faults.append((kind, where))

    def where(self, frame: Frame, node: ast.AST) -> str:
        """`modeling_x.py:42` of a node of the running function."""
        return f"{frame.module.path.name}:{getattr(node, 'lineno', 0)}"

    def spoil(self, frame: Frame, node: ast.AST, operation: str, *values: Value) -> Opaque:
        """The result of an operation nobody needs to know, with everything it was computed from."""
        where = self.where(frame, node)
        causes = [c for c in (cause_of(v, operation, where) for v in values) if c is not None]
        maybe = any(isinstance(v, Opaque) and v.maybe for v in values)
        found = frozenset().union(*(labels(v) for v in values)) if values else frozenset()
        return Opaque(found, cause=causes[0] if causes else None, maybe=maybe)

    def evaluate(self, frame: Frame, node: ast.expr) -> Value:
        """The value of an expression."""
        self._steps += 1
        if self._steps > STEPS:
            raise WalkLimitError
        return pipeline_expressions.evaluate(self, frame, node)

    # statements

    def block(self, frame: Frame, body: Sequence[ast.stmt]) -> Signal:
        """Run statements until one of them leaves."""
        for statement in body:
            handler = _STATEMENTS.get(type(statement))
            signal: Signal = handler(self, frame, statement) if handler is not None else ""
            if signal:
                return signal
        return ""

    def expression(self, frame: Frame, node: ast.Expr) -> Signal:
        """A bare expression, for what it changes."""
        self.evaluate(frame, node.value)
        return ""

    def assignment(self, frame: Frame, node: ast.Assign) -> Signal:
        """`a = b = value`."""
        value = self.evaluate(frame, node.value)
        for target in node.targets:
            self.bind(frame, target, value)
        return ""

    def annotated(self, frame: Frame, node: ast.AnnAssign) -> Signal:
        """`a: T = value`."""
        if node.value is not None:
            self.bind(frame, node.target, self.evaluate(frame, node.value))
        return ""

    def augmented(self, frame: Frame, node: ast.AugAssign) -> Signal:
        """`a += value`, computed as `a = a + value`."""
        loaded = ast.copy_location(_as_load(node.target), node.target)
        self.bind(
            frame, node.target, self.evaluate(frame, ast.copy_location(ast.BinOp(loaded, node.op, node.value), node))
        )
        return ""

    def bind(self, frame: Frame, target: ast.expr, value: Value) -> None:
        """Store a value where a target says."""
        match target:
            case ast.Name():
                frame.env[target.id] = value
            case ast.Starred():
                self.bind(frame, target.value, Seq([value], "list"))
            case ast.Tuple() | ast.List():
                items = self.unpack(frame, target, value)
                for element, item in zip(target.elts, items, strict=True):
                    self.bind(frame, element, item)
            case ast.Subscript():
                self.store_item(frame, target, value)
            case ast.Attribute():
                owner = self.evaluate(frame, target.value)
                if isinstance(owner, Mod):
                    self.overlay[id(owner.instance), target.attr] = value

    def unpack(self, frame: Frame, target: ast.Tuple | ast.List, value: Value) -> list[Value]:
        """One value for each target; the bare tensor that a replaced layer passes on cannot be unpacked."""
        count = len(target.elts)
        items = pipeline_iteration.items(self, value)
        if items is not None and len(items) == count and not any(isinstance(e, ast.Starred) for e in target.elts):
            return items
        if isinstance(value, Carried):
            self.fault("unpacks-layer-output", self.where(frame, target))
            return [value, *[NEUTRAL] * (count - 1)]
        maybe = isinstance(value, Opaque) and value.maybe
        return [Opaque(labels(value), none=None, maybe=maybe) for _ in range(count)]

    def store_item(self, frame: Frame, target: ast.Subscript, value: Value) -> None:
        """`holder[key] = value`."""
        holder = self.evaluate(frame, target.value)
        key = self.evaluate(frame, target.slice)
        if isinstance(holder, Table):
            self.touch(holder, "write")
            if isinstance(key, Known):
                pipeline_iteration.put(holder, key.value, value, certain=frame.certain)
            else:
                holder.rest = value if holder.rest is None else join(holder.rest, value)
        elif isinstance(holder, Seq):
            self.touch(holder, "write")
            holder.items[:] = [join(item, value) for item in holder.items]
        elif isinstance(holder, Carried | Opaque):
            self.bind(frame, _as_store(target.value), self.spoil(frame, target, "overwrites", holder, value))

    def touch(self, holder: Value, action: str) -> None:
        """Note that a layer read or wrote a container that outlives it."""
        if self.current_layer is not None:
            self.shared.setdefault(id(holder), (holder, set()))[1].add((action, self.current_layer))

    def branch(self, frame: Frame, node: ast.If) -> Signal:
        """`if`: one side when the condition is known, both and a join when it is not."""
        decided = truth(self.evaluate(frame, node.test))
        if decided is not None:
            return self.block(frame, node.body if decided else node.orelse)
        before, certain = dict(frame.env), frame.certain
        frame.certain = False
        first = self.block(frame, node.body)
        taken = frame.env
        frame.env = before
        second = self.block(frame, node.orelse)
        frame.certain = certain
        if first and second:
            return "return" if "return" in (first, second) else first
        if first:
            return ""
        frame.env = taken if second else join_scopes(taken, frame.env)
        return ""

    def loop(self, frame: Frame, node: ast.For) -> Signal:
        """`for`: once per known element, else once with an element nobody knows."""
        iterable = self.evaluate(frame, node.iter)
        found = pipeline_iteration.items(self, iterable)
        if found is not None:
            for item in found:
                self.bind(frame, node.target, item)
                signal = self.block(frame, node.body)
                if signal in ("return", "raise"):
                    return signal
            return ""
        before, certain = dict(frame.env), frame.certain
        frame.certain = False
        self.bind(frame, node.target, Opaque(labels(iterable), none=None))
        self.block(frame, node.body)
        frame.certain = certain
        frame.env = join_scopes(before, frame.env)
        return ""

    def repeat(self, frame: Frame, node: ast.While) -> Signal:
        """`while`: its body once, as a branch that may not be taken."""
        return self.branch(frame, ast.copy_location(ast.If(node.test, node.body, []), node))

    def attempt(self, frame: Frame, node: ast.Try) -> Signal:
        """`try`: the body succeeds."""
        return self.block(frame, [*node.body, *node.orelse, *node.finalbody])

    def context(self, frame: Frame, node: ast.With) -> Signal:
        """`with`: the body, its context manager ignored."""
        for item in node.items:
            entered = self.evaluate(frame, item.context_expr)
            if item.optional_vars is not None:
                self.bind(frame, item.optional_vars, Opaque(labels(entered), none=None))
        return self.block(frame, node.body)

    def leave(self, frame: Frame, node: ast.Return) -> Signal:
        """`return`."""
        frame.returns.append(NONE if node.value is None else self.evaluate(frame, node.value))
        return "return"

    def fail(self, frame: Frame, _node: ast.Raise) -> Signal:
        """`raise`: the end of the path; of the stage when the path is certain."""
        if frame.certain:
            self.raised = True
        return "raise"

    def nested(self, frame: Frame, node: ast.FunctionDef) -> Signal:
        """A local function is a value that nobody follows."""
        frame.env[node.name] = Opaque(none=False)
        return ""

    def skip_loop(self, _frame: Frame, _node: ast.stmt) -> Signal:
        """`break` and `continue`: the rest of the loop body is left."""
        return "loop"

    def forget(self, frame: Frame, node: ast.Delete) -> Signal:
        """`del name`."""
        for target in node.targets:
            if isinstance(target, ast.Name):
                frame.env.pop(target.id, None)
        return ""

    # results

    def arrived(self, value: Value) -> bool:
        """Whether a value is the carried hidden state as it now stands."""
        return isinstance(value, Carried) and value.version == self.version

    def from_layer(self, value: Carried) -> bool:
        """Whether a value is what a replaced layer just passed on."""
        return self.stub_last and value.version == self.version

    def blame(self, value: Value) -> Cause | None:
        """The operation that made `value` differ from the carried state, if one is known."""
        return value.cause if isinstance(value, Opaque) else None


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name():
            return ast.Name(target.id, ast.Load())
        case ast.Attribute():
            return ast.Attribute(target.value, target.attr, ast.Load())
        case ast.Subscript():
            return ast.Subscript(target.value, target.slice, ast.Load())
        case _:
            return target


def _as_store(target: ast.expr) -> ast.expr:
    return target if isinstance(target, ast.Name | ast.Attribute) else ast.Name("_", ast.Store())


_STATEMENTS: Final[dict[type[ast.stmt], Callable[[Walk, Frame, ast.stmt], Signal]]] = {
    ast.Expr: Walk.expression,  # type: ignore[dict-item]
    ast.Assign: Walk.assignment,  # type: ignore[dict-item]
    ast.AnnAssign: Walk.annotated,  # type: ignore[dict-item]
    ast.AugAssign: Walk.augmented,  # type: ignore[dict-item]
    ast.If: Walk.branch,  # type: ignore[dict-item]
    ast.For: Walk.loop,  # type: ignore[dict-item]
    ast.While: Walk.repeat,  # type: ignore[dict-item]
    ast.Try: Walk.attempt,  # type: ignore[dict-item]
    ast.With: Walk.context,  # type: ignore[dict-item]
    ast.Return: Walk.leave,  # type: ignore[dict-item]
    ast.Raise: Walk.fail,  # type: ignore[dict-item]
    ast.FunctionDef: Walk.nested,  # type: ignore[dict-item]
    ast.Break: Walk.skip_loop,
    ast.Continue: Walk.skip_loop,
    ast.Delete: Walk.forget,  # type: ignore[dict-item]
}
