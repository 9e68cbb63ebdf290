"""transformers' auto mappings, read as text: model type -> config class, config -> model class."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source.index import ClassSource, Package

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "SubConfig",
    "config_class",
    "find_class",
    "listed_classes",
    "mapping",
    "model_class",
    "model_folder",
    "similar_names",
]

_PAIR: Final = re.compile(r"""\(\s*"([^"]+)",\s*\(?\s*"(\w+)\"""")
_ENTRY: Final = re.compile(r'"([^"]+)":\s*"([\w.]+)"')


@dataclass(frozen=True, slots=True)
class SubConfig:
    """transformers' `SubConfigSpec`: how a composite configuration makes one of its parts."""

    config_class: Any
    model_type: str | None = None
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False


@cache
def _text(package: Package, file: str) -> str:
    path = package.root / "models" / "auto" / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@cache
def mapping(package: Package, name: str) -> Mapping[str, str]:
    """The `(key, value)` pairs of `name = OrderedDict([...])`, and of later `name.update({...})`."""
    pairs: dict[str, str] = {}
    for file in ("auto_mappings.py", "configuration_auto.py", "modeling_auto.py"):
        text = _text(package, file)
        for start in re.finditer(rf"^{name}\b[^=\n]*(?:= OrderedDict|\.update)\(", text, re.MULTILINE):
            end = text.find("\n)", start.end())
            block = text[start.end() : end]
            pairs.update(_PAIR.findall(block))
            pairs.update(_ENTRY.findall(block))
    return pairs


def model_folder(package: Package, model_type: str) -> str:
    """The folder below `models` that defines a model type."""
    return mapping(package, "SPECIAL_MODEL_TYPE_TO_MODULE_NAME").get(model_type, model_type.replace("-", "_"))


def config_class(package: Package, model_type: str) -> ClassSource | None:
    """The configuration class of a model type, None when the package has none."""
    name = mapping(package, "CONFIG_MAPPING_NAMES").get(model_type)
    return None if name is None else find_class(package, name, model_folder(package, model_type))


def model_class(package: Package, auto_name: str, model_type: str) -> ClassSource | None:
    """The class `auto_name` (`AutoModelForCausalLM`) makes for a model type."""
    text = _text(package, "modeling_auto.py")
    declared = re.search(rf"^class {auto_name}\(.*\):\s+_model_mapping = (\w+)", text, re.MULTILINE)
    if declared is None:
        return None
    name = mapping(package, f"{declared[1]}_NAMES").get(model_type)
    return None if name is None else find_class(package, name, model_folder(package, model_type))


@cache
def listed_classes(package: Package) -> frozenset[str]:
    """Every class that an auto mapping names."""
    return frozenset(re.findall(r'"([A-Z]\w+)"', _text(package, "modeling_auto.py")))


def similar_names(package: Package, name: str, model_type: object = None) -> list[str]:
    """Classes of the auto mappings that `name` may mean, the closest first: of the model type, where it has any.

    Letter case is no difference: hub files spell `LLaMAForCausalLM` and `MPTForCausalLM`.
    """
    from difflib import get_close_matches

    text = _text(package, "modeling_auto.py")
    of_type = re.findall(rf'"{re.escape(model_type)}",\s*"([A-Z]\w+)"', text) if isinstance(model_type, str) else []
    known = {known.lower(): known for known in sorted(set(of_type or re.findall(r'"([A-Z]\w+)"', text)))}
    return [known[near] for near in get_close_matches(name.lower(), known, cutoff=0.0 if of_type else 0.6)]


@cache
def find_class(package: Package, name: str, folder: str | None = None) -> ClassSource | None:
    """The class of that name: in the folder of a model type, else wherever a modeling file defines it."""
    if folder is not None:
        found = _in_folder(package, name, folder)
        if found is not None:
            return found
    needle = f"class {name}(".encode()
    models = package.root / "models"
    for path in sorted(models.rglob("modeling_*.py")):
        if needle in path.read_bytes():
            return _in_folder(package, name, ".".join(path.parent.relative_to(models).parts))
    return None


def _in_folder(package: Package, name: str, folder: str) -> ClassSource | None:
    needle = f"class {name}(".encode()
    parts = folder.replace(".", "/")
    for path in sorted((package.root / "models" / parts).glob("*.py")):
        if path.name.startswith(("modeling_", "configuration_")) and needle in path.read_bytes():
            module = package.module(f"{package.name}.models.{folder}.{path.stem}")
            found = None if module is None else module.lookup(name)
            if isinstance(found, ClassSource):
                return found
    return None
