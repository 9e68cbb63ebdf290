"""What a type checker may say of transformers classes, against the live models and what really ran.

    python benchmarks/checker_accuracy.py [--classes NAME ...] [--every N] [--list]

Each model class of the installed transformers is judged from source, whatever its config, as the mypy plugin judges it,
and built on the meta device with the defaults of its config. A class that the checker refuses on an axis must be
refused live; a mesh on which it ran must not be refused. Only verdicts that hold for every size count.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from accuracy import SHIPPED, TRUTH, architecture_cases, changed_cases, mesh_of

from meshfit import MeshSpec
from meshfit.facts import ModelFacts
from meshfit.readers.source import shipped
from meshfit.readers.source.auto import find_class
from meshfit.readers.source.index import ClassSource, Package, find_package
from meshfit.rules.judge import axis_engine, judge
from meshfit.rules.registry import all_rules

AXES: Final = ("tp", "pp", "cp", "ep", "dp_shard")
LEAST: Final = 0.95
"""The share of live refusals that the checker should know."""
FREE: Final = {(rule.code, engine) for rule in all_rules() if rule.size_free for engine in rule.engines}
OF_CONFIG: Final = {
    "CP002": "layer types and windows are the config's",
    "CP003": "the attention in force is the config's",
    **dict.fromkeys(
        ("TP006", "TP007", "TP008", "TP010", "TP011", "TP013", "TP014", "TP015", "TP016", "TP017", "TP018", "TP019"),
        "rests on the parameters that a plan meets, which the config builds",
    ),
    **dict.fromkeys(("EP002", "EP007"), "rests on the experts that the config builds"),
    **dict.fromkeys(("DP003", "DP004"), "rests on the parameters that the config builds"),
}
"""Rules that ask for facts which no class tells by itself, and why."""


@dataclass
class Tally:
    """The verdicts of one axis."""

    flagged: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    excluded: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def share(self) -> float:
        """Of the live refusals that hold for every config, those that are flagged."""
        known = self.flagged + len(self.missed)
        return self.flagged / known if known else 1.0


def refusals(facts: ModelFacts, mesh: MeshSpec, engine: str) -> set[str]:
    """The rules that refuse the mesh, whatever its sizes."""
    found = judge(facts, mesh, engine=engine).errors
    return {v.code for v in found if (v.code, axis_engine(facts, engine, v.axis)) in FREE}


def model_classes(package: Package, every: int) -> Iterator[tuple[str, Any]]:
    """(module, live class) for each model class that a modeling file defines, of one file in `every`."""
    from transformers import PreTrainedModel

    models = package.root / "models"
    for file in sorted(models.rglob("modeling_*.py"))[::every]:
        name = ".".join(("transformers.models", *file.relative_to(models).with_suffix("").parts))
        if ".auto." in name:
            continue
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for cls in list(vars(module).values()):
            if isinstance(cls, type) and issubclass(cls, PreTrainedModel) and cls.__module__ == name:
                yield name, cls
        gc.collect()


def live_refusals(cls: Any) -> dict[str, set[str]]:
    """Axis -> the rules that refuse it for the class on the meta device.

    The default config builds it, with a few layers where it lets them be given.
    """
    import torch

    from meshfit.readers.model import facts_of

    config_class = cls.config_class
    layers = getattr(config_class(), "num_hidden_layers", None)
    few: dict[str, Any] = {"num_hidden_layers": 4} if isinstance(layers, int) and layers > 4 else {}
    for given in (few, {}):
        try:
            with torch.device("meta"):
                model = cls(config_class(**given))
            break
        except Exception:
            if not given:
                raise
    facts = facts_of(model)
    return {axis: refusals(facts, mesh_along(axis), facts.engine) for axis in AXES}


def mesh_along(axis: str) -> MeshSpec:
    """Two ranks along one axis."""
    sizes: dict[str, Any] = {f"{axis}_size": 2}
    return MeshSpec(**sizes)


def why_silent(found: shipped.Variations, axis: str, live: set[str]) -> str | None:
    """Why the checker does not say what the live model does; None when it should."""
    reasons = {OF_CONFIG[code] for code in live if code in OF_CONFIG}
    if reasons and live <= OF_CONFIG.keys():
        return min(reasons)
    model = found.default
    if model is None or not model.complete:
        return "its constructor cannot be followed with the defaults of its config"
    parts = found.hidden
    if parts:
        return "the config chooses the class of a part"
    fault = {"cp": "context_faults", "pp": "pipeline_faults"}.get(axis)
    if fault is not None and found.lifted_by(fault):
        return "another value of a switch lifts or changes it"
    return min(reasons) if reasons else None


def tallies(names: set[str], every: int) -> tuple[dict[str, Tally], Counter[str], int]:
    """The verdicts of every axis, the classes that were left out by reason, and the number of those judged."""
    package = find_package("transformers")
    assert package is not None
    found: dict[str, Tally] = {axis: Tally() for axis in AXES}
    left_out: Counter[str] = Counter()
    judged = 0
    for module_name, cls in model_classes(package, 1 if names else every):
        if names and cls.__name__ not in names:
            continue
        module = package.module(module_name)
        source = None if module is None else module.lookup(cls.__name__)
        if not isinstance(source, ClassSource) or source.method("forward") is None:
            left_out["a base class: it has no forward"] += 1
            continue
        try:
            live = live_refusals(cls)
        except Exception as fault:  # noqa: BLE001 - whatever a constructor raises
            left_out[f"cannot be built with the defaults: {type(fault).__name__}"] += 1
            continue
        judged += 1
        facts = shipped.facts_of_shipped(source)
        ways = shipped.Variations(source)
        for axis, entry in found.items():
            flagged = refusals(facts, mesh_along(axis), facts.engine)
            _count(entry, cls.__name__, flagged, live[axis], lambda: why_silent(ways, axis, live[axis]))  # noqa: B023
    return found, left_out, judged


def _count(entry: Tally, name: str, flagged: set[str], live: set[str], reason: Callable[[], str | None]) -> None:
    if flagged and live:
        entry.flagged += 1
    elif flagged:
        entry.wrong.append(f"{name}: {', '.join(sorted(flagged))}")
    elif live:
        why = reason()
        (entry.missed if why is None else entry.excluded[why]).append(f"{name}: {', '.join(sorted(live))}")


def refused_though_it_ran() -> tuple[list[str], int]:
    """What the checker refuses of the meshes on which a class really worked, and how many those are."""
    package = find_package("transformers")
    assert package is not None
    known: dict[str, ModelFacts | None] = {}
    wrong, worked = [], 0
    for kind in SHIPPED:
        for case in (*architecture_cases(TRUTH / f"{kind}architectures.jsonl"), *changed_cases(kind)):
            if not case.works:
                continue
            if case.arch not in known:
                source = find_class(package, case.arch)
                known[case.arch] = None if source is None else shipped.facts_of_shipped(source)
            facts = known[case.arch]
            if facts is not None:
                worked += 1
                codes = refusals(facts, mesh_of(case), case.engine)
                if codes:
                    wrong.append(f"{case.arch} {case.axis} {case.case}: {', '.join(sorted(codes))}")
    return wrong, worked


def main() -> int:
    """Print the verdicts; 1 where one is wrong or too few are known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", nargs="*", default=[], help="judge only these")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="judge the classes of one file in N")
    parser.add_argument("--list", action="store_true", help="name the classes of each group")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.disable(logging.CRITICAL)
    warnings.filterwarnings("ignore")
    start = time.perf_counter()
    found, left_out, judged = tallies(set(options.classes), options.every)
    print(f"{judged} classes")
    for reason, count in left_out.most_common():
        print(f"  left out, {reason}: {count}")
    for axis, entry in found.items():
        print(f"{axis:9} flagged {entry.flagged:5}  wrongly {len(entry.wrong):3}  missed {len(entry.missed):4}", end="")
        print(f"  share {entry.share:.3f}")
        groups = [("wrong", entry.wrong), ("missed", entry.missed), *entry.excluded.items()]
        for reason, names in groups:
            if names:
                shown = names if options.list or reason in ("wrong", "missed") else names[:3]
                print(f"  {reason}: {len(names)} ({'; '.join(shown)})")
    wrong, worked = refused_though_it_ran()
    print(f"refused though it ran: {len(wrong)} of {worked} {wrong}")
    flagged, missed = sum(e.flagged for e in found.values()), sum(len(e.missed) for e in found.values())
    share = flagged / (flagged + missed) if flagged + missed else 1.0
    left = sum(len(names) for entry in found.values() for names in entry.excluded.values())
    print(f"share of live refusals that are flagged: {share:.3f}, of all with those left out {flagged}", end=" ")
    print(f"of {flagged + missed + left}  ({time.perf_counter() - start:.0f} s)")
    return int(bool(wrong) or any(entry.wrong for entry in found.values()) or share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
