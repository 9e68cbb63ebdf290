"""The approach meshfit replaces, re-created plainly: a descriptor attached by dynamic subclassing, attribute checks."""

from __future__ import annotations

import inspect
from typing import Any, Final


def _is_moe(cls: type) -> bool:
    from optimised_plans import MoEFSDPSyncMixin

    return issubclass(cls, MoEFSDPSyncMixin)


def _has_optimised_plan(cls: type) -> bool:
    from optimised_plans import PLANS, qualified_name

    return qualified_name(cls) in PLANS


def _has_backend(model: Any) -> bool:
    backend = getattr(model, "backend", None)
    return backend is not None and hasattr(backend, "attn")


def _uses_te(model: Any) -> bool:
    if getattr(getattr(model, "backend", None), "attn", None) == "te":
        return True
    return bool(getattr(model, "_te_attention_injected", False))


def _is_hybrid(model: Any) -> bool:
    configs = [getattr(model, "config", None)]
    inner = getattr(model, "language_model", None)
    if inner is not None:
        configs.append(getattr(inner, "config", None))
    configs.extend([getattr(config, "text_config", None) for config in configs if config is not None])
    for config in configs:
        if config is None:
            continue
        for name in ("layers_block_type", "hybrid_override_pattern"):
            pattern = getattr(config, name, None)
            if pattern and any(str(kind).upper() == "M" for kind in pattern):
                return True
        if getattr(config, "is_hybrid_model", False) is True:
            return True
        kinds = getattr(config, "layer_types", None)
        if kinds and any(str(kind) == "linear_attention" for kind in kinds):
            return True
    return False


def _takes_seq_lens(model: Any) -> bool:
    parameters = inspect.signature(model.forward).parameters
    variadic = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return "seq_lens" in parameters or variadic


class Supports:
    """Attribute checks on a model, made anew on each access."""

    __slots__ = ("_cls", "_mesh", "_model")

    def __init__(self, model: Any, mesh: Any = None) -> None:
        self._model = model
        self._cls = type(model)
        self._mesh = mesh

    @property
    def supports_tp(self) -> bool:
        """A plan is in the table or on the model."""
        return _has_optimised_plan(self._cls) or getattr(self._model, "_tp_plan", None) is not None

    @property
    def supports_pp(self) -> bool:
        """A pipeline plan, or the mixture-of-experts base."""
        return getattr(self._model, "_pp_plan", None) is not None or _is_moe(self._cls)

    @property
    def supports_cp(self) -> bool:
        """TE attention with a backend, SDPA without one."""
        if _has_backend(self._model):
            if _is_hybrid(self._model):
                return getattr(self._model.backend, "attn", None) in ("te", "sdpa")
            return _uses_te(self._model)
        if _is_hybrid(self._model):
            return False
        return getattr(self._model, "_supports_sdpa", False) is True

    @property
    def supports_ep(self) -> bool:
        """The mixture-of-experts base."""
        return _is_moe(self._cls)

    @property
    def supports_sequence_packing(self) -> bool:
        """`forward` takes `seq_lens`, and the attention can isolate."""
        attention = getattr(self._model, "_supports_sdpa", False) is True or _uses_te(self._model)
        return _takes_seq_lens(self._model) and attention

    @property
    def supports_generate(self) -> bool:
        """A callable `generate`."""
        return callable(getattr(self._model, "generate", None))

    @property
    def supports_gradient_checkpointing(self) -> bool:
        """The class flag, not for experts on an expert axis."""
        if self.supports_ep and getattr(self._mesh, "ep_size", 1) > 1:
            return False
        for cls in self._cls.__mro__:
            if "supports_gradient_checkpointing" in cls.__dict__:
                return cls.__dict__["supports_gradient_checkpointing"] is True
        return False


def _forwarded(name: str) -> property:
    """A property of the dynamic subclass that asks the object attached to the model."""

    def read(model: Any) -> bool:
        return bool(getattr(model.supports, name))

    return property(read)


CAPABILITIES: Final = ("tp", "pp", "cp", "ep", "sequence_packing", "generate", "gradient_checkpointing")


def size_of(mesh: Any, axis: str) -> int:
    """Ranks along an axis: of a device mesh by slicing it, of any other object by attribute."""
    names = getattr(mesh, "mesh_dim_names", None)
    if names is not None:
        return int(mesh[axis].size()) if axis in names else 1
    return int(getattr(mesh, f"{axis}_size", 1))


def validate(model: Any, mesh: Any) -> None:
    """Raise ValueError with one bullet per unsupported axis."""
    supports = model.supports if hasattr(model, "supports") else Supports(model, mesh)
    name = type(model).__name__
    errors = []
    for axis, why in (
        ("tp", "has no TP plan"),
        ("pp", "has no _pp_plan"),
        ("cp", "does not support SDPA"),
        ("ep", "is not a MoE model"),
    ):
        size = size_of(mesh, axis)
        if size > 1 and not getattr(supports, f"supports_{axis}"):
            fix = f"set --distributed.{axis}_size=1 or, in YAML,\ndistributed:\n  {axis}_size: 1"
            errors.append(f"{axis}_size={size} was asked for but {name} {why}.\n{fix}")
    if errors:
        bullets = "\n".join(f"  - {error}" for error in errors)
        raise ValueError(f"Unsupported mesh for {name}:\n{bullets}")


def attach(model: Any, mesh: Any = None) -> Any:
    """Give the model a class of its own with forwarding properties, and the object they ask."""
    members = {
        f"supports_{name}": _forwarded(f"supports_{name}")
        for name in CAPABILITIES
        if name[0] != "g" or name == "generate"
    }
    members["capability_gradient_checkpointing"] = _forwarded("supports_gradient_checkpointing")
    model.__class__ = type(type(model).__name__, (type(model),), members)
    model.supports = Supports(model, mesh)
    return model
