"""Which recorded proofs by execution speak of a model: those of its class as written, in its structure and version."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from meshfit.facts import ModelFacts

if TYPE_CHECKING:
    from meshfit.evidence import Evidence

__all__ = ["DECIDING", "class_source", "proofs_of", "recorded_proofs", "source_digest", "structure_of"]

DECIDING: Final = frozenset(
    {
        *("__init__", "forward", "_tp_plan", "_pp_plan", "_ep_plan", "_fsdp_plan"),
        *("tp_plan", "pp_plan", "ep_plan", "fsdp_plan"),
    }
)
"""What makes a class speak for itself: a subclass that overrides none of these does what its base does."""

_ORDINARY: Final = frozenset({None, "eager", "sdpa", "grouped_mm"})
"""Implementations of attention and experts that a library picks by itself; what they do differently, rules know."""
_STRUCTURE: Final = ("tp_plan", "ep_plan", "fsdp_plan", "tie_word_embeddings", "is_encoder_decoder")
_BODIES: Final = ("pipeline_faults", "context_faults")
"""What the forward bodies do; unknown of a body that no rule can follow, in each config of its class."""
_CONDENSED: Final = (
    *("parameters", "modules", "layer_types", "sliding_window", "attn_implementation", "experts_implementation"),
)


def structure_of(facts: ModelFacts) -> str:
    """A digest of what decides a model's behaviour on a mesh, sizes aside; empty where a part of it is unknown.

    Parameters of layers by name, modules by class, plans, layer kinds, whether a window is set, tying, chosen
    implementations, and what the forward bodies do under these config values.
    """
    if not all(facts.knows(name) for name in (*_CONDENSED, *_STRUCTURE)):
        return ""
    parts = {name: _plain(getattr(facts, name)) for name in _STRUCTURE}
    parts.update({name: _plain(getattr(facts, name)) for name in _BODIES if facts.knows(name)})
    parts["parameters"] = sorted(name for name in facts.parameters if ".*." in name)
    parts["modules"] = sorted((name, module.kind) for name, module in facts.modules.items() if name)
    parts["chosen"] = sorted({facts.attn_implementation, facts.experts_implementation} - _ORDINARY)
    parts["layer_types"] = sorted(set(facts.layer_types or ()))
    parts["window"] = facts.sliding_window is not None
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted((key, str(style)) for key, style in value.items())
    return sorted(map(str, value)) if isinstance(value, tuple | frozenset) else value


def source_digest(path: Path) -> str:
    """A digest of a source file; empty where it cannot be read."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return _digest(str(path), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _digest(path: str, _modified: int, _size: int) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def class_source(cls: type) -> tuple[str, str, str] | None:
    """`class_source` of a live class: the first of its order that decides anything, when transformers ships it."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] == "meshfit" or not DECIDING.intersection(vars(base)):
            continue
        if not base.__module__.startswith("transformers.models."):
            return None
        file = getattr(sys.modules.get(base.__module__), "__file__", None)
        version = getattr(sys.modules.get("transformers"), "__version__", None)
        digest = source_digest(Path(file)) if isinstance(file, str) else ""
        return (base.__name__, digest, version) if digest and isinstance(version, str) else None
    return None


def proofs_of(facts: ModelFacts, recorded: Iterable[Evidence]) -> dict[str, Evidence]:
    """Axes -> the proof that speaks of the model; of several the last. The structure is looked at only if need be."""
    source = facts.class_source if facts.knows("class_source") else None
    if source is None:
        return {}
    name, digest, version = source
    ours = [
        e
        for e in recorded
        if e.target == name and e.class_digest == digest and e.versions.get("transformers") == version
    ]
    structure = structure_of(facts) if ours else ""
    return {e.axes: e for e in ours if structure and e.structure == structure}


def recorded_proofs(facts: ModelFacts, *, settling: bool = False, own: Iterable[Evidence] = ()) -> dict[str, Evidence]:
    """The proofs that speak of the model: of the atlas that meshfit ships, and in place of those, of `own`.

    Args:
        facts: of the model.
        settling: only those that say something else than the rules did.
        own: further proofs, read from a file.
    """
    source = facts.class_source if facts.knows("class_source") else None
    if source is None:
        return {}
    from meshfit.readers.atlas_file import SHIPPED, shipped_atlas

    recorded = (*(shipped_atlas().of(source[0]) if SHIPPED.exists() else ()), *own)
    return proofs_of(facts, (e for e in recorded if e.disagrees) if settling else recorded)
