"""The models an expression may be: their classes, and their sizes where source or a checkpoint folder tells them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import ARG_NAMED, ARG_POS, CallExpr, MemberExpr, NameExpr, RefExpr, SuperExpr, TypeInfo, Var
from mypy.types import AnyType, CallableType, Instance, NoneType, ProperType, UnionType, get_proper_type

from meshfit.errors import MeshfitError
from meshfit.readers.class_summary import RELEVANT
from meshfit.readers.unknown import has_unknown
from meshfit_mypy.bindings import ANY, OPAQUE
from meshfit_mypy.class_facts import facts_of_type, is_concrete, is_model, with_config
from meshfit_mypy.class_writes import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy.nodes import Expression
    from mypy.types import Type

    from meshfit.facts import ModelFacts
    from meshfit_mypy import MeshfitPlugin
    from meshfit_mypy.expressions import Reader

__all__ = ["Candidate", "possible_models", "pretrained_models"]

_BASES: Final = frozenset(
    {
        "meshfit.capability.CapabilityMixin",
        "torch.nn.modules.module.Module",
        "transformers.modeling_utils.PreTrainedModel",
    }
)
"""What everything derives from: nobody builds one, so a parameter of it says nothing."""

_PROTOCOLS: Final = {f"meshfit.protocols.Supports{axis.upper()}": axis for axis in ("tp", "pp", "cp", "ep")}

_OPEN: Final = (None, OPAQUE)
"""A write onto an object of which nothing is known, of a value that is not known."""

_HARMLESS: Final = frozenset(
    {
        *("dtype", "torch_dtype", "device_map", "token", "cache_dir", "revision", "local_files_only", "force_download"),
        *("low_cpu_mem_usage", "use_safetensors", "variant", "subfolder", "max_memory", "offload_folder"),
        *("distributed_config", "tp_plan", "tp_size", "device_mesh", "trust_remote_code", "weights_only"),
    }
)
"""Keywords of `from_pretrained` that change no fact; any other may override a value of the config."""


class Candidate:
    """A model that may reach the call.

    Args:
        facts: what is known of it.
        granted: axes that an `isinstance(model, SupportsTP)` above the call has settled.
    """

    __slots__ = ("facts", "granted")

    def __init__(self, facts: ModelFacts, granted: frozenset[str] = frozenset()) -> None:
        self.facts = facts
        self.granted = granted


def possible_models(
    expr: Expression, type_: Type | None, reader: Reader, plugin: MeshfitPlugin
) -> tuple[Candidate, ...] | None:
    """Every model that `expr` may be, None where that is not known.

    Args:
        expr: the receiver of the call, or the first argument.
        type_: its type.
        reader: reads the file.
        plugin: for the options and the loaded modules.
    """
    proper = None if type_ is None else get_proper_type(type_)
    if proper is None or isinstance(proper, AnyType) or _is_own(expr):
        return None
    built = _built(expr, reader, plugin)
    if built is None and plugin.settings.parameters:
        built = _typed(proper, plugin)
    if not built or any(_is_written(info, reader) for info, _ in built) or _stores(expr, RELEVANT, reader):
        return None
    granted = frozenset(axis for info in _classes(proper) or () for axis in _granted(info))
    return tuple(Candidate(facts, granted) for _, facts in built)


def pretrained_models(call: CallExpr, reader: Reader, plugin: MeshfitPlugin) -> tuple[Candidate, ...] | None:
    """What `A.from_pretrained(...)` makes, None where the class is not known."""
    built = _loaded(call, reader, plugin, sized=True)
    if not built or any(_is_written(info, reader) for info, _ in built):
        return None
    return tuple(Candidate(facts) for _, facts in built)


def _is_written(info: TypeInfo, reader: Reader) -> bool:
    """Whether the file writes an attribute that facts rest on onto the class, or by `setattr` onto who knows what.

    What the file of the class itself does to it is recorded with the class.
    """
    if info.module_name == reader.tree.fullname:
        return False
    found = reader.bindings
    found.learn_at(spelled)
    if any(_OPEN in found.attributes.get(name, ()) for name in (ANY, *RELEVANT)):
        return True
    written = (root for root, paths in found.stored.items() if any(path[0] in RELEVANT for path in paths))
    return any(isinstance(root, TypeInfo) and root in info.mro for root in written)


def _is_own(expr: Expression) -> bool:
    """Whether `expr` is `self`, `cls()` or `super()`: a subclass may be more than the class at hand."""
    if isinstance(expr, CallExpr):
        expr = expr.callee
    if isinstance(expr, SuperExpr):
        return True
    return isinstance(expr, NameExpr) and isinstance(expr.node, Var) and (expr.node.is_self or expr.node.is_cls)


def _classes(type_: ProperType) -> list[TypeInfo] | None:
    """The classes an instance may have, None where the type does not tell."""
    items = type_.items if isinstance(type_, UnionType) else [type_]
    found = []
    for item in map(get_proper_type, items):
        if isinstance(item, Instance):
            found.append(item.type)
        elif isinstance(item, CallableType) and item.is_type_obj():
            found.append(item.type_object())
        elif not isinstance(item, NoneType):
            return None
    return found


def _granted(info: TypeInfo) -> Iterable[str]:
    return (_PROTOCOLS[base.fullname] for base in info.mro if base.fullname in _PROTOCOLS)


_Built = list[tuple[TypeInfo, "ModelFacts"]]


def _stores(model: Expression, names: Iterable[str], reader: Reader) -> bool:
    """Whether the file may store into one of these attributes of the model, or deeper; one just made has no writes."""
    if isinstance(model, CallExpr):
        return False
    found, wanted = reader.bindings, frozenset(names)
    found.learn_at(spelled)
    if not isinstance(model, NameExpr):
        paths = {path[1:] if root in found.selves else path for root, kept in found.stored.items() for path in kept}
        return any(not wanted.isdisjoint(path) for path in paths)
    changed = {root for root, paths in found.stored.items() if any(path[0] in wanted for path in paths)}
    if any(OPAQUE in (found.bound(root) or ()) for root in changed if root not in found.selves):
        return True  # a parameter, which may be this model
    if not changed:
        return False
    from meshfit_mypy.writes import writes_of

    return writes_of(reader.tree).reaches(model.node, changed)


def _typed(type_: ProperType, plugin: MeshfitPlugin) -> _Built | None:
    infos = _classes(type_)
    if not infos:
        return None
    for info in infos:
        if info.is_protocol or info.fullname in _BASES or not is_model(info) or not is_concrete(info):
            return None
    return [(info, facts_of_type(info, plugin.files)) for info in infos]


def _built(expr: Expression, reader: Reader, plugin: MeshfitPlugin) -> _Built | None:
    """The models of the constructions in sight that `expr` may stand for; None where it may be another."""
    node = expr.node if isinstance(expr, NameExpr) else None
    if node is not None and OPAQUE in reader.bindings.names.get(node, ()):
        return None  # most models are parameters
    roots = reader.sources(expr)
    if not roots:
        return None
    sized = not _stores(expr, ("config",), reader)
    found: _Built = []
    for root in roots:
        models = None
        if isinstance(root, CallExpr):
            models = _constructed(root, reader, plugin, sized) or _loaded(root, reader, plugin, sized)
        if not models:
            return None
        found += models
    return found


def _constructed(call: CallExpr, reader: Reader, plugin: MeshfitPlugin, sized: bool) -> _Built | None:
    """What `MyLM(config)` makes, one for each config that `config` may be."""
    info = _class_of(call.callee)
    if info is None or not is_model(info):
        return None
    given = _argument(call, "config", 0)
    configs = None
    if sized and given is not None and not reader.is_mutated(given):
        configs = reader.sources(given)
    values = [value for root in configs or () for value in _config_values(root, reader)]
    if not values or None in values:
        return [(info, facts_of_type(info, plugin.files))]
    return [(info, _with_values(info, value, plugin)) for value in values if value is not None]


def _config_values(root: Expression, reader: Reader) -> list[tuple[str, dict[str, Any]] | None]:
    """The class and the values of `LlamaConfig(num_key_value_heads=2)`, each that it may be; None for an unknown."""
    info = _class_of(root.callee) if isinstance(root, CallExpr) else None
    if info is None or not isinstance(root, CallExpr) or not info.fullname.startswith("transformers.models."):
        return [None]
    if any(kind is not ARG_NAMED for kind in root.arg_kinds):
        return [None]
    names = [name or "" for name in root.arg_names]
    choices = reader.combinations(root.args)
    return [None if has_unknown(choice) else (info.name, dict(zip(names, choice, strict=True))) for choice in choices]


def _with_values(info: TypeInfo, config: tuple[str, dict[str, Any]], plugin: MeshfitPlugin) -> ModelFacts:
    name, values = config

    def read(class_name: str) -> ModelFacts | None:
        from meshfit.readers.source.facts import build_model, facts_from_config

        try:
            built = build_model(values, class_name=class_name)
            if built.config.cls.name != name:
                return None
            return facts_from_config(values, where=f"{name}(...)", class_name=class_name)
        except MeshfitError:
            return None

    return with_config(info, plugin.files, read)


def _loaded(call: CallExpr, reader: Reader, plugin: MeshfitPlugin, sized: bool) -> _Built | None:
    """What `A.from_pretrained(path)` makes; its sizes are known where the options name the folder."""
    callee = call.callee
    if not isinstance(callee, MemberExpr) or callee.name != "from_pretrained":
        return None
    info = _class_of(callee.expr)
    if info is None or not is_model(info):
        return None
    place = _checkpoint(call, reader, plugin) if sized else None
    if place is None:
        return [(info, facts_of_type(info, plugin.files))]
    return [(info, _with_checkpoint(info, place, plugin))]


def _checkpoint(call: CallExpr, reader: Reader, plugin: MeshfitPlugin) -> str | None:
    """The folder of the options that the call loads from, its config as it is."""
    given = _argument(call, "pretrained_model_name_or_path", 0)
    extra = {name for name in call.arg_names if name is not None} - {"pretrained_model_name_or_path", *_HARMLESS}
    if given is None or extra or call.arg_kinds.count(ARG_POS) > 1 or set(call.arg_kinds) - {ARG_POS, ARG_NAMED}:
        return None
    paths = reader.values(given)
    if paths is None or len(paths) != 1 or not isinstance(paths[0], str):
        return None
    place = os.path.normpath(os.path.join(plugin.settings.root, paths[0]))
    return place if place in plugin.settings.checkpoints else None


def _with_checkpoint(info: TypeInfo, place: str, plugin: MeshfitPlugin) -> ModelFacts:
    def read(class_name: str) -> ModelFacts | None:
        from meshfit.readers.config import read_config
        from meshfit.readers.source.facts import facts_from_config

        try:
            config = read_config(os.path.relpath(os.path.join(place, "config.json")))
            return facts_from_config(config.values, where=config.where, origin=config.origin, class_name=class_name)
        except MeshfitError:
            return None

    return with_config(info, plugin.files, read)


def _class_of(callee: Expression) -> TypeInfo | None:
    """The class that a callee names."""
    node = callee.node if isinstance(callee, RefExpr) else None
    return node if isinstance(node, TypeInfo) else None


def _argument(call: CallExpr, name: str, position: int) -> Expression | None:
    """The argument passed by that name or at that place."""
    if name in call.arg_names:
        return call.args[call.arg_names.index(name)]
    if position < len(call.args) and all(kind is ARG_POS for kind in call.arg_kinds[: position + 1]):
        return call.args[position]
    return None
