"""The approach meshfit replaces, re-created plainly: a descriptor attached by dynamic subclassing, attribute checks."""

from __future__ import annotations

import inspect
from typing import Any, Final

MOE_MIXIN: Final = "MoEFSDPSyncMixin"
OPTIMISED_PLANS: Final[dict[str, object]] = {}


class Supports:
    """Attribute checks on a model, made anew on each access."""

    def __init__(self, model: Any, mesh: Any = None) -> None:
        self.model = model
        self.mesh = mesh

    @property
    def supports_tp(self) -> bool:
        """A plan is registered or present."""
        return type(self.model).__name__ in OPTIMISED_PLANS or getattr(self.model, "_tp_plan", None) is not None

    @property
    def supports_pp(self) -> bool:
        """A pipeline plan, or the mixture-of-experts mixin."""
        return bool(getattr(self.model, "_pp_plan", None)) or self._is_moe

    @property
    def supports_cp(self) -> bool:
        """TE attention with a backend, SDPA without one."""
        if self._is_hybrid:
            return False
        backend = getattr(self.model, "backend", None)
        if backend is not None and hasattr(backend, "attn"):
            return bool(backend.attn == "te")
        return getattr(self.model, "_supports_sdpa", False) is True

    @property
    def supports_ep(self) -> bool:
        """The mixture-of-experts mixin."""
        return self._is_moe

    @property
    def supports_sequence_packing(self) -> bool:
        """`forward` takes `seq_lens`, and the attention can isolate."""
        parameters = inspect.signature(self.model.forward).parameters
        variadic = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        if "seq_lens" not in parameters and not variadic:
            return False
        backend = getattr(self.model, "backend", None)
        return getattr(self.model, "_supports_sdpa", False) is True or getattr(backend, "attn", None) == "te"

    @property
    def supports_generate(self) -> bool:
        """A callable `generate`."""
        return callable(getattr(self.model, "generate", None))

    @property
    def supports_gradient_checkpointing(self) -> bool:
        """The class flag, not for experts on an expert axis."""
        if self._is_moe and getattr(self.mesh, "ep_size", 1) > 1:
            return False
        return getattr(self.model, "supports_gradient_checkpointing", False) is True

    @property
    def _is_moe(self) -> bool:
        return any(cls.__name__ == MOE_MIXIN for cls in type(self.model).__mro__)

    @property
    def _is_hybrid(self) -> bool:
        config = getattr(self.model, "config", None)
        pattern = getattr(config, "layers_block_type", None) or getattr(config, "hybrid_override_pattern", None) or ""
        return "M" in pattern


class _Attached:
    """Descriptor that the dynamic subclass carries."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type) -> Any:
        return self if model is None else getattr(Supports(model), f"supports_{self.name}")


CAPABILITIES: Final = ("tp", "pp", "cp", "ep", "sequence_packing", "generate", "gradient_checkpointing")


def size_of(mesh: Any, axis: str) -> int:
    """Ranks along an axis: of a device mesh by slicing it, of any other object by attribute."""
    names = getattr(mesh, "mesh_dim_names", None)
    if names is not None:
        return int(mesh[axis].size()) if axis in names else 1
    return int(getattr(mesh, f"{axis}_size", 1))


def validate(model: Any, mesh: Any) -> None:
    """Raise ValueError with one bullet per unsupported axis."""
    supports = Supports(model, mesh)
    errors = []
    if size_of(mesh, "tp") > 1 and not supports.supports_tp:
        errors.append(f"Tensor parallelism (tp_size={size_of(mesh, 'tp')}) is not supported: no TP plan.")
    if size_of(mesh, "pp") > 1 and not supports.supports_pp:
        errors.append(f"Pipeline parallelism (pp_size={size_of(mesh, 'pp')}) is not supported: no _pp_plan.")
    if size_of(mesh, "cp") > 1 and not supports.supports_cp:
        errors.append(f"Context parallelism (cp_size={size_of(mesh, 'cp')}) is not supported: no SDPA.")
    if size_of(mesh, "ep") > 1 and not supports.supports_ep:
        errors.append(f"Expert parallelism (ep_size={size_of(mesh, 'ep')}) is not supported: no MoE model.")
    if errors:
        bullets = "\n".join(f"- {error}" for error in errors)
        raise ValueError(f"Unsupported mesh for {type(model).__name__}:\n{bullets}")


def attach(model: Any) -> Any:
    """Give the model a class of its own that carries the descriptors."""
    members = {f"supports_{name}": _Attached(name) for name in CAPABILITIES if name != "gradient_checkpointing"}
    members["capability_gradient_checkpointing"] = _Attached("gradient_checkpointing")
    model.__class__ = type(type(model).__name__, (type(model),), members)
    return model
