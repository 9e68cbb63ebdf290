"""`--live`: the target as a model on the meta device. The only part of the command that runs a framework.

The user's own module is imported, so its code runs; no weight is loaded and nothing is fetched.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from meshfit.errors import TargetError

__all__ = ["built"]


def built(target: str) -> Any:
    """The model that a target names, on the meta device; whoever judges it must hold it until then.

    Args:
        target: as `meshfit check` takes it: a class is built with the defaults of its config class, or without
            arguments where it has none.

    Raises:
        TargetError: torch or transformers is not installed, the target cannot be resolved, or its code fails.
    """
    with _quiet():
        cls, config = _class_and_config(target)
        arguments = [] if config is None else [config]
        import torch

        try:
            with torch.device("meta"):
                return cls(*arguments)
        except Exception as fault:
            raise TargetError(
                f"{cls.__name__} cannot be built on the meta device: {_told(fault)}; build it in Python and call "
                f"meshfit.check(model, mesh), or leave out --live"
            ) from fault


def _class_and_config(target: str) -> tuple[type, Any]:
    """The class, and the config it is built with; None for a class that takes none."""
    config = _written_config(target)
    if config is not None:
        return config
    module, colon, name = target.rpartition(":")
    cls = _member(module, name) if colon else _member("transformers", target)
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in getattr(cls, "__mro__", ())}
    if not isinstance(cls, type) or "torch.nn.modules.module.Module" not in kinds:
        raise TargetError(f"{target} is no class of models; name one that derives from torch.nn.Module")
    config_class = getattr(cls, "config_class", None)
    return cls, config_class() if callable(config_class) else None


def _written_config(target: str) -> tuple[type, Any] | None:
    """The class and config of a file, a folder or a cached hub id; None for a target that is none of them."""
    from meshfit.readers.config import read_config
    from meshfit.readers.hub import cached_config, hub_id

    path = Path(target)
    if not path.exists():
        model = hub_id(target)
        found = None if model is None else cached_config(model)
        if found is None:
            return None
        path = found
    source = read_config(path)
    transformers = _imported("transformers")
    names = source.values.get("architectures")
    known = [name for name in names if hasattr(transformers, str(name))] if isinstance(names, list) else []
    if not known:
        raise TargetError(f"transformers {transformers.__version__} has no class {names!r} of {source.where}")
    try:
        config = transformers.AutoConfig.from_pretrained(source.where, local_files_only=True)
    except Exception as fault:
        raise TargetError(f"transformers cannot read {source.where}: {_told(fault)}; correct it") from fault
    return getattr(transformers, known[0]), config


def _member(module: str, name: str) -> Any:
    found = getattr(_imported(module), name, None)
    if found is None:
        raise TargetError(f"{module} defines no class {name!r}, nor is there such a file or cached hub model")
    return found


def _imported(module: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, "")  # as `python` does, and as the reader of sources does
    try:
        return import_module(module)
    except (Exception, SystemExit) as fault:
        raise TargetError(f"{module} cannot be imported: {_told(fault)}; correct it, or leave out --live") from fault


def _told(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:300]}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the imported code prints is no part of the verdict, and its warnings are none of the user's."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
