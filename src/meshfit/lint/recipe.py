"""`Recipe`: one mesh found in a file, with the place of each thing the file says about it.

Readers make recipes and never judge them; `meshfit.lint.judging` does, through `meshfit.checking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity

__all__ = ["BROKEN", "PROBLEMS", "ConfigFile", "Kind", "Problem", "Recipe", "Spot", "Written"]


class Spot(NamedTuple):
    """A region of a file, 1-based; columns count characters; the end is just behind the last one."""

    line: int
    column: int
    end_line: int
    end_column: int


class Written(NamedTuple):
    """A value as a file gives it.

    Args:
        value: an int, str, bool … as the tool will read it; `UNKNOWN` where nobody can tell before the run
            (`${TP}` that is set elsewhere, an expression).
        spot: where the value stands.
        key: the key as the file spells it ("tensor_model_parallel_size", "--tp").
    """

    value: Any
    spot: Spot
    key: str


class Kind(NamedTuple):
    """A kind of mistake that a file has without any model: its name in words, and how bad it is."""

    slug: str
    severity: Severity
    consequence: Consequence | None


BROKEN: Final = "RC009"
"""The file cannot be read; no choice of codes hides it."""

PROBLEMS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "RC001": Kind("recipe-unknown-key", Severity.ERROR, Consequence.SILENT),
        "RC002": Kind("recipe-bad-size", Severity.ERROR, Consequence.CLEAN),
        "RC003": Kind("recipe-repeated-key", Severity.WARNING, Consequence.SILENT),
        "RC008": Kind("recipe-unused-ignore", Severity.WARNING, None),
        BROKEN: Kind("recipe-unreadable", Severity.ERROR, None),
    }
)
"""Code -> kind. The codes of rules belong to `meshfit.rules`; these stand beside them."""


class Problem(NamedTuple):
    """One mistake of that kind.

    Args:
        code: of `PROBLEMS`.
        message: why, on one line; help: what to write instead, on one line.
        spot: where.
        consequence: where the tool does something else than its kind says ("clean" where it refuses the key).
    """

    code: str
    message: str
    help: str
    spot: Spot
    consequence: Consequence | None = None


class ConfigFile(NamedTuple):
    """A file that a command names, which holds the mesh.

    Args:
        path: where it is.
        name: as the command spells it.
        recipe: what the file says by itself, at its own places.
    """

    path: str
    name: str
    recipe: Recipe


_NOTHING: Final[Mapping[str, Written]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One mesh, and what its file says of the run.

    Args:
        tool: who reads the file ("accelerate", "axolotl", "verl").
        spot: the section, call or command that holds the mesh.
        engine: who runs the mesh, a name of `meshfit.rules`; None: told by the model.
        sizes: axis ("tp", "dp_shard"; "dp" for the whole data-parallel width) -> its size as written. An axis that
            is left out has size 1; one that may have any value is `UNKNOWN`.
        fill: the axis that takes the ranks which the others leave of the world; not in `sizes`. None: there is none.
        own: axes that the tool runs by means of its own, so that no rule of the engine holds for them.
        settings: name of `meshfit.readers.spellings.SETTINGS` -> as written.
        mesh: the mesh where the reader made one already; `sizes` then only tells places.
        model: hub id, folder or class name of the model.
        model_facts: what the reader knows of the model itself; `model` then only tells the place and name.
        facts: name of a `ModelFacts` attribute -> its value as written in this file (`--num-attention-heads`).
        world, nodes, gpus_per_node: ranks that will start; either way of saying it.
        seq_len, attn, experts: the question's own numbers and choices.
        problems: what is wrong already without a model.
        config: the file that the mesh is from, where a command names one: places are then those of its name.
    """

    tool: str
    spot: Spot
    engine: str | None = None
    sizes: Mapping[str, Written] = field(default_factory=lambda: _NOTHING)
    fill: str | None = None
    own: frozenset[str] = frozenset()
    settings: Mapping[str, Written] = field(default_factory=lambda: _NOTHING)
    mesh: MeshSpec | None = None
    model: Written | None = None
    model_facts: ModelFacts | None = None
    facts: Mapping[str, Written] = field(default_factory=lambda: _NOTHING)
    world: Written | None = None
    nodes: Written | None = None
    gpus_per_node: Written | None = None
    seq_len: Written | None = None
    attn: Written | None = None
    experts: Written | None = None
    problems: tuple[Problem, ...] = ()
    config: ConfigFile | None = None
