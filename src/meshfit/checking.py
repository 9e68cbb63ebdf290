"""`check`: any target, any mesh, one report."""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from meshfit.errors import MeshfitError, TargetError
from meshfit.facts import Origin
from meshfit.mesh import MeshSpec

if TYPE_CHECKING:
    from meshfit.evidence import Evidence
    from meshfit.facts import ModelFacts
    from meshfit.report import Report

__all__ = ["asked_facts", "check", "judged", "read_facts", "with_proofs"]

_KEPT: Final = 8
_recent: Final[OrderedDict[tuple[str, ...], ModelFacts]] = OrderedDict()
"""Facts of the configs asked about last, by content: one config is usually held against several meshes."""
_TIED: Final = {"tie_word_embeddings": Origin("the question", pointer="tie_word_embeddings")}


def check(
    target: Any,
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
    """Judge whether a model runs on a mesh; a violation is reported, never raised.

    Args:
        target: a live `nn.Module` (meta device and wrappers included), a model class, a transformers config, a mapping
            as `config.json` holds, a path to such a file or its folder, the hub id of a model that was fetched to this
            machine ("org/model", "org/model@revision"), the name of a transformers class, or `module:Class` for a
            class of your own, which is read as source.
        mesh: any mesh-like object; None for none.
        engine: who will run it ("transformers"); the mesh's origin or the model tells when None.
        world_size: ranks there are; the mesh must have as many.
        seq_len: tokens of one sequence.
        gpus_per_node: devices that share one node's fast links.
        attn_implementation: the attention that will be chosen at load, when it is not the config's choice.
        experts_implementation: the same for experts.
        evidence: let the proofs by execution that come with meshfit weigh in; False: rules alone; a path: also those in
            that file, as `meshfit verify --output` writes it.
        strict: count warnings as errors.

    Raises:
        TargetError: the target cannot be read or resolved. PlanError: a plan of it is not a mapping.
        MeshError: the mesh cannot be read.
        MeshfitError: an option is no such engine, not a positive int, not a str.
    """
    spec = MeshSpec.of(mesh)
    facts = asked_facts(
        target,
        world_size=world_size,
        seq_len=seq_len,
        gpus_per_node=gpus_per_node,
        attn_implementation=attn_implementation,
        experts_implementation=experts_implementation,
    )
    return judged(with_proofs(facts, evidence) if spec.used else facts, spec, engine=engine, strict=strict)


def asked_facts(
    target: Any,
    *,
    world_size: int | None = None,
    seq_len: int | None = None,
    gpus_per_node: int | None = None,
    attn_implementation: str | None = None,
    experts_implementation: str | None = None,
    tied: bool | None = None,
) -> ModelFacts:
    """The facts of a target with those that the question itself brings, for `judged`.

    Args:
        target: as `check` takes it.
        world_size: as `check` takes it.
        seq_len: as `check` takes it.
        gpus_per_node: as `check` takes it.
        attn_implementation: as `check` takes it.
        experts_implementation: as `check` takes it.
        tied: `tie_word_embeddings`, when it will not be what the config says.

    Raises:
        MeshfitError: as `check`.
    """
    given = _given(
        counts={"world_size": world_size, "seq_len": seq_len, "gpus_per_node": gpus_per_node},
        choices={"attn_implementation": attn_implementation, "experts_implementation": experts_implementation},
    )
    facts = read_facts(target, tied=tied)
    return facts.replace(**given) if given else facts


def judged(facts: ModelFacts, mesh: MeshSpec, *, engine: str | None = None, strict: bool = False) -> Report:
    """The report on facts that were read: by the engine given, else the mesh's, else the model's own.

    Proofs by execution weigh in as far as the facts hold them.
    """
    from meshfit.rules.judge import judge
    from meshfit.rules.proofs import PROVEN

    name = _engine(facts, mesh, engine)
    report = judge(facts, mesh, engine=name, versions=_versions(facts))
    if name in PROVEN and facts.knows("executed"):
        report = report.proven_by(facts.executed.values())
    return report.strict() if strict else report


def with_proofs(facts: ModelFacts, evidence: bool | str | os.PathLike[str] = True) -> ModelFacts:
    """The facts with the proofs by execution that speak of the model; `evidence` is given as to `check`.

    Raises:
        EvidenceError: the file of evidence cannot be read.
        MeshfitError: `evidence` is neither a bool nor a path.
    """
    own: tuple[Evidence, ...] = ()
    if isinstance(evidence, str | os.PathLike):
        from meshfit.evidence import read_evidence

        own = read_evidence(os.fspath(evidence))
    elif not isinstance(evidence, bool):
        raise MeshfitError(f"evidence must be True, False or a path, got {evidence!r} ({type(evidence).__name__})")
    if evidence is False:
        return facts.replace(executed={})
    from meshfit.readers.proven import recorded_proofs

    return facts.replace(executed=recorded_proofs(facts, own=own))


def read_facts(target: Any, *, tied: bool | None = None) -> ModelFacts:
    """The facts of any target that `check` takes.

    Args:
        target: as `check` takes it.
        tied: `tie_word_embeddings` in place of what is read, for a target that is no live model and no class.

    Raises:
        TargetError: it cannot be read or resolved.
    """
    if isinstance(target, str) and not _is_path(target):
        return _facts_of_name(target, tied)
    if isinstance(target, Mapping | str | os.PathLike):
        return _facts_of_config(target, tied)
    kinds = target.__mro__ if isinstance(target, type) else type(target).__mro__
    names = {kind.__name__ for kind in kinds}
    if names & {"PreTrainedConfig", "PretrainedConfig"}:
        if isinstance(target, type):
            raise TargetError(
                f"{target.__name__} is a config class without values; pass an instance: {target.__name__}()"
            )
        return _facts_of_config_object(target)
    if not any(kind.__name__ == "Module" and kind.__module__.startswith("torch.") for kind in kinds):
        shown = target.__name__ if isinstance(target, type) else f"{target!r:.80} ({type(target).__name__})"
        raise TargetError(
            f"cannot check {shown}; pass a torch.nn.Module or a class of one, a transformers config, a mapping, or a "
            f"path to a config.json"
        )
    from meshfit.readers.model import facts_of

    return facts_of(target)


def _is_path(text: str) -> bool:
    """`meta-llama/`, `config.json` and whatever exists are paths; `LlamaForCausalLM` and `my.module:MyLM` are names."""
    module, colon, name = text.rpartition(":")
    named = name.isidentifier() and (not colon or all(part.isidentifier() for part in module.split(".")))
    return not named or (not colon and os.path.lexists(text))


def _facts_of_name(name: str, tied: bool | None) -> ModelFacts:
    if ":" in name:
        from meshfit.readers.source.own_classes import facts_of_own_class

        facts = facts_of_own_class(name)
        return facts if tied is None else facts.replace(origins=_TIED, tie_word_embeddings=tied, tied_head=tied)
    from meshfit.readers.shipped.choice import read_by_class

    try:
        if tied is None:
            return read_by_class({}, where=name, class_name=name)
        facts = read_by_class({"tie_word_embeddings": tied}, where=name, class_name=name)
    except TargetError as unknown:
        cached = _in_hub_cache(name)
        if cached is not None:
            return _facts_of_config(cached, tied)
        raise TargetError(f"{unknown}; nor is there a file, a folder or a cached hub model {name!r}") from unknown
    return facts.replace(origins=_TIED)


def _in_hub_cache(target: object, *, required: bool = False) -> str | None:
    """The `config.json` of a hub model that was fetched to this machine.

    Raises:
        TargetError: `required`, the target can be nothing but a hub id, and it was not fetched.
    """
    from meshfit.readers.hub import absent, cached_config, hub_id

    model = hub_id(target) if isinstance(target, str) else None
    path = None if model is None else cached_config(model)
    if path is None and model is not None and required and not model.name.endswith(".json"):
        raise absent(model)
    return None if path is None else str(path)


def _facts_of_config(target: Mapping[str, Any] | str | os.PathLike[str], tied: bool | None) -> ModelFacts:
    from meshfit.readers.config import read_config
    from meshfit.readers.shipped.choice import ENVIRONMENT, read_by_class

    if isinstance(target, str) and not os.path.lexists(target):
        target = _in_hub_cache(target, required=True) or target
    config = read_config(target)
    told = json.dumps(config.values, sort_keys=True, default=repr) if config.text is None else config.text
    key = (config.where, told, str(tied), os.environ.get(ENVIRONMENT, ""), *sys.path)
    # Taken out and put back at the end, in steps that another thread may come between.
    facts = _recent.pop(key, None)
    if facts is None:
        values = config.values if tied is None else _with_tied(config.values, tied)
        facts = read_by_class(values, where=config.where, origin=config.origin)
        facts = facts if tied is None else facts.replace(origins=_TIED)
    _recent[key] = facts
    while len(_recent) > _KEPT:
        _recent.popitem(last=False)
    return facts


def _with_tied(values: Mapping[str, Any], tied: bool) -> dict[str, Any]:
    """The config with that answer, in each of its parts that gives one."""
    changed = {
        key: _with_tied(value, tied) if isinstance(value, Mapping) and "tie_word_embeddings" in value else value
        for key, value in values.items()
    }
    return {**changed, "tie_word_embeddings": tied}


def _facts_of_config_object(config: Any) -> ModelFacts:
    from meshfit.readers.shipped.choice import read_by_class

    name = type(config).__name__
    values = {**config.to_dict(), "architectures": config.architectures}
    for fact in ("attn_implementation", "experts_implementation"):
        chosen = getattr(config, f"_{fact}", None)
        if isinstance(chosen, str):
            values.setdefault(f"_{fact}", chosen)
    if not values["architectures"]:
        raise TargetError(f"{name} names no architectures, so no model class is known; set config.architectures")
    return read_by_class(values, where=name)


def _given(counts: Mapping[str, int | None], choices: Mapping[str, str | None]) -> dict[str, Any]:
    """The options that were given, as facts. Raises MeshfitError for one that is no count or no name."""
    given: dict[str, Any] = {name: value for name, value in {**counts, **choices}.items() if value is not None}
    for name, value in given.items():
        if name in counts and (type(value) is not int or value < 1):
            raise MeshfitError(f"{name} must be an int >= 1, got {value!r} ({type(value).__name__})")
        if name in choices and (not isinstance(value, str) or not value):
            raise MeshfitError(f'{name} must be a name such as "sdpa", got {value!r} ({type(value).__name__})')
    return given


def _engine(facts: ModelFacts, mesh: MeshSpec, given: str | None) -> str:
    name = given if given is not None else mesh.engine
    if name is None:
        return facts.engine
    from meshfit.rules.registry import engine_names

    known = engine_names()
    if name not in known:
        raise MeshfitError(f"unknown engine {name!r}; engines are {', '.join(known)}")
    return name


def _versions(facts: ModelFacts) -> dict[str, str]:
    """The version of transformers a verdict speaks of: the imported one, else the installed source, else the index."""
    if not (facts.knows("is_pretrained") and facts.is_pretrained):
        return {}
    imported = getattr(sys.modules.get("transformers"), "__version__", None)
    if isinstance(imported, str):
        return {"transformers": imported}
    from meshfit.readers.source.index import find_package

    package = find_package("transformers")
    if package is not None:
        return {"transformers": package.version}
    from meshfit.readers.shipped.choice import index_in_use, index_version

    try:
        return {"transformers": index_version(index_in_use())}
    except TargetError:  # the user's own class, read as source: nothing of transformers was asked
        return {}
