"""Other values that a config may have where a decision was taken from it, so that the other way is recorded too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshfit.readers.shipped.expressions import Expr, Unanswered, evaluate, same
from meshfit.readers.shipped.guards import leaves, loops_in
from meshfit.readers.shipped.settling import EXTRAS

__all__ = ["changed", "decided_keys", "others"]

Path = tuple[str, ...]
_KINDS: Final = 3
"""Kinds of layers in one model, at most, whose order is varied."""


def decided_keys(answers: Mapping[Expr, Any]) -> dict[Path, list[Expr]]:
    """Each value of the config that a decision was taken from -> the decisions that hang on it."""
    found: dict[Path, list[Expr]] = {}
    for expr in answers:
        for path in dict.fromkeys(leaves(expr)):
            if path and not any(part.startswith("@") and part != EXTRAS for part in path):
                found.setdefault(path, []).append(expr)
    return found


def others(
    path: Path, answers: Mapping[Expr, Any], exprs: list[Expr], values: Mapping[str, Any], hint: str
) -> Iterator[Any]:
    """Values of one key that change a decision.

    Args:
        path: the key.
        answers: what was decided.
        exprs: the decisions that hang on it.
        values: the config.
        hint: the annotation of the field, as text.
    """
    try:
        value = evaluate(("k", *path), values)
    except Unanswered:
        if all(expr[0] == "has" for expr in exprs):
            return
        value = None
    if isinstance(value, bool):
        yield not value
    elif value is None:
        yield from _set(path, values, hint)
    elif isinstance(value, str):
        yield from sorted({text for expr in exprs for text in _texts(expr)} - {value})
        if path[-1] == "rope_type" and value == "default":
            yield "yarn"
    elif isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        yield from _orders(list(value), exprs)
    elif isinstance(value, list | tuple) and value and any(expr[::2] == ("in", ("k", *path)) for expr in exprs):
        yield []
    elif isinstance(value, int | float):
        yield from _numbers(path, value, answers, exprs, values)


def _orders(kinds: list[str], exprs: list[Expr]) -> Iterator[list[str]]:
    """The same kinds of layers in the other order, and each kind alone; where there is one, with those asked for."""
    distinct = list(dict.fromkeys(kinds))
    asked = sorted({text for expr in exprs for text in _texts(expr)} - {*distinct})
    for some in [distinct] if len(distinct) > 1 else [[*distinct, text] for text in asked]:
        if len(some) <= _KINDS:
            turns = [some[number % len(some)] for number in range(len(kinds))]
            orders = (kinds[::-1], turns, turns[::-1], turns[1:] + turns[:1], *([kind] * len(kinds) for kind in some))
            yield from (order for order in map(list, dict.fromkeys(map(tuple, orders))) if order != kinds)


def _texts(expr: Expr) -> Iterator[str]:
    """What a value is compared with."""
    if expr[0] == "==":
        yield from (part for part in expr[1:] if isinstance(part, str))


def _set(path: Path, values: Mapping[str, Any], hint: str) -> Iterator[Any]:
    name = path[-1]
    if "list" in hint or "layer_types" in name:
        layers = values.get("num_hidden_layers")
        yield ["full_attention"] * layers if "layer_types" in name and type(layers) is int else []
    elif "bool" in hint:
        yield True
    elif "int" in hint:
        heads = values.get("num_attention_heads")
        yield heads // 2 if "head" in name and "dim" not in name and type(heads) is int and heads > 1 else 4
    elif "float" in hint:
        yield 0.5
    elif "Config" in hint or "dict" in hint:
        yield {}


def _numbers(
    path: Path, value: float, answers: Mapping[Expr, Any], exprs: list[Expr], values: Mapping[str, Any]
) -> Iterator[Any]:
    """Numbers that are usual elsewhere: grouped or equal heads, a head dim of its own, a feature on or off."""
    name = path[-1]
    if name == "num_key_value_heads":
        heads = next((evaluate(e, values) for e in _siblings(path, "num_attention_heads", values)), value)
        yield from dict.fromkeys(n for n in (heads, max(heads // 4, 1), 1) if n != value)
    elif name == "head_dim":
        yield value * 2
    elif any(word in name for word in _SIZE_WORDS):
        yield from _compared(path, value, answers, exprs, values)
    else:
        tries = (0, 1, 2) if type(value) is int else (0.0, 0.5)
        for expr in exprs:
            if expr[0] in ("<", "<=", "==", "bool") and type(answers[expr]) is bool:
                for candidate in tries:
                    if same(_asked(expr, values, path, candidate), not answers[expr]):
                        yield candidate
                        return


def _compared(
    path: Path, value: float, answers: Mapping[Expr, Any], exprs: list[Expr], values: Mapping[str, Any]
) -> Iterator[Any]:
    """A size that equals what it was compared with, or no longer does."""
    for expr in exprs:
        if expr[0] != "==" or ("k", *path) not in expr[1:]:
            continue
        other = expr[2] if expr[1] == ("k", *path) else expr[1]
        if isinstance(other, tuple) and not set(loops_in(other)):
            equal = value * 2 if answers[expr] else _asked(other, values, path, value)
            if type(equal) is type(value):
                yield equal
                return


_SIZE_WORDS: Final = (
    "hidden",
    "intermediate",
    "vocab",
    "num_attention_heads",
    "eps",
    "theta",
    "_dim",
    "range",
    "layers",
)


def _siblings(path: Path, name: str, values: Mapping[str, Any]) -> Iterator[Expr]:
    expr = ("k", *path[:-1], name)
    try:
        found = evaluate(expr, values)
    except Unanswered:
        return
    if type(found) is int:
        yield expr


def _asked(expr: Expr, values: Mapping[str, Any], path: Path, value: Any) -> Any:
    try:
        return evaluate(expr, changed(values, path, value))
    except Unanswered:
        return None


def changed(values: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The config with one value replaced."""
    name, *rest = path
    inner = values.get(name)
    made = changed(inner if isinstance(inner, Mapping) else {}, tuple(rest), value) if rest else value
    return {**values, name: made}
