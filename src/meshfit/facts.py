"""`ModelFacts`: what is known of a model. Three-valued: a fact is known to hold, known not to hold, or absent.

Readers gather facts and never judge; rules judge and never look at a model. Reading an absent fact raises
`MissingFact`, so a rule is written as its formula and simply ends where its facts do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, NoReturn

from meshfit.errors import MissingFact

if TYPE_CHECKING:
    from meshfit.evidence import Evidence
    from meshfit.structure import Conversion, ModuleInfo

__all__ = ["ModelFacts", "Origin"]


class Origin(NamedTuple):
    """Where a fact was read.

    Args:
        where: a file, a class name or an object ("config.json", "LlamaConfig", "model").
        line, column: 1-based position in the file, when it is one.
        pointer: JSON pointer of the value ("/text_config/num_attention_heads") or a dotted attribute.
        level: how firm the fact is.
    """

    where: str
    line: int | None = None
    column: int | None = None
    pointer: str = ""
    level: Literal["declared", "structural", "executed"] = "structural"

    def __str__(self) -> str:
        """`config.json:14:3` as editors link it, or the place and the pointer."""
        if self.line is not None:
            return f"{self.where}:{self.line}" + (f":{self.column}" if self.column is not None else "")
        return f"{self.where} {self.pointer}".strip()

    def to_dict(self) -> dict[str, Any]:
        """The origin as JSON holds it, absent parts left out."""
        parts = {"where": self.where, "line": self.line, "column": self.column, "pointer": self.pointer or None}
        return {key: value for key, value in parts.items() if value is not None}


Gather = Callable[[], Mapping[str, Any]]
"""Gathers facts when one of them is asked for; a fact it leaves out is unknown."""


class ModelFacts:
    """The facts of one model, class or config. Read a fact as an attribute; an unknown one raises `MissingFact`.

    Build with keyword arguments; `replace` returns a changed copy. Facts that are costly to gather may be given as
    `later`, fact -> function that gathers it (and others with it) when one of them is first asked for. Names and
    meanings:
    """

    # identity
    class_name: str
    """The model class, wrappers removed."""
    engine: str
    """The engine that runs this model when nobody names one."""

    # sizes, from the (text) config; None: known to be absent
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int | None
    num_hidden_layers: int
    vocab_size: int
    num_experts: int | None
    moe_intermediate_size: int | None
    linear_num_key_heads: int | None
    linear_num_value_heads: int | None
    mamba_heads: int | None
    mamba_groups: int | None
    heads_per_layer: tuple[int, ...]
    """Distinct query-head counts when layers differ; one entry otherwise."""
    kv_heads_per_layer: tuple[int, ...]
    layer_types: tuple[str, ...] | None
    sliding_window: int | None
    tie_word_embeddings: bool
    is_encoder_decoder: bool
    is_multimodal: bool

    # the question's own numbers, known when the caller gave them
    world_size: int
    seq_len: int
    gpus_per_node: int
    dtype_bytes: int
    """Bytes of one weight element (2 for bfloat16), from the config's dtype; 4 where none is named."""

    # declared plans and flags
    tp_plan: Mapping[str, str]
    """The merged tensor-parallel plan, names as transformers writes them ("model.layers.*.mlp.up_proj")."""
    ep_plan: Mapping[str, str]
    fsdp_plan: Mapping[str, str]
    """The merged plan of what FSDP2 wraps under transformers ("model.layers.*": "free_full_weight")."""
    pp_plan: Mapping[str, Any]
    registered_tp_plan: bool
    """A plan stands in `meshfit.tp_plans` for the class."""
    moe_mixin: bool
    """NeMo's `MoEFSDPSyncMixin` is in the MRO."""
    backend_attn: str | None
    """`model.backend.attn` of a NeMo model ("te", "sdpa", "flex"); None: no backend."""
    te_injected: bool
    """Transformer Engine attention was injected into the model's modules."""
    owns_cp_attention: bool
    """The class declares `_owns_cp_attention`."""
    supports_cp_sdpa: bool
    """The class declares `_supports_cp_sdpa`."""
    supports_sdpa: bool
    """`_supports_sdpa is True`."""
    attn_implementation: str | None
    """The attention implementation in force; None: the library's default (SDPA where supported)."""
    experts_implementation: str | None
    """The experts implementation in force; None: the library's default, "eager": also a class that has no other."""
    is_hybrid: bool
    forward_parameters: tuple[str, ...]
    """Names of `forward`'s parameters, `**name` for a variadic one."""
    is_pretrained: bool
    """A transformers `PreTrainedModel`."""
    has_generate: bool
    gradient_checkpointing: bool
    """The class attribute `supports_gradient_checkpointing` is exactly True."""
    is_custom: bool
    """The class stands in `meshfit.custom_models`."""
    declared: Mapping[str, bool]
    """A class's own `ModelCapabilities` or `get_capabilities(config)`: axis or capability -> bool."""

    # structure
    parameters: Mapping[str, tuple[int, ...]]
    """Parameter name (layer numbers `*`) -> shape; where layers differ, the first of each kind."""
    weight_shapes: Mapping[str, Mapping[tuple[int, ...], int]]
    """Parameter name (layer numbers `*`) -> shape -> how many there are over all layers, tied ones left out."""
    modules: Mapping[str, ModuleInfo]
    layer_lists: tuple[str, ...]
    """Names of the module lists that hold decoder layers ("model.layers")."""
    base_model_prefix: str
    base_children: frozenset[str]
    """Attributes of the base model that are modules."""
    head_children: frozenset[str]
    """Attributes of the model itself that are modules."""
    per_layer_attributes: frozenset[str]
    """Config attributes that differ from layer to layer; reading one from the whole config raises."""
    tied_head: bool
    """The output head shares the input embedding's weight."""
    head_name: str | None
    """Module name of the output head ("lm_head")."""
    embedding_name: str | None
    """Module name of the input embedding ("model.embed_tokens")."""
    conversions: tuple[Conversion, ...]
    loading_faults: tuple[tuple[str, str], ...]
    """What a checkpoint leaves out and transformers does not set on a wrapped model: (kind, where)."""

    # what the forward bodies do
    inplace_outputs: frozenset[str]
    """Modules whose output is modified in place."""
    raw_weight_reads: frozenset[str]
    """Modules whose weights are read outside their own forward."""
    dataflow: Mapping[str, frozenset[str]]
    """Module -> siblings whose output reaches its input."""
    linear_inputs: tuple[tuple[str, frozenset[str]], ...]
    """Linear module and the modules whose output reaches its input, once for every kind of layer that differs in it."""
    pipeline_faults: tuple[tuple[str, str], ...]
    """What in the base forward breaks when stages run it in parts: (kind, where)."""
    context_faults: tuple[tuple[str, str], ...]
    """What breaks when ranks hold parts of the sequence: (kind, where)."""
    tensor_faults: tuple[tuple[str, str], ...]
    """What in the forward bodies breaks on sharded weights: (kind, module)."""

    # what was executed
    class_source: tuple[str, str, str] | None
    """(class, digest of its source file, version of its package) of the class that decides what a model does; None
    where no proof can be kept of it."""
    executed: Mapping[str, Evidence]
    """Axes ("tp", "ep+fsdp") -> proof by execution that settles them for this class and structure."""

    def __init__(
        self, *, origins: Mapping[str, Origin] | None = None, later: Mapping[str, Gather] | None = None, **values: Any
    ) -> None:
        later = later or {}
        if not (FACTS.issuperset(values) and FACTS.issuperset(later)):
            raise TypeError(f"not facts: {', '.join(sorted((values.keys() | later.keys()) - FACTS))}")
        held = self.__dict__
        held.update(values)
        held["_origins"] = dict(origins or {})
        held["_later"] = {name: gather for name, gather in later.items() if name not in values} if later else {}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"facts are frozen; use replace({name}=...)")

    def __getattr__(self, name: str) -> Any:
        if name not in FACTS:
            raise AttributeError(name)
        if self.knows(name):
            return self.__dict__[name]
        raise MissingFact(name)

    def knows(self, name: str) -> bool:
        """Whether the fact is known, whatever its value."""
        later: dict[str, Gather] = self.__dict__["_later"]
        gather = later.get(name)
        if gather is not None:
            found = gather()
            for fact in [fact for fact, other in later.items() if other is gather]:
                del later[fact]
                if fact in found:
                    self.__dict__[fact] = found[fact]
        return name in self.__dict__

    def origin(self, *names: str) -> tuple[Origin, ...]:
        """Where the named facts were read, those without a recorded place left out."""
        origins: Mapping[str, Origin] = self.__dict__["_origins"]
        return tuple(origins[name] for name in names if name in origins)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Every recorded place, by fact."""
        origins: Mapping[str, Origin] = self.__dict__["_origins"]
        return origins

    def replace(
        self, *, origins: Mapping[str, Origin] | None = None, later: Mapping[str, Gather] | None = None, **values: Any
    ) -> ModelFacts:
        """A copy with some facts set, or to be gathered later; their origins are replaced too where given."""
        return self._copy({**self._known(), **values}, {**self.origins, **(origins or {})}, set(), later or {})

    def without(self, *names: str) -> ModelFacts:
        """A copy in which the named facts are unknown."""
        kept = {name: value for name, value in self._known().items() if name not in names}
        return self._copy(kept, {k: o for k, o in self.origins.items() if k not in names}, set(names))

    def _known(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name in FACTS}

    def _copy(
        self,
        values: Mapping[str, Any],
        origins: Mapping[str, Origin],
        dropped: set[str],
        added: Mapping[str, Gather] = MappingProxyType({}),
    ) -> ModelFacts:
        later = {name: gather for name, gather in self.__dict__["_later"].items() if name not in dropped}
        later.update(added)
        return ModelFacts(origins=origins, later=later, **values)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in tuple(self.__dict__["_later"]):
            self.knows(name)
        return iter(self._known().items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelFacts) and dict(self) == dict(other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ModelFacts({', '.join(f'{name}={value!r}' for name, value in self)})"


FACTS: Final = frozenset(name for name in ModelFacts.__annotations__ if not name.startswith("_"))
"""Every fact's name."""
