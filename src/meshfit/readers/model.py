"""Facts of a live model. The module tree, the config and the class are read; no weight is, so meta devices do."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from meshfit.errors import MeshfitError, TargetError
from meshfit.facts import FACTS, ModelFacts, Origin
from meshfit.readers.attributes import ABSENT, as_plan, attribute, class_attribute, is_computed
from meshfit.readers.class_facts import (
    FLAGS,
    class_facts,
    declared_by_class,
    declared_fields,
    engine_of,
    facts_of_class,
    forward_parameters,
)
from meshfit.readers.config_facts import config_facts, is_hybrid
from meshfit.readers.proven import class_source, recorded_proofs
from meshfit.readers.source.forward import TENSOR_FACTS, body_gathers
from meshfit.readers.structure import named_modules, require_begun, structure_facts
from meshfit.readers.wrappers import is_module, model_class, unwrap

__all__ = ["CONFIG_FACTS", "LiveFacts", "facts_of"]

_TE_FLAG: Final = "_te_attention_injected"
"""What NeMo sets on a model into which it put Transformer Engine attention."""
_TE_ATTENTION: Final = ("DotProductAttention", "MultiheadAttention", "TransformerLayer")


class LiveFacts(ModelFacts):
    """The facts of a live model, each group gathered when one of its facts is asked for.

    Holds the model weakly: facts must not keep a deleted model alive. `read` lists the facts asked for so far.
    """

    def __init__(self, model: Any, given: Mapping[str, Any] | None = None) -> None:
        super().__init__(origins={}, **(given or {}))
        state = self.__dict__
        state["_model"] = weakref.ref(model)
        state["_pending"] = dict(_LOADERS)
        state["read"] = set()

    def afresh(self) -> LiveFacts:
        """A copy that knows what this one does, and lists only what the copy is asked: one for each judging."""
        state = self.__dict__
        copy: LiveFacts = object.__new__(LiveFacts)
        copy.__dict__.update(state, _pending={**state["_pending"]}, _origins={**state["_origins"]}, read=set())
        return copy

    def __getattribute__(self, name: str) -> Any:
        if name in FACTS:
            self._load(name)
        return super().__getattribute__(name)

    def knows(self, name: str) -> bool:
        """Whether the fact is known, whatever its value."""
        self._load(name)
        return super().knows(name)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in _LOADERS:
            self._load(name)
        return super().__iter__()

    def replace(self, *, origins: Mapping[str, Origin] | None = None, **values: Any) -> ModelFacts:
        """A copy with some facts set, the others still gathered when asked for."""
        state = self.__dict__
        copy = LiveFacts(state["_model"](), {**{k: v for k, v in state.items() if k in FACTS}, **values})
        copy.__dict__["_pending"] = {k: load for k, load in state["_pending"].items() if k not in values}
        copy.__dict__["_origins"] = {**state["_origins"], **(origins or {})}
        return copy

    def _load(self, name: str) -> None:
        state = self.__dict__
        state["read"].add(name)
        load = state["_pending"].get(name)
        if load is None:
            return
        model = state["_model"]()
        if model is None:
            raise TargetError("the model these facts describe no longer exists; gather them again")
        found = load(model, self)
        pending = state["_pending"]
        for fact in [fact for fact, other in pending.items() if other is load]:
            del pending[fact]
            if fact in found:
                state[fact] = found[fact]
        place = Origin(state.get("class_name") or model_class(type(model)).__name__, pointer=_POINTERS.get(load, ""))
        state["_origins"].update(dict.fromkeys(found, place))


def facts_of(target: Any) -> ModelFacts:
    """The facts of a live model, wrapped or not, or of a model class.

    Raises:
        TargetError: it is no `torch.nn.Module`.
        PlanError: a plan of it is not a mapping.
    """
    if isinstance(target, type):
        return ModelFacts(origins={}, **facts_of_class(model_class(target)))
    model = unwrap(target)
    if not is_module(type(model)):
        raise TargetError(f"{type(model).__name__} is not a torch.nn.Module; pass a model, a class or a config")
    require_begun(model)
    return LiveFacts(model)


def _identity(model: Any, _: ModelFacts) -> dict[str, Any]:
    cls = type(model)
    facts = class_facts(cls)
    for fact, flag in FLAGS.items():
        if flag in model.__dict__ or is_computed(class_attribute(cls, flag)):
            facts[fact] = attribute(model, flag) is True
    facts["has_generate"] = callable(attribute(model, "generate"))
    own = model.__dict__.get("forward")
    parameters = forward_parameters(cls.forward if own is None else getattr(own, "__func__", own))
    if parameters is not None:
        facts["forward_parameters"] = parameters
    return facts


def _backend(model: Any, _: ModelFacts) -> dict[str, Any]:
    backend = attribute(model, "backend")
    attn = None if backend is ABSENT or backend is None else attribute(backend, "attn")
    attn = getattr(attn, "value", attn)
    facts: dict[str, Any] = {"engine": engine_of(type(model), None if attn is ABSENT else attn)}
    if attn is None or attn is ABSENT:
        facts["backend_attn"] = None
    elif isinstance(attn, str):
        facts["backend_attn"] = attn.lower()
    return facts


def _injection(model: Any, _: ModelFacts) -> dict[str, Any]:
    kinds = {type(module) for _, module in named_modules(model)}
    return {
        "te_injected": attribute(model, _TE_FLAG) is True
        or any(
            base.__module__.startswith("transformer_engine") and base.__name__ in _TE_ATTENTION
            for kind in kinds
            for base in kind.__mro__
        )
    }


def _plans(model: Any, _: ModelFacts) -> dict[str, Any]:
    name = model_class(type(model)).__name__
    return {
        f"{kind}_plan": as_plan(attribute(model, f"_{kind}_plan"), f"{name}._{kind}_plan")
        for kind in ("tp", "ep", "pp", "fsdp")
    }


def _declared(model: Any, _: ModelFacts) -> dict[str, Any]:
    declared = declared_by_class(type(model))
    decide = getattr(type(model), "get_capabilities", None)
    if decide is not None:
        config = attribute(model, "config")
        declared.update(declared_fields(_asked(type(model), decide, None if config is ABSENT else config)))
    return {"declared": declared}


def _asked(cls: type, decide: Any, config: Any) -> Any:
    """What `get_capabilities` says of a config, once it is known to take one: a TypeError of its own stays its own."""
    try:
        inspect.signature(decide).bind(config)
    except TypeError as refused:
        raise TargetError(
            f"{model_class(cls).__name__}.get_capabilities is asked on the class with the config alone ({refused}); "
            f"write @classmethod def get_capabilities(cls, config)"
        ) from None
    except ValueError:
        # A callable without a signature.
        pass
    return decide(config)


def _config(model: Any, _: ModelFacts) -> dict[str, Any]:
    return config_facts(attribute(model, "config"))


def _hybrid(model: Any, _: ModelFacts) -> dict[str, Any]:
    return {"is_hybrid": is_hybrid(model)}


def _structure(model: Any, facts: ModelFacts) -> dict[str, Any]:
    found = structure_facts(model)
    source = source_facts_of(model) if facts.is_pretrained else None
    if source is not None and source.knows("modules"):
        # Which head count a width was computed from stands in the source, not on the instance.
        for name, module in found["modules"].items():
            written = source.modules.get(name)
            if written is not None and written.heads is not None and written.width == module.width:
                found["modules"][name] = module._replace(heads=written.heads)
    return found


def _loading(model: Any, _: ModelFacts) -> dict[str, Any]:
    return _body_facts(model, "loading_faults")


def _source(model: Any, facts: ModelFacts) -> dict[str, Any]:
    source = source_facts_of(model) if facts.is_pretrained else None
    return {} if source is None else {name: getattr(source, name) for name in _FROM_SOURCE if source.knows(name)}


def _tensor_bodies(model: Any, _: ModelFacts) -> dict[str, Any]:
    return _body_facts(model, TENSOR_FACTS[0])


def _context_bodies(model: Any, _: ModelFacts) -> dict[str, Any]:
    return _body_facts(model, "context_faults")


def _pipeline_bodies(model: Any, _: ModelFacts) -> dict[str, Any]:
    return _body_facts(model, "pipeline_faults")


def _body_facts(model: Any, name: str) -> dict[str, Any]:
    """A fact of a live model's forward bodies with the others of its analysis; unknown where `forward` was patched."""
    from meshfit.readers.live import LiveInstance

    return dict(body_gathers(LiveInstance(model))[name]())


def source_facts_of(model: Any) -> ModelFacts | None:
    """The facts that evaluating the source of the model's class gives; None where it cannot be evaluated."""
    config = attribute(model, "config")
    to_dict = getattr(config, "to_dict", None)
    shipped = next((c for c in type(model).__mro__ if c.__module__.startswith("transformers.models.")), None)
    if not callable(to_dict) or shipped is None:
        return None
    try:
        from meshfit.readers.source.facts import facts_from_config
    except ImportError:
        return None
    values = {**to_dict(), "architectures": [shipped.__name__]}
    try:
        return facts_from_config(values, where="model.config", class_name=shipped.__name__)
    except MeshfitError:
        return None


def _class_source(model: Any, _: ModelFacts) -> dict[str, Any]:
    return {"class_source": None if "forward" in model.__dict__ else class_source(model_class(type(model)))}


def _executed(_: Any, facts: ModelFacts) -> dict[str, Any]:
    return {"executed": recorded_proofs(facts, settling=True)}


_FROM_SOURCE: Final = ("conversions",)
CONFIG_FACTS: Final = (
    *("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim"),
    *("num_hidden_layers", "vocab_size", "num_experts", "moe_intermediate_size", "linear_num_key_heads"),
    *("linear_num_value_heads", "mamba_heads", "mamba_groups", "heads_per_layer", "kv_heads_per_layer"),
    *("layer_types", "sliding_window", "tie_word_embeddings", "is_encoder_decoder", "is_multimodal"),
    *("dtype_bytes", "attn_implementation", "experts_implementation", "per_layer_attributes"),
)
"""The facts read from the config object alone."""

_Loader = Callable[[Any, ModelFacts], dict[str, Any]]
_GROUPS: Final[tuple[tuple[_Loader, str, tuple[str, ...]], ...]] = (
    (
        _identity,
        "",
        (
            *("class_name", "is_pretrained", "moe_mixin", "registered_tp_plan", "is_custom", "supports_sdpa"),
            *("owns_cp_attention", "supports_cp_sdpa", "gradient_checkpointing", "has_generate", "forward_parameters"),
        ),
    ),
    (_backend, "backend", ("engine", "backend_attn")),
    (_injection, "", ("te_injected",)),
    (_plans, "", ("tp_plan", "ep_plan", "pp_plan", "fsdp_plan")),
    (_declared, "", ("declared",)),
    (_hybrid, "config", ("is_hybrid",)),
    (_config, "config", CONFIG_FACTS),
    (
        _structure,
        "",
        (
            *("parameters", "modules", "layer_lists", "base_model_prefix", "base_children"),
            *("head_children", "tied_head", "head_name", "embedding_name"),
        ),
    ),
    (_source, "", _FROM_SOURCE),
    (_tensor_bodies, "forward", TENSOR_FACTS),
    (_loading, "", ("loading_faults",)),
    (_context_bodies, "forward", ("context_faults",)),
    (_pipeline_bodies, "forward", ("pipeline_faults",)),
    (_class_source, "", ("class_source",)),
    (_executed, "", ("executed",)),
)
_LOADERS: Final[dict[str, _Loader]] = {name: load for load, _, names in _GROUPS for name in names}
_POINTERS: Final = {load: pointer for load, pointer, _ in _GROUPS}
