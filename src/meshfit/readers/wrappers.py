"""What stands between a caller's object and the model: wrappers, and classes that frameworks generate.

Everything is recognised by the names in the method resolution order, so no framework is imported to look.
"""

from __future__ import annotations

from typing import Any, Final

from meshfit.errors import TargetError

__all__ = ["derives_from", "is_module", "is_pretrained", "model_class", "unwrap"]

_HOLDERS: Final = {
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
}
"""Wrapper class -> the attribute that holds the model."""

_PEFT: Final = "PeftModel"


def derives_from(cls: type, name: str, package: str | None = None) -> bool:
    """Whether a class of that plain name, defined in `package` when one is given, is in the MRO of `cls`."""
    return any(c.__name__ == name and (package is None or _inside(c, package)) for c in cls.__mro__)


def is_module(cls: type) -> bool:
    """Whether `cls` is a `torch.nn.Module`."""
    return derives_from(cls, "Module", "torch")


def is_pretrained(cls: type) -> bool:
    """Whether `cls` is a `PreTrainedModel` of transformers."""
    return derives_from(cls, "PreTrainedModel", "transformers")


def model_class(cls: type) -> type:
    """`cls` without the classes that `fully_shard` and `replicate` generate over it (`FSDPMyLlama` -> `MyLlama`)."""
    while cls.__bases__ and _inside(cls.__bases__[0], "torch.distributed") and len(cls.__bases__) > 1:
        cls = cls.__bases__[1]
    return cls


def unwrap(model: Any) -> Any:
    """The model inside DDP, FSDP, `torch.compile` and PEFT wrappers, however nested.

    Raises:
        TargetError: a wrapper contains itself.
    """
    seen: list[object] = []
    while True:
        inner = _inner(model)
        if inner is None:
            return model
        if any(inner is one for one in seen):
            raise TargetError(f"{type(model).__name__} wraps itself; pass the model it was made from")
        seen.append(model)
        model = inner


def _inner(model: Any) -> Any:
    for cls in type(model).__mro__:
        holder = _HOLDERS.get(f"{cls.__module__}.{cls.__qualname__}")
        if holder is not None:
            return getattr(model, holder)
        if cls.__name__ == _PEFT and _inside(cls, "peft"):
            return model.get_base_model()
    return None


def _inside(cls: type, package: str) -> bool:
    return cls.__module__ == package or cls.__module__.startswith(f"{package}.")
