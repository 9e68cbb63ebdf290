"""`verify`: one model, one mesh, run and compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.evidence import Evidence
from meshfit.mesh import MeshSpec

__all__ = ["code_beside", "target_of", "verify"]

_CONFIGS: Final = frozenset({"PreTrainedConfig", "PretrainedConfig"})


def verify(
    target: Any,
    mesh: Any,
    *,
    full_config: bool = False,
    timeout: float = 120.0,
    memory: int = 6 << 30,
    parallelize: str | None = None,
    inputs: str | None = None,
    trust_remote_code: bool = False,
) -> Evidence:
    """Run a small twin of a model on a mesh, one process a rank, and compare it with one process.

    A fresh interpreter is started, so nothing of the caller's own torch is touched; it takes some ten seconds. No
    weights are loaded: those of the twin are drawn at random, in float32.

    Args:
        target: a class of transformers by name or itself, `module:Class` of your own, a transformers config, a mapping
            as `config.json` holds, a path to such a file or its folder, or a live model, whose class and config count.
        mesh: any mesh-like object; its ranks really run, so `tp=8` takes eight processes.
        full_config: run the config as it is, not a twin with its structure and smaller sizes.
        timeout: seconds that a run may take.
        memory: bytes that all ranks of a run may use.
        parallelize: `module:function` of a model that is none of transformers: `(model, device_mesh) -> model`.
        inputs: `module:function` that gives the tensors such a model is called with, as a dict.
        trust_remote_code: run modelling code that lies beside the config. Never done otherwise.

    Returns:
        What happened. A failure of the model is an outcome, never raised.

    Raises:
        TargetError: the target cannot be read or resolved. MeshError: the mesh cannot be read, or has no axis in use.
        ProofError: nothing can be run at all, such as code that the model brings along and that is not trusted.
        MeshfitError: an option is no such thing, or torch or transformers is not installed.
    """
    from meshfit.proof.proving import plain_of, prove, require_axes, require_installed
    from meshfit.proof.ranks import Pool
    from meshfit.proof.runs import limits_of

    spec = require_axes(MeshSpec.of(mesh))
    plain = plain_of(parallelize, inputs)
    limits = limits_of(timeout, memory)
    require_installed()
    code = code_beside(target) if trust_remote_code else None
    with Pool() as pool:
        proofs = prove(pool, target_of(target), [spec], full_config=full_config, limits=limits, plain=plain, code=code)
        (evidence,) = proofs
    return evidence


def target_of(target: Any) -> str | dict[str, Any]:
    """What ranks are told of a target: the name of a class, or the values of a config.

    Raises:
        TargetError: it cannot be read, or its class cannot be imported by name.
    """
    if isinstance(target, str) and not _is_file(target):
        return target
    if isinstance(target, Mapping | str | os.PathLike):
        from meshfit.readers.config import read_config

        return dict(read_config(target).values)
    if isinstance(target, type):
        return _importable(target)
    config: Any = target if _is_config(target) else getattr(target, "config", None)
    if not _is_config(config):
        raise TargetError(
            f"cannot verify {target!r:.80} ({type(target).__name__}); pass the name of a class, a class, a config, or "
            f"a path to a config.json"
        )
    named = config.architectures if config is target else [_shipped(type(target)).__name__]
    return {**config.to_dict(), "architectures": named}


def code_beside(target: Any) -> str:
    """The folder of the code that lies beside a config.

    Raises:
        TargetError: the target is no file and no folder.
    """
    if not isinstance(target, str | os.PathLike) or not os.path.lexists(target):
        raise TargetError("there is no code to trust: the target is neither a config.json nor its folder")
    path = Path(target).resolve()
    return str(path if path.is_dir() else path.parent)


def _is_file(text: str) -> bool:
    module, _, name = text.rpartition(":")
    is_name = name.isidentifier() and all(part.isidentifier() for part in module.split(".") if module)
    return not is_name or os.path.lexists(text)


def _is_config(value: Any) -> bool:
    return any(kind.__name__ in _CONFIGS for kind in type(value).__mro__)


def _shipped(cls: type) -> type:
    """The class of transformers that a live model's own derives from, which its config can be built by."""
    found = next((base for base in cls.__mro__ if base.__module__.startswith("transformers.models.")), None)
    if found is None:
        raise TargetError(f"{cls.__name__} derives from no model of transformers; name it as module:Class")
    return found


def _importable(cls: type) -> str:
    if cls.__module__.startswith("transformers.models."):
        return cls.__name__
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise TargetError(f"{cls.__qualname__} cannot be imported by other processes; define it in a module of its own")
    return f"{cls.__module__}:{cls.__qualname__}"
