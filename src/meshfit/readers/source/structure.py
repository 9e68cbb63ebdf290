"""Facts of a model's structure, read off the tree the evaluator built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshfit.readers.layer_names import wildcard
from meshfit.readers.source.values import ConfigObject, Dim, Node, undimmed
from meshfit.structure import ModuleInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parameter_names", "structure_facts", "walk"]


def walk(node: Node, name: str = "") -> Iterator[tuple[str, Node]]:
    """Every module with its full name, the root's being empty."""
    yield name, node
    for child_name, child in node.children():
        yield from walk(child, f"{name}.{child_name}" if name else child_name)


def parameter_names(node: Node) -> Iterator[tuple[str, tuple[Any, ...] | None]]:
    """Every parameter's full name and shape."""
    for name, module in walk(node):
        for own, param in module.parameters():
            yield (f"{name}.{own}" if name else own), param.shape


def structure_facts(model: Node, text: ConfigObject | None) -> dict[str, Any]:
    """The facts that the module tree shows; empty where it was not built to the end."""
    nodes = list(walk(model))
    if not all(module.complete and not module.unseen for _, module in nodes):
        return {}
    parameters: dict[str, tuple[int, ...]] = {}
    modules: dict[str, ModuleInfo] = {}
    for name, module in nodes:
        general = wildcard(name)
        modules.setdefault(general, _info(module))
        for own, param in module.parameters():
            shape = param.shape or ()
            parameters.setdefault(
                wildcard(f"{name}.{own}" if name else own), tuple(undimmed(s) for s in shape if isinstance(s, int))
            )
    _mark_untagged_heads(model, modules)
    facts: dict[str, Any] = {
        "parameters": parameters,
        "modules": modules,
        "layer_lists": _layer_lists(nodes, text),
        "head_children": frozenset(name for name, _ in model.children()),
    }
    facts.update(_embedding_and_head(model, nodes, text))
    return facts


def _info(module: Node) -> ModuleInfo:
    width = module.attributes.get("out_features", module.attributes.get("embedding_dim"))
    heads = width.heads if isinstance(width, Dim) else None
    return ModuleInfo(module.kind, undimmed(width) if isinstance(width, int) else None, heads)


def _mark_untagged_heads(model: Node, modules: dict[str, ModuleInfo]) -> None:
    """A projection as wide as its parent's heads x head_dim is cut along heads, however its width was written."""
    for name, module in walk(model):
        heads = next((v for v in module.attributes.values() if isinstance(v, Dim) and v == v.heads[1]), None)
        dim = module.attributes.get("head_dim", module.attributes.get("head_size"))
        if heads is None or not isinstance(dim, int):
            continue
        for child_name, child in module.children():
            general = wildcard(f"{name}.{child_name}")
            info = modules[general]
            if child.kind == "Linear" and info.heads is None and info.width == heads * dim:
                modules[general] = ModuleInfo(info.kind, info.width, heads.heads)


def _layer_lists(nodes: list[tuple[str, Node]], text: ConfigObject | None) -> tuple[str, ...]:
    """The lists of blocks; in a composite model, those below a part that the text config describes."""
    blocks = [name for name, module in nodes if module.kind == "ModuleList" and _is_block(module)]
    outer = [name for name in blocks if not any(name.startswith(f"{other}.") for other in blocks)]
    of_text = [name for name in outer if _config_above(name, nodes) is text]
    return tuple(dict.fromkeys(wildcard(name) for name in of_text or outer))


def _is_block(module: Node) -> bool:
    first = next((child for _, child in module.children()), None)
    return first is not None and any(True for _ in first.children())


def _config_above(name: str, nodes: list[tuple[str, Node]]) -> Any:
    by_name = dict(nodes)
    while name:
        name = name.rpartition(".")[0]
        config = by_name[name].attributes.get("config")
        if isinstance(config, ConfigObject):
            return config
    return None


def _embedding_and_head(model: Node, nodes: list[tuple[str, Node]], text: ConfigObject | None) -> dict[str, Any]:
    tied = model.attributes.get("all_tied_weights_keys")
    vocabulary = None if text is None else text.values.get("vocab_size")
    embedding = next(
        (name for name, m in nodes if _has_table(m, vocabulary) and not name.endswith("lm_head")),
        None,
    )
    linears = {name: m for name, m in nodes if m.kind == "Linear" and name.count(".") <= 1}
    heads = [name for name, m in linears.items() if _width(m) == vocabulary]
    if not heads and isinstance(tied, dict):
        # made with another vocabulary than the embedding whose weight it takes
        heads = [name for name in linears if tied.get(f"{name}.weight") == f"{embedding}.weight"]
    head = next((name for name in heads if name == "lm_head"), heads[-1] if heads else None)
    facts: dict[str, Any] = {"embedding_name": embedding, "head_name": head}
    if head is None:
        facts["tied_head"] = False
    elif isinstance(tied, dict):
        facts["tied_head"] = f"{head}.weight" in tied or f"{head}.weight" in tied.values()
    return facts


def _has_table(module: Node, vocabulary: Any) -> bool:
    return vocabulary is not None and module.attributes.get("num_embeddings") == vocabulary


def _width(module: Node) -> Any:
    return module.attributes.get("out_features")
