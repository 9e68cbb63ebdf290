"""Facts of a live module tree: names, shapes, layer lists, the head and the embedding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.readers.attributes import ABSENT, attribute, class_attribute
from meshfit.readers.layer_names import wildcard
from meshfit.readers.wrappers import derives_from, model_class
from meshfit.structure import ModuleInfo

__all__ = [
    "base_model",
    "children",
    "head_and_embedding",
    "layer_lists",
    "named_modules",
    "representative_modules",
    "require_begun",
    "structure_facts",
]

_WIDTHS: Final = ("out_features", "embedding_dim", "nf")
"""Where a linear, an embedding and GPT-2's Conv1D keep their output width."""


def children(module: Any) -> dict[str, Any]:
    """The module's own submodules, those set to None left out."""
    return {name: child for name, child in module._modules.items() if child is not None}  # noqa: SLF001 - no accessor keeps order and names


def require_begun(model: Any) -> None:
    """Raise TargetError where `nn.Module.__init__` has not run, so that there is nothing to read yet."""
    if "_modules" not in model.__dict__:
        name = type(model).__name__
        raise TargetError(f"{name} is asked before nn.Module.__init__ ran; call super().__init__() in {name} first")


def base_model(model: Any) -> Any:
    """The body: the child that `base_model_prefix` names, else the model itself."""
    prefix = attribute(model, "base_model_prefix")
    found = attribute(model, prefix) if isinstance(prefix, str) and prefix else ABSENT
    return found if hasattr(type(found), "_modules") or "_modules" in getattr(found, "__dict__", {}) else model


def named_modules(model: Any) -> Iterator[tuple[str, Any]]:
    """Every module once, with PEFT's tuner layers replaced by the layer they wrap."""
    pending: list[tuple[str, Any]] = [("", model)]
    seen: list[Any] = []
    known: set[Any] = set()
    while pending:
        name, module = pending.pop()
        module = _untuned(module)
        try:
            if module in known:
                continue
            known.add(module)
        except TypeError:
            # A module class with __eq__ and no __hash__: compare by identity instead.
            if any(module is one for one in seen):
                continue
            seen.append(module)
        yield name, module
        inner = [(f"{name}.{child}" if name else child, m) for child, m in children(module).items()]
        pending.extend(reversed(inner))


def _untuned(module: Any) -> Any:
    """The layer that a PEFT adapter layer wraps, so that plans still find `q_proj` by its name."""
    while derives_from(type(module), "BaseTunerLayer", "peft"):
        inner = children(module).get("base_layer")
        if inner is None:
            return module
        module = inner
    return module


def representative_modules(model: Any) -> Iterator[Any]:
    """The modules with children that give a model its shape, down to the first layer of each class in a list."""
    pending = [model]
    known: set[int] = set()
    while pending:
        module = pending.pop()
        inner = list(children(module).values())
        if not inner or id(module) in known:
            continue
        known.add(id(module))
        yield module
        if _is_list(module):
            yield from {type(child): child for child in reversed(inner) if children(child)}.values()
        else:
            pending.extend(inner)


_FLAT: Final = "_flat_param"
"""What FSDP1 joins the parameters of a module into; their names and shapes are gone."""


def head_and_embedding(model: Any) -> list[Any]:
    """The output head and the input embedding; empty where the model has no accessors for both."""
    if class_attribute(type(model), "get_output_embeddings") is ABSENT:
        return []
    ends = [_called(model, accessor) for accessor in ("get_output_embeddings", "get_input_embeddings")]
    return ends if all("_parameters" in getattr(end, "__dict__", {}) for end in ends) else []


def structure_facts(model: Any) -> dict[str, Any]:
    """`parameters`, `modules`, `layer_lists`, `base_*`, `head_*`, `tied_head` and the names of head and embedding."""
    parameters: dict[str, tuple[int, ...]] = {}
    modules: dict[str, ModuleInfo] = {}
    names: list[tuple[str, Any]] = list(named_modules(model))
    tensors: set[Any] = set()
    shapeless = False
    for name, module in names:
        generic = wildcard(name)
        if name and generic not in modules:
            modules[generic] = ModuleInfo(model_class(type(module)).__name__, _width(module))
        for own, tensor in module._parameters.items():  # noqa: SLF001 - named_parameters would walk the tree again
            if tensor is None or tensor in tensors:
                continue
            if own == _FLAT:
                shapeless = True
            tensors.add(tensor)
            try:
                parameters.setdefault(f"{generic}.{own}" if name else own, tuple(tensor.shape))
            except RuntimeError:
                # A lazy parameter has no shape before the first forward, and part of the shapes is not all of them.
                shapeless = True
    base = base_model(model)
    facts: dict[str, Any] = {
        "parameters": parameters,
        "modules": modules,
        "layer_lists": layer_lists(model, names),
        "base_children": frozenset(children(base)),
        "head_children": frozenset(children(model)),
    }
    prefix = attribute(model, "base_model_prefix")
    if isinstance(prefix, str):
        facts["base_model_prefix"] = prefix
    facts.update(_head(model, names))
    if shapeless:
        del facts["parameters"]
    return facts


def _width(module: Any) -> int | None:
    for name in _WIDTHS:
        width = getattr(module, name, None)
        if type(width) is int:
            return width
    return None


def layer_lists(model: Any, names: list[tuple[str, Any]]) -> tuple[str, ...]:
    """Names of the outermost module lists whose entries have children, those of the text model where a config tells."""
    found: dict[str, Any] = {}
    for name, module in names:
        nested = any(name.startswith(f"{outer}.") for outer in found)
        if _is_list(module) and not nested and any(children(entry) for entry in children(module).values()):
            found[name] = module
    text = _text_config(model)
    if text is not None:
        by_name = dict(names)
        of_text = [name for name in found if getattr(by_name[name.rpartition(".")[0]], "config", None) is text]
        if of_text:
            return tuple(wildcard(name) for name in of_text)
    return tuple(dict.fromkeys(wildcard(name) for name in found))


def _is_list(module: Any) -> bool:
    return derives_from(type(module), "ModuleList", "torch") or derives_from(type(module), "Sequential", "torch")


def _text_config(model: Any) -> Any:
    config = attribute(model, "config")
    read = getattr(config, "get_text_config", None)
    if not callable(read):
        return None
    try:
        return read(decoder=True) if not getattr(config, "is_encoder_decoder", False) else None
    except (ValueError, TypeError, AttributeError):
        # Several text configs, or a config without the usual ones: no single decoder to speak of.
        return None


def _head(model: Any, names: list[tuple[str, Any]]) -> dict[str, Any]:
    """The output head and the input embedding, told by the accessors transformers defines."""
    if class_attribute(type(model), "get_output_embeddings") is ABSENT:
        return {}
    head, embedding = _called(model, "get_output_embeddings"), _called(model, "get_input_embeddings")
    facts: dict[str, Any] = {}
    if head is not ABSENT:
        facts["head_name"] = _name_of(head, names)
    if embedding is not ABSENT:
        facts["embedding_name"] = _name_of(embedding, names)
    if head is not ABSENT and embedding is not ABSENT:
        weight = getattr(head, "weight", None)
        facts["tied_head"] = weight is not None and weight is getattr(embedding, "weight", None)
    return facts


def _called(model: Any, accessor: str) -> Any:
    try:
        return getattr(model, accessor)()
    except (NotImplementedError, AttributeError, TypeError):
        # transformers' own accessors raise these for a model without such a layer.
        return ABSENT


def _name_of(module: Any, names: list[tuple[str, Any]]) -> str | None:
    module = _untuned(module) if module is not None else None
    return next((wildcard(name) for name, one in names if one is module), None)
