"""What a parallel plan does to the parameters and modules of a model under transformers.

Names in plans, parameters and modules carry `*` for layer numbers. A rule of a plan names a parameter, or a module
and thereby the parameters the module itself owns.
Source: transformers 5.23 distributed/parallel_utils.py `_get_parameter_plan`, distributed/mixin.py
`_resolve_parallel_plans` and `_expand_parallel_plan`, `shard_param` of each style in distributed/tensor_parallel.py
and distributed/expert_parallel.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec

__all__ = [
    "STYLES",
    "Cut",
    "cuts",
    "ep_plan",
    "fsdp_plan",
    "module_styles",
    "on_text_path",
    "override",
    "style_of",
    "tp_plan",
]

STYLES: Final = frozenset(
    {
        "all_reduce",
        "colwise",
        "colwise_gather_output",
        "colwise_rep",
        "embedding_colwise",
        "embedding_rowwise",
        "ep_dispatch_experts",
        "ep_router",
        "gather",
        "grouped_gemm",
        "local",
        "local_colwise",
        "local_packed_rowwise",
        "local_params",
        "local_rowwise",
        "mla_kv_a_proj",
        "moe_identity_expert",
        "moe_tp_experts",
        "packed_colwise",
        "packed_rowwise",
        "replicate",
        "replicated_with_grad_allreduce",
        "rowwise",
        "rowwise_rep",
        "rowwise_split_input",
        "sequence_parallel",
        "vocab_parallel_rowwise",
    }
)
"""The styles of `ALL_PARALLEL_STYLES` in transformers 4.57 to 5.23."""

GATHERED: Final = frozenset({"colwise_gather_output", "colwise_rep"})
"""Column-wise styles whose output every rank gets whole."""

LOCAL_COLUMNS: Final = frozenset({"colwise", "local_colwise", "packed_colwise"})
"""Column-wise styles that leave each rank its slice of the output."""

COLUMN: Final = LOCAL_COLUMNS | GATHERED
ROW: Final = frozenset({"rowwise", "rowwise_rep", "rowwise_split_input", "local_rowwise"})

LOCAL_OUTPUT: Final = (
    frozenset({"colwise", "embedding_rowwise", "embedding_colwise", "all_reduce", "sequence_parallel"})
    | GATHERED
    | (ROW - {"local_rowwise"})
)
"""Styles that hand on a view of a distributed tensor (`to_local`), which autograd lets nobody modify in place."""


class Cut:
    """One parameter that a plan cuts.

    Args:
        parameter: its name.
        style: the style that cuts it.
        dim: the dim that is cut, 0-based.
        shape: its whole shape.
        packed: two halves are cut each on its own (a fused gate and up projection).
    """

    __slots__ = ("dim", "packed", "parameter", "shape", "style")

    def __init__(self, parameter: str, style: str, dim: int, shape: tuple[int, ...], packed: bool) -> None:
        self.parameter: str = parameter
        self.style: str = style
        self.dim: int = dim
        self.shape: tuple[int, ...] = shape
        self.packed: bool = packed

    @property
    def module(self) -> str:
        """The module that owns the parameter."""
        return self.parameter.rpartition(".")[0]

    @property
    def width(self) -> int:
        """The size of the dim that is cut, of one half where two are packed."""
        return self.shape[self.dim] // (2 if self.packed else 1)


def style_of(plan: Mapping[str, str], name: str, *, parameter: bool) -> str | None:
    """The style the plan gives to `name`; a parameter without an own rule follows its module's."""
    style = plan.get(name)
    if style is None and parameter and "." in name:
        style = plan.get(name.rpartition(".")[0])
    return style


def cuts(plan: Mapping[str, str], parameters: Mapping[str, tuple[int, ...]]) -> Iterator[Cut]:
    """The parameters that `plan` cuts, in the model's order."""
    for name, shape in parameters.items():
        style = style_of(plan, name, parameter=True)
        dim = None if style is None else _dim(style, name, len(shape))
        if style is not None and dim is not None and 0 <= dim < len(shape):
            yield Cut(name, style, dim, shape, "packed" in style and len(shape) > 1)


def _dim(style: str, name: str, dims: int) -> int | None:
    if style in COLUMN:
        return max(dims - 2, 0)
    if style in ROW:
        return None if name.rpartition(".")[2] == "bias" else dims - 1
    if style in ("packed_rowwise", "local_packed_rowwise"):
        return None if dims == 1 else dims - 1
    return _FIXED.get(style)


_FIXED: Final = {"embedding_rowwise": 0, "vocab_parallel_rowwise": 0, "embedding_colwise": 1, "grouped_gemm": 0}


def module_styles(plan: Mapping[str, str], facts: ModelFacts) -> Iterator[tuple[str, str]]:
    """(module, style) for the modules that the plan names, in the model's order."""
    return ((name, plan[name]) for name in facts.modules if name in plan)


def override(mesh: MeshSpec, name: str) -> Mapping[str, str] | None:
    """The rules passed beside the sizes (`DistributedConfig(tp_plan={...})`); None when none, or `"auto"`, was."""
    given: Any = mesh.settings.get(name)
    if given is None and name == "tp_plan" and mesh.settings.get("enable_expert_parallel") and mesh.ep_size == 1:
        return {}  # the deprecated flag stands for ep_size=tp_size and an empty tp_plan
    return given if isinstance(given, Mapping) else None


def tp_plan(facts: ModelFacts, mesh: MeshSpec) -> Mapping[str, str]:
    """The tensor plan in force: the model's, the passed rules over it, less what the expert plan takes.

    An empty mapping that is passed clears the model's plan.
    """
    given = override(mesh, "tp_plan")
    plan = facts.tp_plan if given is None else {**facts.tp_plan, **given} if given else {}
    if mesh.ep_size == 1 or not plan:
        return plan
    experts = ep_plan(facts, mesh)
    return {name: style for name, style in plan.items() if not _below(name, experts)}


def ep_plan(facts: ModelFacts, mesh: MeshSpec) -> Mapping[str, str]:
    """The expert plan in force: the model's, with the passed rules over it."""
    given = override(mesh, "ep_plan")
    return facts.ep_plan if given is None else {**facts.ep_plan, **given}


def fsdp_plan(facts: ModelFacts, mesh: MeshSpec) -> Mapping[str, str]:
    """The FSDP plan in force: the model's, with the passed rules over it."""
    given = override(mesh, "fsdp_plan")
    return facts.fsdp_plan if given is None else {**facts.fsdp_plan, **given}


def on_text_path(parameter: str, facts: ModelFacts) -> bool:
    """Whether text reaches the parameter: it lies in the stack of the decoder layers, the embedding or the head.

    The rest is what only images or sound reach: towers and projectors of a multimodal model.
    """
    if not (facts.knows("is_multimodal") and facts.is_multimodal):
        return True
    stacks = {name.rpartition(".")[0] for name in facts.layer_lists}
    ends = {name for name in (facts.embedding_name, facts.head_name) if name is not None}
    return any(not name or parameter.startswith(f"{name}.") for name in stacks | ends)


def _below(name: str, plan: Mapping[str, str]) -> bool:
    """Whether the plan names `name` or a module that holds it."""
    while name:
        if name in plan:
            return True
        name = name.rpartition(".")[0]
    return False
