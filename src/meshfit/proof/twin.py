"""The small model that a proof runs instead of the real one: same class, same plans, same structure, few weights."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from meshfit.errors import MeshfitError, ProofError, TargetError
from meshfit.mesh import MeshSpec
from meshfit.proof.shrinking import ATTEMPTS, is_small, moduli, shrink
from meshfit.readers.config import read_config

__all__ = ["Twin", "build_config", "find_class", "make_twin", "sizes_of", "twin_of"]


class Twin(NamedTuple):
    """What a rank needs to build the small model.

    Args:
        class_name: of the model.
        module: that defines the class.
        config: of the twin, as `config.json` holds it; empty for a model without one.
        sizes: of the twin, under transformers' names.
        notes: what a reader of the evidence must know.
        fallbacks: configs to try in turn where the class does not run with `config`.
    """

    class_name: str
    module: str
    config: dict[str, Any]
    sizes: dict[str, int]
    notes: tuple[str, ...] = ()
    fallbacks: tuple[dict[str, Any], ...] = ()


def twin_of(
    target: str | Mapping[str, Any], meshes: Sequence[MeshSpec], *, full_config: bool = False, code: str | None = None
) -> Twin:
    """The twin of a class, or of the model that a config describes.

    Args:
        target: a class of transformers (`LlamaForCausalLM`, with its default config), any other
            (`package.module:Name`), or the values of a `config.json`.
        meshes: that it has to serve: its counts leave the same remainders by their sizes as the real ones.
        full_config: take the config as it is.
        code: a folder of modelling code that may be run, where the config names such code.

    Raises:
        TargetError: there is no such class, or the config is none that it takes.
        ProofError: the model is made by code that the config brings along, and `code` is not given.
    """
    values = read_config(target).values if isinstance(target, Mapping) else None
    class_ = find_class(target) if isinstance(target, str) else _class_of(values or {}, code)
    if getattr(class_, "config_class", None) is None:
        return Twin(class_.__name__, class_.__module__, {}, {}, ("built as its own class builds it",))
    try:
        config = build_config(class_, values)
    except Exception as fault:
        raise TargetError(f"the config of {class_.__name__} cannot be made: {_first_line(fault)}") from fault
    complete = json.loads(config.to_json_string(use_diff=False))
    if full_config or is_small(complete):
        return Twin(class_.__name__, class_.__module__, complete, sizes_of(config))
    over = moduli([{axis: mesh.size(axis) for axis in mesh.used} for mesh in meshes])
    tried = [complete]
    small = []
    for attempt in ATTEMPTS:
        shrunk = shrink(read_config(complete).values, over, attempt)
        try:
            made = build_config(class_, shrunk)
        except Exception:  # noqa: BLE001, S112 - a config class may refuse a size with any error; the next way may do
            continue
        stored = json.loads(made.to_json_string(use_diff=False))
        if stored not in tried:
            tried.append(stored)
            small.append((stored, sizes_of(made)))
    if not small:
        return Twin(class_.__name__, class_.__module__, complete, sizes_of(config), ("no smaller config is accepted",))
    first, sizes = small[0]
    return Twin(class_.__name__, class_.__module__, first, sizes, fallbacks=tuple(config for config, _ in small[1:]))


def make_twin(rank: Any, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The task of a rank that makes a twin, so that whoever asks needs no framework.

    Args:
        rank: that runs it.
        payload: `target`, `meshes` as texts (`tp=2,pp=2`), `full_config`, `code`.

    Returns:
        The fields of the `Twin`, or `refused`: why there is none, and `kind`: the name of the error.
    """
    rank.step("build")
    try:
        meshes = [MeshSpec.parse(text) for text in payload["meshes"]]
        twin = twin_of(
            payload["target"], meshes, full_config=payload.get("full_config", False), code=payload.get("code")
        )
    except MeshfitError as fault:
        return {"refused": str(fault), "kind": type(fault).__name__}
    return twin._asdict()


def find_class(name: str) -> type[Any]:
    """The class, or the factory, of that name.

    Args:
        name: of a class of transformers, or `package.module:Name`.

    Raises:
        TargetError: there is none.
    """
    module, colon, attribute = name.rpartition(":")
    if module.startswith("transformers_modules."):
        from transformers.dynamic_module_utils import init_hf_modules

        init_hf_modules()
    try:
        home = importlib.import_module(module if colon else "transformers")
        found: type[Any] = getattr(home, attribute if colon else name)
    except Exception as fault:
        raise TargetError(f"{name!r} cannot be imported: {_first_line(fault)}") from fault
    return found


def _class_of(values: Mapping[str, Any], folder: str | None) -> type[Any]:
    """The class that the config names as its architecture: of transformers, for a config names no module to import."""
    names = values.get("architectures") or []
    if not names:
        raise TargetError("the config names no architecture; add architectures, such as ['LlamaForCausalLM']")
    code = values.get("auto_map")
    if folder is not None and isinstance(code, Mapping):
        return _class_from_code(str(names[0]), code, folder)
    if not str(names[0]).isidentifier():
        raise TargetError(f"{names[0]!r} in architectures is no name of a class")
    try:
        return find_class(str(names[0]))
    except TargetError:
        if isinstance(code, Mapping) and code:
            entries = ", ".join(str(one) for one in code.values())
            raise ProofError(
                f"{names[0]} is made by code that comes with the model, which is not run; it would have run {entries}"
            ) from None
        raise


def _class_from_code(name: str, code: Mapping[str, Any], folder: str) -> type[Any]:
    """The class of that name in the code that lies beside a config; the code is run."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    entries = [str(one) for one in code.values()]
    entry = next((one for one in entries if one.rpartition(".")[2] == name), None)
    if entry is None:
        raise TargetError(f"the auto_map of the config names no {name}, only {', '.join(entries)}")
    try:
        found: type[Any] = get_class_from_dynamic_module(entry, folder)
    except Exception as fault:
        raise TargetError(f"the code of {name} cannot be run: {_first_line(fault)}") from fault
    return found


def build_config(class_: type[Any], values: Mapping[str, Any] | None) -> Any:
    """The config object of a model class.

    Args:
        class_: of the model.
        values: as `config.json` holds them; None for the defaults.
    """
    kind = class_.config_class
    if values is None:
        return kind()
    values = read_config(values).values
    named = values.get("model_type")
    if named and named != getattr(kind, "model_type", None):
        from transformers import CONFIG_MAPPING

        if named in CONFIG_MAPPING:
            kind = CONFIG_MAPPING[named]
    given = {key: value for key, value in values.items() if key not in _DERIVED}
    return kind.from_dict(given)


_DERIVED: Final = ("transformers_version", "auto_map", "quantization_config", "dtype", "torch_dtype")
"""What a twin does not take over: it is made here, in 32 bits."""
_SIZES: Final = (
    *("hidden_size", "intermediate_size", "moe_intermediate_size", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "num_hidden_layers", "num_experts", "num_local_experts", "n_routed_experts", "vocab_size"),
)


def sizes_of(config: Any) -> dict[str, int]:
    """The sizes of the decoder that a config object describes, under transformers' names."""
    try:
        text = config.get_text_config()
    except Exception:  # noqa: BLE001 - a config of several decoders has no single one
        text = config
    found: dict[str, int] = {}
    for name in _SIZES:
        try:
            value = getattr(text, name, None)
        except Exception:  # noqa: BLE001, S112 - it differs between layers, and reading it is an error of its own
            continue
        if type(value) is int:
            found[name] = value
    return found


def _first_line(fault: BaseException) -> str:
    text = str(fault).strip().splitlines()
    return f"{type(fault).__name__}: {text[0][:200]}" if text else type(fault).__name__
