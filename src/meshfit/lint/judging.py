"""Recipes judged by `meshfit.checking`: each mesh against its ranks and its model, as notices at places in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from meshfit.errors import MeshError, MeshfitError
from meshfit.facts import ModelFacts, Origin
from meshfit.lint.recipe import PROBLEMS, Problem, Recipe, Spot, Written
from meshfit.mesh import AXES, MeshSpec
from meshfit.notice import Notice, Place
from meshfit.readers.spellings import SETTINGS
from meshfit.readers.unknown import UNKNOWN
from meshfit.readers.unknown_sizes import read_partly

if TYPE_CHECKING:
    from meshfit.lint.models import Models
    from meshfit.report import Report, Violation

__all__ = ["Question", "judge_recipe", "notice_of"]

CONFIG_FACTS: Final = frozenset(
    {
        *("class_name", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim"),
        *("num_hidden_layers", "vocab_size", "num_experts", "moe_intermediate_size", "linear_num_key_heads"),
        *("linear_num_value_heads", "mamba_heads", "mamba_groups", "heads_per_layer", "kv_heads_per_layer"),
        *("layer_types", "sliding_window", "tie_word_embeddings", "is_encoder_decoder", "is_multimodal", "is_hybrid"),
        # only their names are read: experts that the config counts under a key of its own
        "parameters",
    }
)
"""Facts of the config. They hold under an engine that has an implementation of its own; what the class of transformers
declares and does (plans, forward bodies) does not."""

RUN_BY_TRANSFORMERS: Final = frozenset({"transformers", "accelerate", "generic"})
"""Engines that run the class of transformers itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the user gave besides the files.

    Args:
        models: finds and reads the models that files name.
        model: name or path of the model of every recipe that names none.
        engine: the engine of every mesh; None: as the file tells.
        world_size, gpus_per_node, seq_len: these numbers, whatever the file says of them.
        strict: count warnings as errors.
        files: real paths of the files that are linted: each tells its own mistakes, whoever names it.
    """

    models: Models
    model: str | None = None
    engine: str | None = None
    world_size: int | None = None
    gpus_per_node: int | None = None
    seq_len: int | None = None
    strict: bool = False
    files: frozenset[str] = frozenset()


def judge_recipe(recipe: Recipe, path: str, question: Question) -> tuple[tuple[Notice, ...], Report | None]:
    """The notices of one recipe, and the report they come from; no report where the mesh itself is refused.

    Args:
        recipe: what a reader found.
        path: the file, as notices name it.
        question: what the user gave.

    Raises:
        MeshfitError: an option of the user is no such engine, or names no model.
    """
    notices, report = _judged(recipe, path, question)
    config = recipe.config
    if config is None:
        return notices, report
    told = set[tuple[str, str]]()
    if os.path.realpath(config.path) in question.files:
        told = {(notice.code, notice.message) for notice in _judged(config.recipe, config.path, question)[0]}
    here = Place(path, *recipe.spot)
    return tuple(
        notice._replace(message=f"{config.name}: {notice.message}") if notice.place == here else notice
        for notice in notices
        if (notice.code, notice.message) not in told
    ), report


def _judged(recipe: Recipe, path: str, question: Question) -> tuple[tuple[Notice, ...], Report | None]:
    bad = tuple(_bad_sizes(recipe))
    notices = [notice_of(problem, path) for problem in (*recipe.problems, *bad)]
    world = _world(recipe, question)
    refused = {problem.spot for problem in bad}
    try:
        mesh = recipe.mesh or _mesh(recipe, refused, world)
    except MeshError as error:
        problem = Problem("RC002", str(error).partition("; ")[0], str(error).partition("; ")[2], recipe.spot)
        return (*notices, notice_of(problem, path)), None
    engine = question.engine or recipe.engine or mesh.engine
    report = _report(recipe, path, question, mesh, engine, world)
    if report is None:
        return tuple(notices), None
    own = () if question.engine else recipe.own
    found = (violation for violation in report.violations if violation.axis not in own)
    notices += [_of_violation(violation, report, recipe, path) for violation in found]
    return tuple(notices), report


def notice_of(problem: Problem, path: str) -> Notice:
    """A mistake of the file itself, as a notice."""
    kind = PROBLEMS[problem.code]
    return Notice(
        code=problem.code,
        slug=kind.slug,
        severity=kind.severity,
        consequence=problem.consequence or kind.consequence,
        message=problem.message,
        help=problem.help,
        place=Place(path, *problem.spot),
    )


def _bad_sizes(recipe: Recipe) -> Iterator[Problem]:
    """Sizes that no mesh can have, told in the words of `MeshSpec`."""
    if recipe.mesh is not None:
        return
    for axis, written in recipe.sizes.items():
        if written.value is UNKNOWN:
            continue
        try:
            # the whole data-parallel width is refused as each of its parts would be
            MeshSpec(**{f"{'dp_shard' if axis == 'dp' else axis}_size": written.value})
        except MeshError as error:
            message, _, advice = str(error).partition("; ")
            if axis == "dp":
                message, advice = message.replace("dp_shard_size", "dp_size"), advice.replace("dp_shard", "dp")
            told = message if message.startswith(written.key) else f"{written.key}: {message}"
            yield Problem("RC002", told, advice, written.spot)


def _mesh(recipe: Recipe, refused: set[Spot], world: Written | None) -> MeshSpec:
    said: dict[str, Any] = {
        axis: UNKNOWN if written.spot in refused else written.value for axis, written in recipe.sizes.items()
    }
    said |= {name: written.value for name, written in recipe.settings.items() if name in SETTINGS}
    if recipe.fill is not None:
        said[recipe.fill] = _filled(said, world)
    if not set(said) - set(SETTINGS):
        return MeshSpec()
    return read_partly(MeshSpec.of, said)


def _filled(said: Mapping[str, Any], world: Written | None) -> Any:
    """The ranks that the other axes leave; 1 where they leave a part of one, which a rule then refuses."""
    sizes = [value for name, value in said.items() if name not in SETTINGS and name != "ep"]
    if world is None or type(world.value) is not int or not all(type(size) is int and size > 0 for size in sizes):
        return UNKNOWN
    ranks = 1
    for size in sizes:
        ranks *= size
    return world.value // ranks if world.value % ranks == 0 else 1


def _world(recipe: Recipe, question: Question) -> Written | None:
    if question.world_size is not None:
        return Written(question.world_size, recipe.spot, "--world")
    if recipe.world is not None:
        return recipe.world
    nodes, each = recipe.nodes, recipe.gpus_per_node
    if nodes is None or each is None or type(nodes.value) is not int or type(each.value) is not int:
        return None
    return Written(nodes.value * each.value, nodes.spot, nodes.key)


def _report(
    recipe: Recipe, path: str, question: Question, mesh: MeshSpec, engine: str | None, world: Written | None
) -> Report | None:
    from meshfit.checking import judged, with_proofs
    from meshfit.rules.registry import engine_names

    if engine is not None and engine not in engine_names():
        if question.engine is not None:
            raise MeshfitError(f"unknown engine {engine!r}; engines are {', '.join(engine_names())}")
        return None
    facts = _facts(recipe, path, question, engine)
    given = _given(recipe, question, world)
    origins = {
        name: Origin(path, written.spot.line, written.spot.column, written.key)
        for name, written in given.items()
        if not written.key.startswith("--") or written.spot != recipe.spot
    }
    facts = facts.replace(origins=origins, **{name: written.value for name, written in given.items()})
    if engine is None and not facts.knows("engine"):
        engine = "generic"
    return judged(with_proofs(facts), mesh, engine=engine, strict=question.strict)


def _facts(recipe: Recipe, path: str, question: Question, engine: str | None) -> ModelFacts:
    """What is known of the recipe's model, as far as it holds for whoever runs it."""
    if recipe.model_facts is not None:
        return recipe.model_facts
    written = recipe.model
    if written is not None and isinstance(written.value, str):
        path = path if recipe.config is None else recipe.config.path
        facts = question.models.named(written.value, os.path.dirname(path))  # noqa: PTH120 - it may be "-"
    elif written is None and question.model is not None and not recipe.facts:
        facts = question.models.asked(question.model)
    else:
        facts = None
    if facts is None:
        return ModelFacts()
    if engine is None or engine in RUN_BY_TRANSFORMERS:
        return facts
    # whether NeMo passes the state of a hybrid model on is for its own class to say
    names = CONFIG_FACTS - {"is_hybrid"} if engine == "nemo" else CONFIG_FACTS
    kept = {name: getattr(facts, name) for name in names if facts.knows(name)}
    return ModelFacts(origins={name: facts.origins[name] for name in kept if name in facts.origins}, **kept)


def _given(recipe: Recipe, question: Question, world: Written | None) -> dict[str, Written]:
    """The facts that the file or the user gives, by name; what is no number or name of its kind is unknown."""
    numbers: dict[str, Written | None] = {
        "world_size": world,
        "gpus_per_node": recipe.gpus_per_node
        if question.gpus_per_node is None
        else Written(question.gpus_per_node, recipe.spot, "--gpus-per-node"),
        "seq_len": recipe.seq_len if question.seq_len is None else Written(question.seq_len, recipe.spot, "--seq-len"),
    }
    choices = {"attn_implementation": recipe.attn, "experts_implementation": recipe.experts}
    given = {
        name: written
        for name, written in numbers.items()
        if written is not None and type(written.value) is int and written.value >= 1
    }
    given |= {
        name: written
        for name, written in choices.items()
        if written is not None and isinstance(written.value, str) and written.value
    }
    return given | {name: written for name, written in recipe.facts.items() if written.value is not UNKNOWN}


def _of_violation(violation: Violation, report: Report, recipe: Recipe, path: str) -> Notice:
    from meshfit.render.text import headline

    spot = _spot(violation.axis, report.mesh, recipe)
    told = headline(violation, report.engine)
    related = dict.fromkeys(
        (
            Place(origin.where, origin.line, origin.column),
            f"{origin.pointer.rpartition('/')[2] or 'the class'} is read here",
        )
        for origin in violation.origins
        if origin.line is not None and (origin.where, origin.line) != (path, spot.line)
    )
    if recipe.config is not None and spot == recipe.spot:
        inner = _spot(violation.axis, report.mesh, recipe.config.recipe)
        related[Place(recipe.config.path, *inner), f"{_size_name(violation.axis)} is written here"] = None
    return Notice(
        code=violation.code,
        slug=violation.slug,
        severity=violation.severity,
        consequence=violation.consequence,
        message=told if report.target == "model" else f"{report.target}: {told}",
        help=_advice(violation),
        place=Place(path, *spot),
        related=tuple(related),
    )


def _size_name(axis: str) -> str:
    return "the mesh" if axis == "mesh" else f"{axis}_size"


def _advice(violation: Violation) -> str:
    from meshfit.rules.sizes import one_of

    if violation.help or not violation.alternatives:
        return violation.help
    return f"use {violation.axis}_size {one_of(violation.alternatives)}"


def _spot(axis: str, mesh: MeshSpec, recipe: Recipe) -> Spot:
    """Where the size of the axis is written; for the mesh as a whole the first size above 1."""
    named: tuple[str, ...] = (axis, "dp") if axis.startswith("dp_") else (axis,)
    if axis == "mesh":
        named = tuple(name for name in ("tp", "pp", "cp", "sp", "dp", *AXES) if _uses(name, mesh, recipe))
    spots = [recipe.sizes[name].spot for name in named if name in recipe.sizes]
    if not spots and axis == "ep" and "enable_expert_parallel" in recipe.settings:
        spots = [recipe.settings["enable_expert_parallel"].spot]
    return spots[0] if spots else recipe.spot


def _uses(name: str, mesh: MeshSpec, recipe: Recipe) -> bool:
    if name == "dp":
        written = recipe.sizes.get("dp")
        return written is not None and written.value not in (1, UNKNOWN)
    return name in AXES and name in mesh.used
