"""Rules about what a class declares of itself, by `ModelCapabilities` or `get_capabilities(config)`.

Under `generic` and `nemo` a declaration stands instead of the observation. Where the two disagree the report says so: a
declared no refuses the axis whatever was found, a declared yes that nothing confirms is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshfit.errors import MissingFact
from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules.capabilities import OBSERVED, declaration
from meshfit.rules.registry import Finding, Judge, rule
from meshfit.rules.seed import SEED

EVIDENCE: Final = {
    "tp": "TP plan",
    "pp": "pipeline plan (_pp_plan)",
    "cp": "attention that runs on parts of the sequence (_supports_sdpa, or a TE attention backend)",
    "ep": "expert plan or MoE mixin",
}
"""What the observation behind each axis looks for, in words."""


def _not_declared_off(axis: str) -> Judge:
    def judge(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
        if declaration(facts, axis) is False:
            observed = f", although a {EVIDENCE[axis]} was found" if _observed(facts, axis) else ""
            yield Finding(
                message=f"the class declares supports_{axis} = False{observed}",
                help=f"use another axis, or declare supports_{axis} = True in a subclass that was written for it",
                alternatives=(1,),
                facts=("declared",),
            )

    judge.__doc__ = f"""The class does not declare `supports_{axis} = False`.

    Why: the class's author knows what it was not written for, whatever else it carries.
    Source: NeMo Automodel _transformers/model_capabilities.py.
    """
    return judge


def _confirmed(axis: str) -> Judge:
    def judge(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:  # noqa: ARG001
        if declaration(facts, axis) is True and _observed(facts, axis) is False:
            yield Finding(
                message=f"the class declares supports_{axis} = True, but no {EVIDENCE[axis]} was found",
                help="check the declaration: nothing on the model confirms it",
                alternatives=(1,),
                facts=("declared",),
            )

    judge.__doc__ = f"""A declared `supports_{axis} = True` is confirmed by what the model carries.

    Why: declaration and observation disagree, and one of them is wrong.
    Source: NeMo Automodel _transformers/model_capabilities.py.
    """
    return judge


def _observed(facts: ModelFacts, axis: str) -> bool | None:
    """What the seed rule would say without the declaration; None where a fact is missing."""
    try:
        return OBSERVED[axis](facts)
    except MissingFact:
        return None


for _axis in OBSERVED:
    rule(
        f"{_axis.upper()}020",
        f"{_axis}-declared-unsupported",
        axis=_axis,
        engines=SEED,
        consequence=Consequence.CLEAN,
        size_free=True,
    )(_not_declared_off(_axis))
    rule(
        f"{_axis.upper()}021",
        f"{_axis}-declaration-unconfirmed",
        axis=_axis,
        engines=SEED,
        consequence=Consequence.LATE,
        severity=Severity.WARNING,
        size_free=True,
    )(_confirmed(_axis))
