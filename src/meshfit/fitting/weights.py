"""Bytes of weights on the fullest rank of a mesh, where the engine's way of cutting them is known.

Activations, gradients and the state of the optimizer are not counted, nor is a quantisation of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, prod
from typing import Final

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.rules import plans
from meshfit.rules.judge import axis_engine

__all__ = ["weight_bytes"]

SHARDS_BY_ROWS: Final = frozenset({"generic", "nemo", "torchtitan"})
"""Engines whose plan for tensors is not known here, but which shard data-parallel ranks as FSDP2 does: by rows."""

DATA: Final = frozenset({"dp_shard", "dp_replicate"})

Shape = tuple[int, ...]


def weight_bytes(facts: ModelFacts, mesh: MeshSpec, engine: str) -> int | None:
    """Bytes of the weights that the fullest rank holds; None where that is not known."""
    try:
        if mesh.sp_size > 1:
            return None  # DeepSpeed's own settings say what is cut under Ulysses
        if axis_engine(facts, engine, "tp") == "transformers":
            elements = _by_plan(facts, mesh)
        elif engine in SHARDS_BY_ROWS and DATA.issuperset(mesh.used):
            elements = _summed(facts.weight_shapes, lambda _, shape: _rows_cut(shape, mesh.dp_shard_size))
        else:
            return None
        return None if elements is None else elements * facts.dtype_bytes
    except MissingFact:
        return None


def _by_plan(facts: ModelFacts, mesh: MeshSpec) -> int | None:
    """Elements on the fullest rank under transformers: plans first, then what FSDP shards of each part.

    Source: transformers 5.23 distributed/mixin.py `maybe_distribute_model`; accelerate 1.15 parallelism_config.py
    `fsdp_dim_names` (context ranks shard the weights too).
    """
    tensor = plans.tp_plan(facts, mesh) if mesh.tp_size > 1 else {}
    expert = plans.ep_plan(facts, mesh) if mesh.ep_size > 1 else {}
    rows = mesh.dp_shard_size * mesh.cp_size

    def cut(name: str, shape: Shape) -> Shape | None:
        for found in plans.cuts(expert, {name: shape}):
            own = _divided(shape, found.dim, mesh.ep_size)
            # what shards an expert's weights beyond the experts of a rank is FSDP's choice of a dim
            return own if own is not None and rows * mesh.tp_size == mesh.ep_size else None
        for found in plans.cuts(tensor, {name: shape}):
            halves = 2 if found.packed else 1
            each = halves * ceil(found.width / mesh.tp_size)
            shape = (*shape[: found.dim], each, *shape[found.dim + 1 :])
        return _rows_cut(shape, rows)

    held = facts.weight_shapes
    return _summed(held, cut) if mesh.pp_size == 1 else _of_stages(facts, held, mesh.pp_size, cut)


def _of_stages(
    facts: ModelFacts, held: Mapping[str, Mapping[Shape, int]], stages: int, cut: Callable[[str, Shape], Shape | None]
) -> int | None:
    """Elements of the fullest stage: equal layers are shared out, the last stage has the remainder.

    Source: transformers 5.23 distributed/pipeline_parallel.py `layer_range_for_rank`, `find_rank_for_key`.
    """
    bodies = tuple(f"{name}." for name in facts.layer_lists)
    layers, embedding, head = facts.num_hidden_layers, f"{facts.embedding_name}.", f"{facts.head_name}."
    of_layers = {name: shapes for name, shapes in held.items() if name.startswith(bodies)}
    if any(sum(shapes.values()) != layers for shapes in of_layers.values()):
        return None
    one = {name: dict.fromkeys(shapes, 1) for name, shapes in of_layers.items()}
    first = {name: shapes for name, shapes in held.items() if name.startswith(embedding)}
    ends = {name: shapes for name, shapes in held.items() if name not in of_layers and name not in first}
    if not all(name.startswith((head, f"{facts.base_model_prefix}.norm.")) for name in ends):
        return None
    if facts.tied_head:
        # the head of the last stage has the weight that the embedding of the first one has
        ends = {**ends, **first}
    sums = [_summed(part, cut) for part in (one, first, ends)]
    if any(elements is None for elements in sums) or any(len(shapes) > 1 for shapes in of_layers.values()):
        return None
    a_layer, embeds, rest = (elements or 0 for elements in sums)
    each = layers // stages
    return max(each * a_layer + embeds, (layers - each * (stages - 1)) * a_layer + rest)


def _summed(held: Mapping[str, Mapping[Shape, int]], cut: Callable[[str, Shape], Shape | None]) -> int | None:
    total = 0
    for name, shapes in held.items():
        for shape, count in shapes.items():
            own = cut(name, shape)
            if own is None:
                return None
            total += count * prod(own)
    return total


def _divided(shape: Shape, dim: int, ranks: int) -> Shape | None:
    if shape[dim] % ranks:
        return None
    return (*shape[:dim], shape[dim] // ranks, *shape[dim + 1 :])


def _rows_cut(shape: Shape, ranks: int) -> Shape:
    """The rows of the first rank: FSDP2 gives every rank but the last the same number."""
    return (ceil(shape[0] / ranks), *shape[1:]) if shape else shape
