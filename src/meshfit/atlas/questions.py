"""What a sweep asks: the classes of transformers that write text, and the meshes they are run on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from meshfit.errors import MeshError, TargetError
from meshfit.evidence import axes_of
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.source import auto
from meshfit.readers.source.index import Package
from meshfit.readers.spellings import ALIASES

__all__ = ["MESHES", "all_classes", "mesh_of", "named_axes", "picked"]

MESHES: Final = ("tp", "pp", "ep+tp", "ep+fsdp", "fsdp", "cp")
"""The axes that a sweep asks for when it is not told."""

_HEADS: Final = (
    *("CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM", "MASKED_LM"),
    "SPEECH_SEQ_2_SEQ",
)
"""The auto mappings of the models that write tokens."""


def all_classes(package: Package) -> tuple[str, ...]:
    """The names of the classes that transformers' auto mappings list for models of language, in alphabetical order.

    Raises:
        TargetError: the package has no such mapping.
    """
    found = {name for head in _HEADS for name in auto.mapping(package, f"MODEL_FOR_{head}_MAPPING_NAMES").values()}
    if not found:
        raise TargetError(f"{package.root} lists no models; name the folder that holds transformers")
    return tuple(sorted(found))


def picked(package: Package, names: Iterable[str]) -> tuple[str, ...]:
    """The classes that a user names, each once.

    Raises:
        TargetError: transformers has no such class.
    """
    found = tuple(dict.fromkeys(names))
    known = auto.listed_classes(package)
    for name in found:
        if name not in known and auto.find_class(package, name) is None:
            near = auto.similar_names(package, name)
            hint = f"did you mean {' or '.join(near)}?" if near else "name classes such as LlamaForCausalLM"
            raise TargetError(f"transformers {package.version} defines no class {name!r}; {hint}")
    return found


def mesh_of(axes: str) -> MeshSpec:
    """The smallest mesh with these axes, two ranks along each: `ep+tp` is ep=2,tp=2.

    Raises:
        MeshError: an axis is unknown.
    """
    parts = re.split(r"\s*\+\s*", axes.strip())
    names = [ALIASES.get(part, part) for part in parts]
    for part, name in zip(parts, names, strict=True):
        if name not in AXES:
            raise MeshError(f"unknown axis {part!r} in {axes!r}; write for example {', '.join(MESHES)}")
    sizes: dict[str, Any] = {f"{name}_size": 2 for name in names}
    return MeshSpec(**sizes)


def named_axes(axes: str) -> str:
    """The axes as evidence names them, however the user ordered them. Raises MeshError for an unknown one."""
    return axes_of(mesh_of(axes))
