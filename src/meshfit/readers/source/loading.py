r"""What a checkpoint leaves out and transformers does not set on a model that FSDP2 has wrapped.

`from_pretrained` builds the model on the meta device, wraps it, reads the checkpoint, and lets `_init_weights` set what
the checkpoint did not hold. Two ways in which that goes wrong on ranks and not in one process:

- `buffer-left-empty` (silent): FSDP2 renames the class of the model, so that transformers takes it for custom code and
  passes over every module whose own parameters and buffers have all been loaded. A module that has none of its own
  counts as such a one: what it would set in modules below it keeps what the memory held. Only buffers that are not
  persistent are concerned, everything else is in the checkpoint.
- `plain-tensor-into-weight` (clean): a weight named in `_keys_to_ignore_on_save` is not in the checkpoint, and
  `init.copy_` of a plain tensor into it meets a distributed one.

Source: transformers 5.23 modeling_utils.py (`_move_missing_keys_from_meta_to_device`, `_initialize_weights`,
`is_custom_code`, `save_pretrained`), initialization.py; torch 2.13 distributed/fsdp/_fully_shard/_fully_shard.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from meshfit.readers.layer_names import wildcard
from meshfit.readers.source.flow_values import is_instance
from meshfit.readers.source.index import FunctionSource
from meshfit.readers.source.values import UNKNOWN, Instance, Param, Tensor, Unknown

__all__ = ["loading_faults"]

_BASE: Final = ".PreTrainedModel"
_EACH: Final = "*"


class _Write(NamedTuple):
    """One call `init.name(target, ...)` in `_init_weights`.

    Args:
        classes: of the modules it is made for.
        name: of the function.
        path: the attributes that lead from such a module to the target, `*` for every entry of a list.
    """

    classes: tuple[str, ...]
    name: str
    path: tuple[str, ...]


class _Place(NamedTuple):
    """A module of the model, its name, and what the `_init_weights` of the model that holds it does."""

    name: str
    module: Instance
    writes: tuple[_Write, ...]


def loading_faults(model: Instance) -> tuple[tuple[str, str], ...] | Unknown:
    """What is not set in `model` when its checkpoint is read onto ranks: (kind, parameter or buffer), in order.

    UNKNOWN when the class is none of transformers' models, or its source is not to be had.
    """
    if not _is_pretrained(model):
        return UNKNOWN
    places = list(_places(model, "", (), set()))
    set_by_owner = {(id(p.module), w.path[0]) for p in places for w in _writes_to(p) if len(w.path) == 1}
    found: dict[tuple[str, str], None] = {}
    for place in places:
        if _is_passed_over(place.module):
            for write in _writes_to(place):
                for name, owner in _leading(place, write.path):
                    kept = owner.attributes.get(write.path[-1])
                    if _is_fleeting(kept) and (id(owner), write.path[-1]) not in set_by_owner:
                        found["buffer-left-empty", wildcard(f"{name}.{write.path[-1]}")] = None
    left_out = set(_left_out(model, ""))
    for place in places:
        for write in _writes_to(place):
            name = f"{place.name}.{write.path[0]}"
            if write.name == "copy_" and len(write.path) == 1 and name in left_out:
                found["plain-tensor-into-weight", wildcard(name)] = None
    return tuple(found)


def _is_pretrained(module: Instance) -> bool:
    return module.cls is not None and any(base.endswith(_BASE) for base in module.cls.external_bases)


def _places(module: Instance, name: str, above: tuple[_Write, ...], seen: set[int]) -> Iterator[_Place]:
    """Every module once; a pretrained model in it initialises what it holds by its own method."""
    if id(module) in seen:
        return
    seen.add(id(module))
    writes = tuple(_written(module)) if _is_pretrained(module) else above
    yield _Place(name, module, writes)
    for attribute, child in module.attributes.items():
        if is_instance(child):
            yield from _places(child, f"{name}.{attribute}" if name else attribute, writes, seen)


def _writes_to(place: _Place) -> Iterator[_Write]:
    """The writes that are made for this module."""
    cls = place.module.cls
    if cls is not None:
        names = {base.name for base in cls.mro}
        yield from (write for write in place.writes if names.intersection(write.classes))


def _is_passed_over(module: Instance) -> bool:
    """Whether nothing of the module's own is missing from the checkpoint; one without anything of its own counts."""
    return not any(_is_fleeting(value) for value in module.attributes.values())


def _is_fleeting(value: object) -> bool:
    return isinstance(value, Tensor) and not value.persistent


def _leading(place: _Place, path: tuple[str, ...]) -> Iterator[tuple[str, Instance]]:
    """The modules below a place, with their names, that a path of two and more attributes leads to."""
    reached = [(place.name, place.module)] if len(path) > 1 else []
    for attribute in path[:-1]:
        reached = [
            (f"{name}.{key}" if name else key, child)
            for name, module in reached
            for key, child in module.attributes.items()
            if is_instance(child) and (key.isdigit() if attribute == _EACH else key == attribute)
        ]
    yield from reached


def _left_out(module: Instance, name: str) -> Iterator[str]:
    """The parameters that saving leaves out: named by the model itself, or by a child of it."""
    found = module.cls.find("_keys_to_ignore_on_save") if module.cls is not None else None
    value = getattr(found[0], "value", None) if found is not None else None
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        for item in value.elts:
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                full = f"{name}.{item.value}" if name else item.value
                if isinstance(_at(module, item.value), Param):
                    yield full
    for attribute, child in module.attributes.items():
        if is_instance(child) and _is_pretrained(child):
            yield from _left_out(child, f"{name}.{attribute}" if name else attribute)


def _at(module: Instance, name: str) -> object:
    found: object = module
    for part in name.split("."):
        found = found.attributes.get(part) if is_instance(found) else None
    return found


def _written(model: Instance) -> Iterator[_Write]:
    """The writes of a model's `_init_weights`, those of its bases that it calls included."""
    method = model.cls.method("_init_weights") if model.cls is not None else None
    while method is not None:
        parameters = method.node.args.args
        if len(parameters) > 1:
            yield from _branches(method.node.body, parameters[1].arg)
        method = model.cls.method("_init_weights", method.owner) if _calls_super(method) and model.cls else None


def _calls_super(method: FunctionSource) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "_init_weights"
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "super"
        for node in ast.walk(method.node)
    )


def _branches(body: list[ast.stmt], module: str) -> Iterator[_Write]:
    """The writes below every `if isinstance(module, ...)`."""
    for node in body:
        if isinstance(node, ast.If):
            classes = tuple(_tested(node.test, module))
            if classes:
                yield from _calls(node.body, classes, {module: ()})
            yield from _branches(node.orelse, module)


def _tested(test: ast.expr, module: str) -> Iterator[str]:
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kinds]) if name == module:
            options = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
            yield from (option.id for option in options if isinstance(option, ast.Name))


def _calls(body: list[ast.stmt], classes: tuple[str, ...], paths: dict[str, tuple[str, ...]]) -> Iterator[_Write]:
    """The writes of statements that always run, under names that stand for modules."""
    for node in body:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="init"), attr=name), args=[target, *_])):
                path = _path(target, paths)
                if path:
                    yield _Write(classes, name, path)
            case ast.For(target=ast.Name(id=variable), iter=holder):
                path = _path(holder, paths)
                if path:
                    yield from _calls(node.body, classes, {**paths, variable: (*path, _EACH)})


def _path(node: ast.expr, paths: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """`layer.mamba.vector` as the attributes that lead there from the module; None for anything else."""
    if isinstance(node, ast.Name):
        return paths.get(node.id)
    if isinstance(node, ast.Attribute):
        above = _path(node.value, paths)
        return None if above is None else (*above, node.attr)
    return None
