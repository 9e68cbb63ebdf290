"""A class in a syntax tree, as a `ClassSummary`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from meshfit.readers.class_summary import MUTATORS, RELEVANT, SETTERS, ClassSummary, SummaryBuilder, declared_fields
from meshfit.readers.unknown import UNKNOWN

__all__ = ["summarise"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def summarise(node: ast.ClassDef, tree: ast.Module) -> ClassSummary:
    """What the class says of itself, and what the rest of its file does to it.

    Args:
        node: the class.
        tree: the file that holds it.
    """
    builder = SummaryBuilder(node.name)
    metaclass = next((keyword.value for keyword in node.keywords if keyword.arg == "metaclass"), None)
    builder.decorate(map(_plain_name, node.decorator_list), None if metaclass is None else _plain_name(metaclass))
    _read_body(builder, node.body, sure=True)
    for method in (child for child in ast.walk(node) if isinstance(child, _Function)):
        _read_method(builder, method)
    _read_rest(builder, node, tree)
    return builder.finish()


def _read_body(builder: SummaryBuilder, body: list[ast.stmt], *, sure: bool) -> None:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if sure:
                builder.define(node.name, _parameters(node), map(_plain_name, node.decorator_list))
            case ast.ClassDef() if sure:
                builder.nest(node.name, _declared(node) if node.name == "ModelCapabilities" else None)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                builder.doubt(node.name)
            case ast.Assign(targets=targets, value=value):
                _bind(builder, targets, value, sure=sure)
            case ast.AnnAssign(target=target, value=None):
                _doubt(builder, target)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _bind(builder, [target], value, sure=sure, annotated=True)
            case _:
                # Loops, branches, `del`, `|=`, calls: whatever they name may have changed.
                _doubt(builder, node)
                for block in _blocks(node):
                    _read_body(builder, block, sure=False)


def _bind(
    builder: SummaryBuilder, targets: list[ast.expr], value: ast.expr, *, sure: bool, annotated: bool = False
) -> None:
    _doubt(builder, value)
    for target in targets:
        if isinstance(target, ast.Name) and sure:
            builder.bind(target.id, _literal(value), annotated=annotated)
        else:
            _doubt(builder, target)


def _doubt(builder: SummaryBuilder, node: ast.AST) -> None:
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and (child.id in RELEVANT or isinstance(child.ctx, ast.Store)):
            builder.doubt(child.id)
        elif isinstance(child, ast.alias):
            builder.doubt(child.asname or child.name)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield inner.body


def _declared(node: ast.ClassDef) -> dict[str, bool] | None:
    fields: list[tuple[str, object, bool]] = []
    plain = not node.bases and not node.keywords
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value, annotation=annotation):
                in_class = "ClassVar" in ast.unparse(annotation)
                fields.append((name, UNKNOWN if in_class else _literal(value), True))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                fields.append((name, _literal(value), False))
            case ast.AnnAssign(value=None) | ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                plain = False
    marks = [(_plain_name(d), [k.arg or "?" for k in getattr(d, "keywords", ())]) for d in node.decorator_list]
    return declared_fields(fields, marks, plain=plain)


def _read_method(builder: SummaryBuilder, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = next((arg.arg for arg in (*method.args.posonlyargs, *method.args.args)), "")
    for node in ast.walk(method):
        builder.write(*(name for _, name in _written(node)))
        if method.name == "__init__" and isinstance(node, ast.Attribute):
            builder.write(node.attr)
        if method.name != "__setstate__" and _writes_anything(node, first):
            builder.obscure()


def _read_rest(builder: SummaryBuilder, cls: ast.ClassDef, tree: ast.Module) -> None:
    """What code outside the class writes onto it or its instances; what is written on another class is its own."""
    others = {"self", "cls", *(other.name for other in tree.body if isinstance(other, ast.ClassDef))} - {cls.name}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if node is not cls:
            for holder, name in _written(node):
                if not _is_named(holder, others):
                    builder.write_from_outside(name, by_name=_is_named(holder, {cls.name}))
            if _writes_anything(node, cls.name):
                builder.obscure()
            pending.extend(ast.iter_child_nodes(node))


def _is_named(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _written(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """(object, attribute) for each attribute that a node writes."""
    match node:
        case (
            ast.Attribute(value=holder, attr=name, ctx=ast.Store() | ast.Del())
            | ast.Subscript(value=ast.Attribute(value=holder, attr=name), ctx=ast.Store() | ast.Del())
        ):
            yield holder, name
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=holder, attr=name), attr=method)) if (
            method in MUTATORS
        ):
            yield holder, name
        case ast.Call(func=function, args=[*args]) if _plain_name(function) in SETTERS:
            holder = args[0] if isinstance(function, ast.Name) or len(args) > 2 else function
            yield from ((holder, a.value) for a in args if isinstance(a, ast.Constant) and isinstance(a.value, str))
        case _:
            pass


def _writes_anything(node: ast.AST, owner: str) -> bool:
    """Whether a node writes attributes of `owner` by names that are computed."""
    match node:
        case ast.Call(func=function, args=[ast.Name(id=name), key, *_]) if name == owner:
            return _plain_name(function) in SETTERS and not isinstance(key, ast.Constant)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[key, *_]) if name == owner:
            return method in SETTERS and not isinstance(key, ast.Constant)
        case ast.Call(func=ast.Attribute(value=holder, attr=method)) if method in MUTATORS:
            return _is_namespace(holder, owner)
        case ast.Subscript(value=holder, ctx=ast.Store()):
            return _is_namespace(holder, owner)
        case _:
            return False


def _is_namespace(node: ast.expr, owner: str) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="__dict__"):
            return name == owner
        case ast.Call(func=ast.Name(id="vars"), args=[ast.Name(id=name)]):
            return name == owner
        case _:
            return False


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    spec = node.args
    yield from (arg.arg for arg in (*spec.posonlyargs, *spec.args))
    if spec.vararg is not None:
        yield f"*{spec.vararg.arg}"
    yield from (arg.arg for arg in spec.kwonlyargs)
    if spec.kwarg is not None:
        yield f"**{spec.kwarg.arg}"


def _plain_name(node: ast.expr) -> str:
    """`no_grad` of `@torch.no_grad()`."""
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN
