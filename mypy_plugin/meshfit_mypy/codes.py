"""The plugin's error codes: `meshfit` is the parent that suppresses all others."""

from __future__ import annotations

from typing import Final

from mypy.errorcodes import ErrorCode

__all__ = ["CODES", "MESHFIT", "code_of"]

MESHFIT: Final = ErrorCode("meshfit", "Check that a model can run on the mesh it is given", "meshfit")


def _code(name: str, description: str) -> ErrorCode:
    return ErrorCode(f"meshfit-{name}", description, "meshfit", sub_code_of=MESHFIT)


CODES: Final = {
    "tp": _code("tp", "Check tensor-parallel sizes"),
    "pp": _code("pp", "Check pipeline-parallel sizes"),
    "cp": _code("cp", "Check context- and sequence-parallel sizes, and sequence packing"),
    "ep": _code("ep", "Check expert-parallel sizes"),
    "dp": _code("dp", "Check data-parallel sizes"),
    "mesh": _code("mesh", "Check that a mesh can be read, and that its sizes go together"),
}
"""Name -> code; `code_of` tells which one an axis has."""

_OF_AXES: Final = {"sp": "cp", "dp_shard": "dp", "dp_replicate": "dp"}


def code_of(axis: str) -> ErrorCode:
    """The code for violations of an axis, or of the `mesh` as a whole."""
    return CODES[_OF_AXES.get(axis, axis)]
