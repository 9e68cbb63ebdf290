"""`CapabilityMixin` and `ModelSupports`: a model that answers what it supports."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, cast

from meshfit.answers import Keeper, decided, evaluated, mesh_of, model_supports, reported, supported, watch_of
from meshfit.checking import check
from meshfit.errors import TargetError, UndecidedError
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.model import facts_of
from meshfit.readers.wrappers import is_pretrained, model_class, unwrap
from meshfit.report import Report, UnsupportedMeshError

__all__ = ["CAPABILITIES", "CapabilityMixin", "ModelSupports", "validate_for_mesh"]


def validate_for_mesh(
    model: Any,
    mesh: Any,
    *,
    engine: str | None = None,
    world_size: int | None = None,
    seq_len: int | None = None,
    gpus_per_node: int | None = None,
    attn_implementation: str | None = None,
    experts_implementation: str | None = None,
    evidence: bool | str | os.PathLike[str] = True,
    strict: bool = False,
) -> Report:
    """The report on `mesh`, when it can run `model`; everything is given as to `check`.

    Raises:
        UnsupportedMeshError: it cannot; the text has one bullet for each violation.
        MeshfitError: the target, the mesh or an option cannot be read, as `check`.
    """
    return check(
        model,
        mesh,
        engine=engine,
        world_size=world_size,
        seq_len=seq_len,
        gpus_per_node=gpus_per_node,
        attn_implementation=attn_implementation,
        experts_implementation=experts_implementation,
        evidence=evidence,
        strict=strict,
    ).raise_if_any()


CAPABILITIES: Final = (
    *("tp", "pp", "cp", "ep"),
    "sequence_packing",
    "cp_with_sequence_packing",
    "generate",
    "gradient_checkpointing",
)
"""Every capability, in the order a repr lists them; `supports_<name>` on a model."""

_ALIASES: Final = {"tp_plan": "tp", "pp_plan": "pp"}


class Capability(functools.cached_property[bool]):
    """A read-only capability: no lock, and kept only while what it was derived from stays the same.

    Args:
        name: the capability ("tp"); an alias has another attribute name.
    """

    def __init__(self, name: str, doc: str) -> None:
        super().__init__(functools.partial(model_supports, name=name))
        self.name = name
        self.__doc__ = doc

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> bool:  # type: ignore[override]
        """The answer for a model; for a class, the answer that holds for all its models.

        Raises:
            UndecidedError: on a class, where only a config can tell.
        """
        if instance is None:
            return decided(owner, self.name)
        if _compiling():
            return _traced(instance, self.name)
        try:
            check, value = watch_of(instance).values[self.name]
            if check(instance):
                return value
        except Exception:  # noqa: BLE001, S110 - as in `model_supports`, which one call less keeps fast
            pass
        return evaluated(instance, self.name)

    def __set__(self, instance: object, value: NoReturn) -> NoReturn:  # type: ignore[override]
        # nothing is of type NoReturn, so a type checker refuses every assignment
        self._refuse(instance)

    def __delete__(self, instance: object) -> NoReturn:
        self._refuse(instance)

    def _refuse(self, instance: object) -> NoReturn:
        name = self.attrname or f"supports_{self.name}"
        raise AttributeError(
            f"{name} of {type(instance).__name__} cannot be assigned: it follows the model, its config and its plans; "
            f"declare it in a nested ModelCapabilities class, or register a plan in meshfit.tp_plans"
        )


if TYPE_CHECKING:

    class _Size:
        """Ranks along an axis of a mesh; read-only."""

        def __get__(self, instance: object, owner: type | None = None) -> int: ...
        def __set__(self, instance: object, value: NoReturn) -> NoReturn: ...


class ModelSupports:
    """What a model supports, mesh in mind: `supports.tp`, `supports.supports_tp`, `supports.tp_size`.

    Keeps no answer of its own. A `supports_*` field that a class declares is answered too, False where undeclared.

    Args:
        model: any `nn.Module`, wrapped or not.
        mesh: any mesh-like object; None for none.

    Raises:
        TargetError: the model is no module. MeshError: the mesh cannot be read.
    """

    __slots__ = ("_mesh", "_model")

    def __init__(self, model: Any, mesh: object = None) -> None:
        if isinstance(model, type):
            raise TargetError(f"{model.__name__} is a class; pass a model to ModelSupports, or ask check(class, mesh)")
        self._model = unwrap(model)
        self._mesh = MeshSpec.of(mesh)
        facts_of(self._model)

    if TYPE_CHECKING:
        # descriptors, so that a type checker refuses to assign what cannot be assigned
        tp: ClassVar[Capability]
        pp: ClassVar[Capability]
        cp: ClassVar[Capability]
        ep: ClassVar[Capability]
        sequence_packing: ClassVar[Capability]
        cp_with_sequence_packing: ClassVar[Capability]
        generate: ClassVar[Capability]
        gradient_checkpointing: ClassVar[Capability]
        is_hybrid: ClassVar[Capability]
        is_custom_model: ClassVar[Capability]
        supports_tp: ClassVar[Capability]
        supports_pp: ClassVar[Capability]
        supports_cp: ClassVar[Capability]
        supports_ep: ClassVar[Capability]
        supports_sequence_packing: ClassVar[Capability]
        supports_cp_with_sequence_packing: ClassVar[Capability]
        supports_generate: ClassVar[Capability]
        supports_gradient_checkpointing: ClassVar[Capability]
        supports_tp_plan: ClassVar[Capability]
        supports_pp_plan: ClassVar[Capability]
        tp_size: ClassVar[_Size]
        pp_size: ClassVar[_Size]
        cp_size: ClassVar[_Size]
        ep_size: ClassVar[_Size]
        dp_shard_size: ClassVar[_Size]
        dp_replicate_size: ClassVar[_Size]
        sp_size: ClassVar[_Size]

    def __getattr__(self, name: str) -> Any:
        bare = name.removeprefix("supports_")
        bare = _ALIASES.get(bare, bare)
        if bare in CAPABILITIES:
            mesh = self._mesh
            cp_size = mesh.cp_size if bare == "cp_with_sequence_packing" else 1
            ep_size = mesh.ep_size if bare == "gradient_checkpointing" else 1
            return supported(self._model, bare, cp_size=cp_size, ep_size=ep_size)
        if name == "is_hybrid":
            return supported(self._model, "hybrid")
        if name == "is_custom_model":
            return supported(self._model, name)
        if name.endswith("_size") and name.removesuffix("_size") in AXES:
            return self._mesh.size(name.removesuffix("_size"))
        if not name.startswith("_"):
            declared = facts_of(self._model).declared
            if bare in declared or name.startswith("supports_"):
                return declared.get(bare, False)
        raise AttributeError(
            f"no capability {name!r}; they are {', '.join(CAPABILITIES)}, with or without supports_, is_hybrid, "
            f"is_custom_model and the sizes of the mesh"
        )

    def __dir__(self) -> list[str]:
        names = [f"supports_{name}" for name in CAPABILITIES]
        return [*CAPABILITIES, *names, "is_hybrid", "is_custom_model", *(f"{axis}_size" for axis in AXES)]

    def __repr__(self) -> str:
        flags = [f"{name}={getattr(self, name)}" for name in (*CAPABILITIES, "is_hybrid", "is_custom_model")]
        mesh = f"mesh={self._mesh}, " if self._mesh.used else ""
        return f"ModelSupports({model_class(type(self._model)).__name__}: {mesh}{', '.join(flags)})"


class _Supports:
    """`model.supports`: a fresh `ModelSupports`; read-only."""

    # for a type checker `instance` is never None, so that asking a class is an error
    def __get__(self, instance: CapabilityMixin, owner: type | None = None) -> ModelSupports:
        if instance is None:
            name = "a class" if owner is None else owner.__name__  # type: ignore[unreachable]
            raise UndecidedError(
                f"supports belongs to a model; on {name} ask for one capability, or check({name}, mesh)"
            )
        return ModelSupports(instance)

    def __set__(self, instance: object, value: NoReturn) -> NoReturn:
        self.__delete__(instance)

    def __delete__(self, instance: object) -> NoReturn:
        raise AttributeError(f"supports of {type(instance).__name__} cannot be assigned; it follows the model")


class CapabilityMixin(Keeper):
    """Makes a model class answer what it supports: `class MyLM(CapabilityMixin, LlamaForCausalLM): ...`, mixin first.

    On a `PreTrainedModel`, names that transformers owns keep its meaning (`supports_gradient_checkpointing`,
    `supports_tp_plan`, `supports_pp_plan`); `model.supports` answers for those too. transformers derives the loss from
    the class name, so keep the head's name in it: `MyLlamaForSequenceClassification`.

    Raises:
        TargetError: at class creation, when the body assigns a capability.
    """

    __slots__ = ()

    supports_tp: ClassVar[Capability] = Capability("tp", "A mesh with tp_size > 1 can run this model.")
    supports_pp: ClassVar[Capability] = Capability("pp", "A mesh with pp_size > 1 can run this model.")
    supports_cp: ClassVar[Capability] = Capability("cp", "A mesh with cp_size > 1 can run this model.")
    supports_ep: ClassVar[Capability] = Capability("ep", "A mesh with ep_size > 1 can run this model.")
    supports_sequence_packing: ClassVar[Capability] = Capability(
        "sequence_packing", "Several documents fit one row without mixing."
    )
    supports_cp_with_sequence_packing: ClassVar[Capability] = Capability(
        "cp_with_sequence_packing", "Packing along with a context axis."
    )
    supports_generate: ClassVar[Capability] = Capability("generate", "The model has a callable `generate`.")
    is_custom_model: ClassVar[Capability] = Capability(
        "is_custom_model", "The class stands in `meshfit.custom_models`."
    )
    supports: ClassVar[_Supports] = _Supports()

    if TYPE_CHECKING:
        supports_gradient_checkpointing: bool

        # properties, as transformers has them: pyright wants bases that agree
        @property
        def supports_tp_plan(self) -> bool:
            """The same as `supports_tp`, unless transformers owns the name."""

        @property
        def supports_pp_plan(self) -> bool:
            """The same as `supports_pp`, unless transformers owns the name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _OWNED:
            if name in cls.__dict__:
                raise TargetError(
                    f"{cls.__name__} assigns {name} in its body, which would hide the verdict; declare it in a nested "
                    f"class ModelCapabilities: {name} = ..."
                )
            owner = next(base for base in cls.__mro__ if name in base.__dict__)
            if not issubclass(owner, CapabilityMixin):
                raise TargetError(
                    f"{owner.__name__}, before CapabilityMixin among the bases of {cls.__name__}, assigns {name}, "
                    f"which would hide the verdict; name CapabilityMixin first"
                )
        if not is_pretrained(cls):
            for name, supplied in _SUPPLIED.items():
                if not any(name in base.__dict__ for base in cls.__mro__):
                    setattr(cls, name, supplied)
        _find_compiler()

    def validate_for_mesh(self, mesh: object, *, engine: str | None = None, strict: bool = False) -> Report:
        """The report on `mesh`, when it can run this model.

        Args:
            mesh: any mesh-like object; None for none.
            engine: who will run it; told by the mesh or the model when not given.
            strict: refuse on warnings too.

        Raises:
            UnsupportedMeshError: it cannot; the text has one bullet for each violation.
            MeshError: the mesh cannot be read.
        """
        spec = mesh_of(mesh)
        try:
            asked, by, strictly, check, report, ok = watch_of(self).report
            if asked is not spec or by != engine or strictly is not strict or not check(self):
                report, ok = reported(self, spec, engine, strict)
        except Exception:  # noqa: BLE001 - no report yet, or a comparison the user's objects refuse: judge anew
            report, ok = reported(self, spec, engine, strict)
        if not ok:
            raise UnsupportedMeshError(report)
        return cast("Report", report)


_OWNED: Final = tuple(
    name for name, value in vars(CapabilityMixin).items() if isinstance(value, Capability | _Supports)
)
_SUPPLIED: Final[dict[str, Any]] = {
    "supports_gradient_checkpointing": False,
    "supports_tp_plan": CapabilityMixin.__dict__["supports_tp"],
    "supports_pp_plan": CapabilityMixin.__dict__["supports_pp"],
}


def _not_compiling() -> bool:
    return False


_compiling: Callable[[], bool] = _not_compiling


def _find_compiler() -> None:
    """Ask torch whether it is tracing, once a class made with the mixin has brought torch in."""
    global _compiling  # noqa: PLW0603 - torch must not be imported to define this module
    torch = sys.modules.get("torch")
    if torch is not None:
        _compiling = torch.compiler.is_dynamo_compiling


def _traced(model: Any, name: str) -> bool:
    """What dynamo follows instead: plans and switches are read so that it guards them, the verdict is a constant."""
    for attribute in _GUARDED:
        plan = getattr(model, attribute, None)
        if plan:
            for entry in plan.items():
                _ = entry
    config = getattr(model, "config", None)
    _ = getattr(config, "_attn_implementation_internal", None)
    return _settled(model, name)


def _settled(model: Any, name: str) -> bool:
    return evaluated(model, name)


_GUARDED: Final = ("_tp_plan", "_pp_plan", "_ep_plan")
# The mark that torch.compiler.assume_constant_result leaves, which would have to import torch.
_settled._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001
