"""What a live model answers, and how an answer is kept.

The answers are computed by the rules from the facts of the model, and kept while `fingerprint.Watch` sees no change.
They are kept in a slot of the object, outside `__dict__`: pickle, copy, state_dict and `vars()` never meet it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from meshfit.checking import judged
from meshfit.errors import MissingFact, UndecidedError
from meshfit.fingerprint import Unwatchable, Watch
from meshfit.mesh import MeshSpec
from meshfit.readers.model import LiveFacts, facts_of
from meshfit.readers.wrappers import is_module, model_class, unwrap
from meshfit.report import Severity

if TYPE_CHECKING:
    from meshfit.facts import ModelFacts
    from meshfit.report import Report

__all__ = ["Keeper", "decided", "evaluated", "mesh_of", "model_supports", "reported", "supported", "watch_of"]

_AXES: Final = ("tp", "pp", "cp", "ep")
_REPORTS_KEPT: Final = 8


class Keeper:
    """Gives an object the slot that its answers are kept in."""

    __slots__ = ("_meshfit_watch",)


_slot: Any = Keeper.__dict__["_meshfit_watch"]
watch_of: Final[Callable[[Any], Watch]] = _slot.__get__
_keep_watch: Final[Callable[[Any, Watch], None]] = _slot.__set__
# Pickle protocol 2 looks for slots by this name; there is nothing for it to find.
Keeper.__slots__ = ()  # type: ignore[assignment]


def supported(target: Any, name: str, *, cp_size: int = 1, ep_size: int = 1) -> bool:
    """Whether a live model, wrapped or not, supports the capability `name` ("tp", "generate").

    Raises:
        TargetError: it is no `torch.nn.Module`.
        PlanError: a plan of the model is not a mapping.
    """
    model = unwrap(target)
    if isinstance(model, Keeper) and cp_size == 1 and ep_size == 1:
        return _read(model, name)
    return _judged(facts_of(model), name, cp_size=cp_size, ep_size=ep_size)


def model_supports(instance: Any, name: str) -> bool:
    """`supported`, and False for what is no module at all."""
    try:
        check, value = watch_of(instance).values[name]
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
        check, value = watch_of(model).values[name]
        if check(model):
            return value
    except Exception:  # noqa: BLE001, S110 - no answer yet, or a comparison the user's objects refuse: judge anew
        pass
    return evaluated(model, name)


def evaluated(model: Any, name: str) -> bool:
    """Judge the capability anew, and keep the answer beside the check that covers what it was derived from.

    Raises:
        RuntimeError: code of the user's that the facts come from raised AttributeError.
        PlanError: a plan of the model is not a mapping.
    """
    try:
        watch = _current_watch(model)
        facts = watch.facts.afresh()
        value = _judged(facts, name)
        watch.values[name] = (watch.check_for(facts.read), value)
        # What was gathered serves the next question. Of two threads that get here one gathers in vain, no more.
        watch.facts = facts
    except Unwatchable:
        return _judged(LiveFacts(model), name)
    except AttributeError as bug:
        # Out of a descriptor, nn.Module would report it as a missing attribute of the model.
        raise RuntimeError(f"supports_{name} of {type(model).__name__}: {bug}") from bug
    return value


def _current_watch(model: Any) -> Watch:
    """The model's watch, made anew when anything changed. Raises Unwatchable."""
    try:
        watch = watch_of(model)
        if watch.full(model):
            return watch
    except Exception:  # noqa: BLE001, S110 - none yet, or a comparison the user's objects refuse
        pass
    watch = Watch(model)
    _keep_watch(model, watch)
    return watch


def mesh_of(mesh: Any) -> MeshSpec:
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


def reported(model: Any, mesh: MeshSpec, engine: str | None, strict: bool) -> tuple[Report, bool]:
    """The report on a mesh and whether it is ok; kept for the mesh objects asked about last."""
    try:
        watch = _current_watch(model)
    except Unwatchable:
        report = judged(LiveFacts(model), mesh, engine=engine, strict=strict)
        return report, report.ok
    key = (mesh.engine, engine, strict)
    kept = next((entry for entry in watch.reports if entry[1] == key and entry[0] == mesh), None)
    if kept is None:
        facts = watch.facts.afresh()
        report = judged(facts, mesh, engine=engine, strict=strict)
        kept = mesh, key, watch.check_for(facts.read), report, report.ok
        watch.facts = facts
        watch.reports = (kept, *watch.reports[: _REPORTS_KEPT - 1])
    _, _, check, report, ok = kept
    # The mesh object itself is remembered beside: the same one again needs no comparison of sizes.
    watch.report = (mesh, engine, strict, check, report, ok)
    return report, ok


def decided(cls: type | None, name: str) -> bool:
    """The answer that holds for every instance of a class.

    Raises:
        UndecidedError: a config, or the instance, decides.
    """
    if cls is None or not is_module(cls):
        raise UndecidedError("a capability belongs to a model class; ask check(MyLM, mesh)")
    facts = facts_of(cls)
    missing = ""
    if name in _AXES:
        from meshfit.rules.judge import axis_engine
        from meshfit.rules.registry import rules_for

        for rule in rules_for(axis_engine(facts, facts.engine, name), name):
            if rule.size_free and rule.severity is Severity.ERROR:
                try:
                    if next(iter(rule.judge(facts, MeshSpec.parse(f"{name}=2"))), None) is not None:
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
