"""Whether a proof run here ends as the same run did elsewhere: every decided row of the truth files, executed again.

    python benchmarks/proofs.py [--more] [--every N] [--offset K] [--axes tp,cp] [--output FILE.jsonl]

Takes about five seconds a class. A difference is printed with both sides; what stays undecided is counted apart.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from accuracy import AXES, TRUTH, Case, architecture_cases, mesh_of

from meshfit.evidence import Evidence, Outcome
from meshfit.proof.proving import prove
from meshfit.proof.ranks import Pool


def classes(path: Path, axes: Sequence[str]) -> Iterator[list[Case]]:
    """The decided runs of each class."""
    held: dict[str, list[Case]] = {}
    for case in architecture_cases(path):
        if case.axis in axes:
            held.setdefault(case.arch, []).append(case)
    yield from held.values()


def proofs(pool: Pool, cases: Sequence[Case]) -> list[Evidence]:
    """A proof of each run, of the very config that ran."""
    config: dict[str, Any] = {**cases[0].config, "architectures": [cases[0].arch]}
    return list(prove(pool, config, [mesh_of(case) for case in cases], full_config=True, extras=False))


def difference(case: Case, proof: Evidence) -> str:
    """What kind of difference there is: none, undecided here, another verdict, or a mismatch that was not seen."""
    if proof.outcome is Outcome.UNDECIDED:
        return "undecided"
    if proof.outcome.works is not case.works:
        return "other"
    missed = case.run["outcome"] == "mismatch" and proof.outcome is not Outcome.SILENT
    return "mismatch missed" if missed else ""


def _sides(case: Case, proof: Evidence) -> str:
    run = case.run
    there = f"{run['outcome']} at {run['step']}: {str(run['detail'])[:80]}"
    return f"there {there}; here {proof.outcome.value} {proof.reason[:120]}"


def main() -> None:
    """Print each difference, then the agreement on each axis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", action="store_true", help="the second file of classes instead of the first")
    parser.add_argument("--every", type=int, default=1, help="only each Nth class")
    parser.add_argument("--offset", type=int, default=0, help="with --every: begin at the Kth")
    parser.add_argument("--axes", default=",".join(AXES), help="these axes alone")
    parser.add_argument("--output", type=Path, help="append each proof, one JSON object a line")
    options = parser.parse_args()
    path = TRUTH / f"{'more_' if options.more else ''}architectures.jsonl"
    counts: Counter[tuple[str, str]] = Counter()
    begun = time.monotonic()
    with Pool() as pool:
        for cases in list(classes(path, options.axes.split(",")))[options.offset :: options.every]:
            for case, proof in zip(cases, proofs(pool, cases), strict=True):
                counts[case.axis, kind := difference(case, proof)] += 1
                if kind:
                    print(f"{case.arch} {case.axis}: {kind}; {_sides(case, proof)}")
                if options.output:
                    with options.output.open("a", encoding="utf-8") as file:
                        file.write(f"{json.dumps(proof.to_dict())}\n")
    print(f"\n{'axis':10}{'cases':>6}{'agree':>8}{'undecided':>11}{'mismatches missed':>19}")
    for axis in AXES:
        own = {kind: count for (name, kind), count in counts.items() if name == axis}
        if own:
            decided = sum(own.values()) - own.get("undecided", 0)
            share = f"{own.get('', 0) / decided:.3f}" if decided else "-"
            print(f"{axis:10}{decided:6}{share:>8}{own.get('undecided', 0):11}{own.get('mismatch missed', 0):19}")
    print(f"{(time.monotonic() - begun) / 60:.1f} min")


if __name__ == "__main__":
    main()
