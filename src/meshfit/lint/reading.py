"""Text of a file to recipes: which format it is of, and which tools it is for. A tool is told by keys, not by path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import PurePath
from typing import Final

from meshfit.lint.documents import Branch, DocumentError, Node
from meshfit.lint.recipe import Recipe

__all__ = ["SUFFIXES", "format_of", "holds_mesh_keys", "may_hold_mesh", "read_recipes"]

SUFFIXES: Final = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".jsonc": "json",
    ".toml": "toml",
    ".sh": "shell",
    ".bash": "shell",
    ".sbatch": "shell",
    ".slurm": "shell",
    ".py": "python",
    ".ipynb": "notebook",
}
"""Suffix -> format."""

_SHEBANG: Final = re.compile(r"#![^\n]*?\b(?:(?:ba|z|da|k)?sh|(?P<python>python[\d.]*))\b")

_MESH_WORDS: Final = (
    *(b"paral", b"tp_s", b"pp_s", b"cp_s", b"ep_s", b"dp_s", b"dp_r", b"tpsi", b"cpsi", b"autotp", b"distributed"),
    *(b"megatron_lm_", b"vllm", b"device_mesh", b"MeshSpec", b"for_mesh", b"DistributedConfig"),
)
"""What no mesh is written without; a mistake in a key is at most a few letters away from one."""

_CONFIG_WORDS: Final = (b".yaml", b".yml", b".toml", b".json")

_MESH_KEYS: Final = re.compile(
    rb"(?:tp|pp|cp|ep|sp|fsdp|dp|shard|replicate)_size|parallel_(?:size|degree)|parallelism_config|\bdistributed:"
)

_TEMPLATE: Final = re.compile(r"\{\{|\{%|<%")


def format_of(path: str, start: str = "") -> str | None:
    """The format of a file by its name, or by how it starts where the name has no suffix; None: no format of ours."""
    suffix = PurePath(path).suffix.lower()
    if suffix:
        return SUFFIXES.get(suffix)
    shebang = _SHEBANG.match(start)
    if shebang:
        return "python" if shebang["python"] else "shell"
    if path != "-":
        return None
    return "json" if start.lstrip()[:1] in ("{", "[") else "yaml"


def may_hold_mesh(raw: bytes, kind: str | None = None) -> bool:
    """Whether bytes of a file can say anything of a mesh: most files of a folder cannot, and are not parsed.

    Args:
        raw: the bytes.
        kind: their format; a script may name a config that says it.
    """
    # a pattern of alternatives takes twenty times as long
    return any(word in raw for word in _MESH_WORDS) or (kind == "shell" and any(word in raw for word in _CONFIG_WORDS))


def holds_mesh_keys(raw: bytes) -> bool:
    """Whether bytes of a file name a size: what is broken in such a file its reader wants to know."""
    return _MESH_KEYS.search(raw) is not None


def read_recipes(text: str, path: str, kind: str) -> list[Recipe]:
    """Every mesh that the text tells of.

    Args:
        text: of the file.
        path: of the file.
        kind: its format, of `format_of`.

    Raises:
        DocumentError: the text is not of its format.
    """
    if kind == "shell":
        return list(import_module("meshfit.lint.shell").read_shell(text, path))
    if kind == "python":
        return list(import_module("meshfit.lint.python").read_python(text, path))
    if kind == "notebook":
        return list(import_module("meshfit.lint.notebook").read_notebook(text, path))
    try:
        return [recipe for root in _roots(text, kind) for recipe in _recipes(root)]
    except DocumentError:
        # braces of a template engine: what it makes of the file nobody knows
        if _TEMPLATE.search(text):
            return []
        raise


def _roots(text: str, kind: str) -> Iterator[Node]:
    if kind == "toml":
        yield import_module("meshfit.lint.toml_text").read_toml(text)
    elif kind == "json":
        yield import_module("meshfit.lint.json_text").read_json(text)
    else:
        yield from import_module("meshfit.lint.yaml_text").read_yaml(text)


def _recipes(root: Node) -> Iterator[Recipe]:
    if isinstance(root, Branch):
        for read in _readers():
            yield from read(root)


def _readers() -> tuple[Callable[[Branch], Iterator[Recipe]], ...]:
    from meshfit.lint.launch_configs import read_accelerate, read_deepspeed, read_torchtitan, read_transformers
    from meshfit.lint.trainer_configs import read_axolotl, read_llamafactory, read_nemo
    from meshfit.lint.verl_configs import read_verl

    return (
        *(read_transformers, read_accelerate, read_deepspeed, read_torchtitan),
        *(read_nemo, read_axolotl, read_llamafactory, read_verl),
    )
