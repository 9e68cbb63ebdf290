"""How often an index of transformers' models gives the verdict of transformers' source, and whether it contradicts it.

    python benchmarks/index_accuracy.py [FILE] [--perturb N] [--classes N] [--random-only]

Every run of the truth files is judged twice, from the source and from the index. Then configs of random classes get
random values, every other one as a saved file has it; every fact that the index knows of them must be the source
reader's.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from accuracy import OTHER, SHIPPED, TRUTH, Case, architecture_cases, changed_cases, mesh_of

from meshfit.checking import judged
from meshfit.facts import ModelFacts
from meshfit.readers.shipped.archive import Index, read_index
from meshfit.readers.shipped.choice import SHIPPED as SHIPPED_INDEX
from meshfit.readers.shipped.model_trials import as_saved, contradictions, facts_both_ways, random_config
from meshfit.readers.source.index import find_package

WANTED: Final = 0.93
"""The share of verdicts that must agree."""


def cases() -> Iterator[Case]:
    """Every decided run of the truth files."""
    for kind in SHIPPED:
        yield from architecture_cases(TRUTH / f"{kind}architectures.jsonl")
        yield from changed_cases(kind)


def agreement(index: Index) -> tuple[float, list[str]]:
    """The share of runs with the same verdict, and what contradicts."""
    same = total = 0
    wrong: list[str] = []
    facts: dict[str, tuple[ModelFacts, ModelFacts] | None] = {}
    for case in cases():
        key = json.dumps(case.config, sort_keys=True)
        if key not in facts:
            facts[key] = facts_both_ways(index, case.config, None)
            pair = facts[key]
            wrong.extend(f"{case.arch}: {fact}" for fact in (contradictions(*pair) if pair else ()))
        total += 1
        pair = facts[key]
        same += pair is not None and _ok(pair[0], case) == _ok(pair[1], case)
    return same / total, wrong


def _ok(facts: ModelFacts, case: Case) -> bool:
    if case.axis == OTHER:
        facts = facts.replace(world_size=2)
    return judged(facts, mesh_of(case), engine=case.engine).ok


def main() -> int:
    """Print what was found; 1 when the index contradicts the source or agrees too seldom."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_INDEX, help="the index (default: the shipped)")
    parser.add_argument("--perturb", type=int, default=2, help="random configs of each class")
    parser.add_argument("--classes", type=int, default=100, help="classes that get random configs; 0: all")
    parser.add_argument("--random-only", action="store_true", help="leave the truth files out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    index = read_index(options.file)
    share, wrong = (1.0, []) if options.random_only else agreement(index)
    print(f"transformers {index.version}: {len(index.names)} classes, same verdict on {share:.3f} of the truth files")
    chance = random.Random(options.seed)  # noqa: S311 - no secret
    names = sorted(index.names)
    chosen = chance.sample(names, options.classes) if 0 < options.classes < len(names) else names
    known: Counter[bool] = Counter()
    package = find_package("transformers")
    for name in chosen:
        for number in range(options.perturb):
            values = random_config(index, name, chance)
            if number % 2 and package is not None:
                values = as_saved(values, package)
            pair = facts_both_ways(index, values, None)
            if pair is not None:
                told = dict(pair[0])
                known[True] += len(told)
                known[False] += len(dict(pair[1]).keys() - told.keys())
                wrong.extend(f"{name}: {fact} of {json.dumps(values)}" for fact in contradictions(*pair))
    print(f"random configs of {len(chosen)} classes: {known[True]} facts told, {known[False]} left open")
    for line in wrong:
        print(f"  contradicts {line:.400}")
    print(f"{len(wrong)} contradictions")
    return int(bool(wrong) or share < WANTED)


if __name__ == "__main__":
    sys.exit(main())
