"""How often the text of a crash is traced to a rule that was really broken, on every executed failure.

    python benchmarks/crashes.py [--list]

Each row of the truth files that failed holds the first line of its error. It is read twice: alone, as somebody would
paste it, and with the mesh that ran. A naming is right when `check` reports the first rule named, from the config. The
texts were taken from one class at a time, so nothing around them helps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from accuracy import SHIPPED, TRUTH, Case, architecture_cases, changed_cases, judge_config, mesh_of

from meshfit.crashes.diagnosis import diagnose
from meshfit.mesh import AXES

LEAST_PRECISION: Final = 1.0
LEAST_RECALL: Final = 0.97
"""Of the texts read with their mesh; what is below it names nothing, such as an AssertionError without a word."""


@dataclass
class Tally:
    """Failures of one axis: named right, named wrong, not named."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    @property
    def named(self) -> int:
        """Texts in which a rule was named."""
        return self.right + len(self.wrong)

    @property
    def precision(self) -> float:
        """Of the named, the share that is right."""
        return self.right / self.named if self.named else 1.0

    @property
    def recall(self) -> float:
        """Of all, the share that is named right."""
        total = self.named + len(self.unnamed)
        return self.right / total if total else 1.0


@cache
def failures() -> tuple[tuple[Case, str, tuple[str, ...]], ...]:
    """Every executed run that failed with a text, the text, and the rules that `check` says were broken."""
    return tuple((case, text, judge_config(case).codes) for case, text in _texts())


def _texts() -> Iterator[tuple[Case, str]]:
    for kind in SHIPPED:
        for case in (*architecture_cases(TRUTH / f"{kind}architectures.jsonl"), *changed_cases(kind)):
            text = case.run["detail"] if case.run["outcome"] in ("error", "refused") else case.run.get("backward")
            if text and (case.run["outcome"] in ("error", "refused") or str(text).startswith("error ")):
                yield case, str(text).removeprefix("error ")


def tallies(*, with_mesh: bool) -> Mapping[str, Tally]:
    """The tally of each axis."""
    found: dict[str, Tally] = {}
    for case, text, broken in failures():
        mesh = mesh_of(case)
        sizes = {axis: mesh.size(axis) for axis in AXES} if with_mesh else None
        named = diagnose(text.encode(), sizes).causes
        tally = found.setdefault(case.axis, Tally())
        told = f"{case.arch} {case.case}: {text[:100]}"
        if not named:
            tally.unnamed.append(told)
        elif named[0].codes[0] in broken:
            tally.right += 1
        else:
            tally.wrong.append(f"{named[0].codes[0]} for {told}")
    return found


def main() -> int:
    """Print the tables; 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="list what was named wrong or not at all")
    options = parser.parse_args()
    missed = False
    for with_mesh in (False, True):
        found = tallies(with_mesh=with_mesh)
        print(f"\n{'the text and its mesh' if with_mesh else 'the text alone'}")
        print(f"{'axis':10}{'failures':>9}{'named':>7}{'precision':>11}{'recall':>8}")
        whole = Tally()
        for axis, tally in found.items():
            whole.right += tally.right
            whole.wrong += tally.wrong
            whole.unnamed += tally.unnamed
            _line(axis, tally)
        _line("all", whole)
        if options.list:
            for kind, told in (("wrong", whole.wrong), ("unnamed", whole.unnamed)):
                for text in told:
                    print(f"  {kind}: {text}")
        missed |= whole.precision < LEAST_PRECISION or (with_mesh and whole.recall < LEAST_RECALL)
    return int(missed)


def _line(axis: str, tally: Tally) -> None:
    total = tally.named + len(tally.unnamed)
    print(f"{axis:10}{total:9}{tally.named:7}{tally.precision:11.3f}{tally.recall:8.3f}")


if __name__ == "__main__":
    sys.exit(main())
