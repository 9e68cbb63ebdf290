"""`CapabilityMixin` and `ModelSupports`: a model that answers what it supports.

The answers are computed by the rules from the facts of the live model, and kept while `fingerprint.Watch` sees no
change. They are kept in a slot of the object, outside `__dict__`: pickle, copy, state_dict and `vars()` never meet it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from meshfit.checking import check, judged
from meshfit.errors import MissingFact, TargetError, UndecidedError
from meshfit.fingerprint import Unwatchable, Watch
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.model import LiveFacts, facts_of
from meshfit.readers.wrappers import is_module, is_pretrained, model_class, unwrap
from meshfit.report import Report, Severity, UnsupportedMeshError

if TYPE_CHECKING:
    from meshfit.facts import ModelFacts

__all__ = ["CAPABILITIES", "CapabilityMixin", "ModelSupports", "decided", "supported", "validate_for_mesh"]

_AXES: Final = ("tp", "pp", "cp", "ep")
CAPABILITIES: Final = (
    *_AXES,
    "sequence_packing",
    "cp_with_sequence_packing",
    "generate",
    "gradient_checkpointing",
)
"""Every capability, in the order a repr lists them; `supports_<name>` on a model."""

_REPORTS_KEPT: Final = 8
_ALIASES: Final = {"tp_plan": "tp", "pp_plan": "pp"}


def supported(target: Any, name: str, *, cp_size: int = 1, ep_size: int = 1) -> bool:
    """Whether a live model, wrapped or not, supports the capability `name` ("tp", "generate").

    Raises:
        TargetError: it is no `torch.nn.Module`.
        PlanError: a plan of the model is not a mapping.
    """
    model = unwrap(target)
    if isinstance(model, CapabilityMixin) and cp_size == 1 and ep_size == 1:
        return _read(model, name)
    return _judged(facts_of(model), name, cp_size=cp_size, ep_size=ep_size)


def model_supports(instance: Any, name: str) -> bool:
    """`supported`, and False for what is no module at all."""
    try:
        check, value = _watch_of(instance).values[name]
        if check(instance):
            return value
    except Exception:  # noqa: BLE001, S110 - no mixin, no answer yet, or objects that refuse to be compared
        pass
    return is_module(type(instance)) and supported(instance, name)


def _judged(facts: ModelFacts, name: str, *, cp_size: int = 1, ep_size: int = 1) -> bool:
    if name in _AXES:
        from meshfit.rules.judge import supports

        return supports(facts, name, engine=facts.engine)
    if name == "is_custom_model":
        return facts.is_custom
    from meshfit.rules.capabilities import capability

    return capability(facts, name, cp_size=cp_size, ep_size=ep_size)


def _read(model: Any, name: str) -> bool:
    """The kept answer when nothing changed since, a new one otherwise."""
    try:
        check, value = _watch_of(model).values[name]
        if check(model):
            return value
    except Exception:  # noqa: BLE001, S110 - no answer yet, or a comparison the user's objects refuse: judge anew
        pass
    return _evaluated(model, name)


def _evaluated(model: Any, name: str) -> bool:
    try:
        watch = _current_watch(model)
        facts = watch.facts
        facts.read.clear()
        value = _judged(facts, name)
        watch.values[name] = (watch.check_for(facts.read), value)
    except Unwatchable:
        return _judged(LiveFacts(model), name)
    except AttributeError as bug:
        # Out of a descriptor, nn.Module would report it as a missing attribute of the model.
        raise RuntimeError(f"supports_{name} of {type(model).__name__}: {bug}") from bug
    return value


def _current_watch(model: Any) -> Watch:
    """The model's watch, made anew when anything changed. Raises Unwatchable."""
    try:
        watch = _watch_of(model)
        if watch.full(model):
            return watch
    except Exception:  # noqa: BLE001, S110 - none yet, or a comparison the user's objects refuse
        pass
    watch = Watch(model)
    _keep_watch(model, watch)
    return watch


def _spec(mesh: Any) -> MeshSpec:
    """`MeshSpec.of`, which a device mesh of known names and shape need not pass again."""
    if type(mesh) is MeshSpec:
        return mesh
    if type(mesh).__name__ != "DeviceMesh":
        return MeshSpec.of(mesh)
    try:
        return _DEVICE_MESHES[mesh.mesh_dim_names, mesh.shape]
    except (KeyError, TypeError, AttributeError):
        spec = MeshSpec.of(mesh)
    if len(_DEVICE_MESHES) >= _REPORTS_KEPT:
        _DEVICE_MESHES.clear()
    _DEVICE_MESHES[tuple(mesh.mesh_dim_names), tuple(mesh.shape)] = spec
    return spec


_DEVICE_MESHES: Final[dict[tuple[tuple[str, ...], tuple[int, ...]], MeshSpec]] = {}


def _reported(model: Any, mesh: MeshSpec, engine: str | None, strict: bool) -> tuple[Report, bool]:
    try:
        watch = _current_watch(model)
    except Unwatchable:
        report = judged(LiveFacts(model), mesh, engine=engine, strict=strict)
        return report, report.ok
    key = (mesh.engine, engine, strict)
    kept = next((entry for entry in watch.reports if entry[1] == key and entry[0] == mesh), None)
    if kept is None:
        report = judged(watch.facts, mesh, engine=engine, strict=strict)
        kept = mesh, key, report, report.ok
        watch.reports = (kept, *watch.reports[: _REPORTS_KEPT - 1])
    _, _, report, ok = kept
    # The mesh object itself is remembered beside: the same one again needs no comparison of sizes.
    watch.report = (mesh, engine, strict, report, ok)
    return report, ok


def validate_for_mesh(model: Any, mesh: object, **options: Any) -> Report:
    """The report on `mesh`, when it can run `model`.

    Args:
        model: any target of `check`.
        mesh: any mesh-like object; None for none.
        options: the keyword arguments of `check`.

    Raises:
        UnsupportedMeshError: it cannot; the text has one bullet for each violation.
        MeshfitError: the target, the mesh or an option cannot be read, as `check`.
    """
    return check(model, mesh, **options).raise_if_any()


class Capability(functools.cached_property[bool]):
    """A read-only capability: no lock, and kept only while what it was derived from stays the same.

    Args:
        name: the capability ("tp"); an alias has another attribute name.
    """

    def __init__(self, name: str, doc: str) -> None:
        super().__init__(functools.partial(_read, name=name))
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
            check, value = _watch_of(instance).values[self.name]
            if check(instance):
                return value
        except Exception:  # noqa: BLE001, S110 - as in `_read`, which one call less keeps fast
            pass
        return _evaluated(instance, self.name)

    def __set__(self, instance: object, value: object) -> NoReturn:
        name = self.attrname or f"supports_{self.name}"
        raise AttributeError(
            f"{name} of {type(instance).__name__} cannot be assigned: it follows the model, its config and its plans; "
            f"declare it in a nested ModelCapabilities class, or register a plan in meshfit.tp_plans"
        )

    def __delete__(self, instance: object) -> NoReturn:
        self.__set__(instance, None)


def decided(cls: type | None, name: str) -> bool:
    """The answer that holds for every instance of a class.

    Raises:
        UndecidedError: a config, or the instance, decides.
    """
    if cls is None or cls is CapabilityMixin:
        raise UndecidedError("a capability belongs to a model class; ask check(MyLM, mesh)")
    facts = facts_of(cls)
    missing = ""
    if name in _AXES:
        from meshfit.rules.judge import axis_engine
        from meshfit.rules.registry import rules_for

        for rule in rules_for(axis_engine(facts, facts.engine, name), name):
            if rule.size_free and rule.severity is Severity.ERROR:
                try:
                    if next(iter(rule.judge(facts, _unit(name))), None) is not None:
                        return False
                except MissingFact as fact:
                    missing = missing or fact.name
        if not missing:
            return True
    else:
        try:
            return _judged(facts, name)
        except MissingFact as fact:
            missing = fact.name
    label = model_class(cls).__name__
    raise UndecidedError(
        f"whether {label} supports {name} depends on {missing}, which a config or an instance decides; "
        f"ask check({label}, mesh), check(config, mesh) or an instance"
    )


@functools.lru_cache(maxsize=16)
def _unit(axis: str) -> MeshSpec:
    return MeshSpec.parse(f"{axis}=2")


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
        self._model = unwrap(model)
        self._mesh = MeshSpec.of(mesh)
        facts_of(self._model)

    if TYPE_CHECKING:
        tp: bool
        pp: bool
        cp: bool
        ep: bool
        sequence_packing: bool
        cp_with_sequence_packing: bool
        generate: bool
        gradient_checkpointing: bool
        is_hybrid: bool
        is_custom_model: bool
        tp_size: int
        pp_size: int
        cp_size: int
        ep_size: int

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

    def __get__(self, instance: Any, owner: type | None = None) -> ModelSupports:
        if instance is None:
            name = "a class" if owner is None else owner.__name__
            raise UndecidedError(
                f"supports belongs to a model; on {name} ask for one capability, or check({name}, mesh)"
            )
        return ModelSupports(instance)

    def __set__(self, instance: object, value: object) -> NoReturn:
        raise AttributeError(f"supports of {type(instance).__name__} cannot be assigned")


class CapabilityMixin:
    """Makes a model class answer what it supports: `class MyLM(CapabilityMixin, LlamaForCausalLM): ...`, mixin first.

    On a `PreTrainedModel`, names that transformers owns keep its meaning (`supports_gradient_checkpointing`,
    `supports_tp_plan`, `supports_pp_plan`); `model.supports` answers for those too. transformers derives the loss from
    the class name, so keep the head's name in it: `MyLlamaForSequenceClassification`.

    Raises:
        TargetError: at class creation, when the body assigns a capability.
    """

    __slots__ = ("_meshfit_watch",)

    supports_tp = Capability("tp", "A mesh with tp_size > 1 can run this model.")
    supports_pp = Capability("pp", "A mesh with pp_size > 1 can run this model.")
    supports_cp = Capability("cp", "A mesh with cp_size > 1 can run this model.")
    supports_ep = Capability("ep", "A mesh with ep_size > 1 can run this model.")
    supports_sequence_packing = Capability("sequence_packing", "Several documents fit one row without mixing.")
    supports_cp_with_sequence_packing = Capability("cp_with_sequence_packing", "Packing along with a context axis.")
    supports_generate = Capability("generate", "The model has a callable `generate`.")
    is_custom_model = Capability("is_custom_model", "The class stands in `meshfit.custom_models`.")
    supports = _Supports()

    if TYPE_CHECKING:
        supports_gradient_checkpointing: bool
        supports_tp_plan: bool
        supports_pp_plan: bool

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _OWNED:
            if name in cls.__dict__:
                raise TargetError(
                    f"{cls.__name__} assigns {name} in its body, which would hide the verdict; declare it in a nested "
                    f"class ModelCapabilities: {name} = ..."
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
        spec = _spec(mesh)
        try:
            watch = _watch_of(self)
            asked, by, strictly, report, ok = watch.report
            if asked is not spec or by != engine or strictly is not strict or not watch.full(self):
                report, ok = _reported(self, spec, engine, strict)
        except Exception:  # noqa: BLE001 - no report yet, or a comparison the user's objects refuse: judge anew
            report, ok = _reported(self, spec, engine, strict)
        if not ok:
            raise UnsupportedMeshError(report)
        return cast("Report", report)


_slot: Any = CapabilityMixin.__dict__["_meshfit_watch"]
_watch_of: Final[Callable[[Any], Watch]] = _slot.__get__
_keep_watch: Final[Callable[[Any, Watch], None]] = _slot.__set__
# Pickle protocol 2 looks for slots by this name; there is nothing for it to find.
CapabilityMixin.__slots__ = ()  # type: ignore[assignment]

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
    return _evaluated(model, name)


_GUARDED: Final = ("_tp_plan", "_pp_plan", "_ep_plan")
# The mark that torch.compiler.assume_constant_result leaves, which would have to import torch.
_settled._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001
