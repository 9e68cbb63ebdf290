"""`meshfit check`: one target, one mesh, one verdict."""

from __future__ import annotations

import enum
import os
import sys
from typing import Annotated, NamedTuple

import typer

__all__ = ["OutputFormat", "Verdict", "check_command"]


class Verdict(NamedTuple):
    """What to print, and the exit code: 0 the mesh fits, 1 it does not."""

    text: str
    code: int


class OutputFormat(str, enum.Enum):
    """How a report is printed."""

    TEXT = "text"
    JSON = "json"


def check_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A config.json, a folder that holds one, or a class: LlamaForCausalLM, my.module:MyModel.",
            show_default=False,
        ),
    ],
    mesh: Annotated[
        str, typer.Option("--mesh", "-m", metavar="tp=8,pp=2", help="Sizes of the mesh; axes left out have size 1.")
    ],
    engine: Annotated[
        str | None,
        typer.Option(
            help="Who will run the mesh: generic, nemo, transformers, accelerate or torchtitan. Told by the target "
            "when left out."
        ),
    ] = None,
    world: Annotated[
        int | None, typer.Option("--world", metavar="N", help="Ranks that will start; the mesh must use them all.")
    ] = None,
    seq_len: Annotated[int | None, typer.Option("--seq-len", metavar="N", help="Tokens in one sequence.")] = None,
    attn: Annotated[
        str | None, typer.Option("--attn", metavar="NAME", help="Attention implementation that will be set (sdpa).")
    ] = None,
    experts: Annotated[
        str | None, typer.Option("--experts", metavar="NAME", help="Experts implementation that will be set (eager).")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    show_unknown: Annotated[
        bool, typer.Option("--show-unknown", help="List each fact that a rule needed and nobody knew.")
    ] = False,
    output: Annotated[OutputFormat, typer.Option("--format", "-f", help="How to print.")] = OutputFormat.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> Verdict:
    r"""Say whether TARGET runs on the mesh, without loading it: no torch, no weights, no network.

    Axes of a mesh are tp, pp, cp, ep, dp_shard, dp_replicate and sp.

    \b
    meshfit check config.json --mesh tp=8,pp=2
    meshfit check examples/llama-8b --mesh tp=16 --engine transformers
    meshfit check config.json --mesh dp_shard=4,cp=2 --seq-len 8192 --world 8
    meshfit check LlamaForCausalLM --mesh pp=4 --json

    Exit codes: 0 the mesh fits, 1 it does not, 2 the input is wrong, 3 a fault of meshfit.
    """
    from meshfit.checking import check
    from meshfit.mesh import MeshSpec

    report = check(
        target,
        MeshSpec.parse(mesh),
        engine=engine,
        world_size=world,
        seq_len=seq_len,
        attn_implementation=attn,
        experts_implementation=experts,
        strict=strict,
    )
    code = 0 if report.ok else 1
    if as_json or output is OutputFormat.JSON:
        from meshfit.render.json_format import to_json

        return Verdict(to_json(report), code)
    from meshfit.render.text import render

    return Verdict(render(report, show_unknown=show_unknown, color=_wants_color()), code)


def _wants_color() -> bool:
    """A terminal that shows colours, and a user who did not decline them (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
