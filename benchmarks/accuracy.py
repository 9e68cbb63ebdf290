"""How often a verdict is right, against what really happened when the class ran on two ranks.

    python benchmarks/accuracy.py [FILE.jsonl ...] [--live] [--evidence] [--list]

Each row of a truth file holds a config and the outcome of executed runs. A mesh *works* when it ran, matched the
single-process result, sharded something, and (tp, ep) every gradient matched. A verdict is right when `report.ok`
equals that, by rules alone, or with `--evidence` by the proofs that come with meshfit too. A false alarm refuses a mesh
that works; a miss passes one that does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import meshfit
from meshfit.mesh import MeshSpec

TRUTH: Final = Path(__file__).parent.parent / "tests" / "truth"
AXES: Final = ("tp", "pp", "ep+tp", "ep+fsdp", "cp")
OTHER: Final = "other"
"""Runs of other compositions: a world that does not match, passed plans, expert implementations."""
UNDECIDED: Final = frozenset({"cpu-limit", "harness-limit"})
SHIPPED: Final = ("", "more_")
"""Prefixes of the truth files that come with the project."""
SIZES: Final = {"fsdp_size": "dp_shard_size", "cp": "cp_size"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One executed run: a config, a mesh, and whether the mesh worked."""

    arch: str
    axis: str
    config: Mapping[str, Any]
    mesh: Mapping[str, Any]
    run: Mapping[str, Any]
    case: str = ""

    @property
    def works(self) -> bool:
        """Ran, matched, sharded something, and where gradients were compared they matched."""
        if self.run["outcome"] != "ok" or self.run.get("vacuous"):
            return False
        return self.axis not in ("tp", "ep+tp", "ep+fsdp") or self.run["backward"] == "ok"

    @property
    def engine(self) -> str:
        """Who ran it."""
        return "accelerate" if self.axis == "cp" else "transformers"


@dataclass
class Score:
    """Right verdicts of one axis, the wrong ones apart."""

    right: int = 0
    false_alarms: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    seed: Counter[bool] = field(default_factory=Counter)
    own: Counter[bool] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Decided cases."""
        return self.right + len(self.false_alarms) + len(self.misses)

    @property
    def share(self) -> float:
        """Right verdicts among the decided cases."""
        return self.right / self.total if self.total else 1.0


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a truth file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def architecture_cases(path: Path) -> Iterator[Case]:
    """The decided runs of a file with one class a line; the `ep` rows clear the tp plan and never work."""
    for row in read_rows(path):
        for run in row["runs"]:
            if run["axis"] in AXES and run["outcome"] not in UNDECIDED:
                yield Case(arch=row["arch"], axis=run["axis"], config=row["config"], mesh=run["mesh"], run=run)


def constraint_cases(path: Path, bases: Mapping[str, Mapping[str, Any]]) -> Iterator[Case]:
    """The decided runs of a file with one changed size a line, over the class's base config."""
    for row in read_rows(path):
        if not row["vacuous"] and row["outcome"] not in UNDECIDED:
            config = _changed(bases[row["arch"]], row["config"] or {})
            axis = row["axis"] if row["axis"] in AXES else OTHER
            yield Case(arch=row["arch"], axis=axis, config=config, mesh=row["mesh"], run=row, case=row["case"])


def _changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The base config with the change; another number of layers leaves their kinds to the config class."""
    dropped = {"layer_types"} if "num_hidden_layers" in change else set()
    return {**{key: value for key, value in base.items() if key not in dropped}, **change}


def changed_cases(kind: str = "") -> Iterator[Case]:
    """The decided runs of `<kind>constraints.jsonl`."""
    bases = {row["arch"]: row["config"] for row in read_rows(TRUTH / f"{kind}architectures.jsonl")}
    yield from constraint_cases(TRUTH / f"{kind}constraints.jsonl", bases)


def mesh_of(case: Case) -> MeshSpec:
    """The mesh a run used; what is no size goes into its settings."""
    sizes = {SIZES.get(k, k): v for k, v in case.mesh.items() if k in SIZES or k.endswith("_size")}
    settings = {k: v for k, v in case.mesh.items() if k not in SIZES and not k.endswith("_size")}
    return MeshSpec(**sizes, engine=case.engine, settings=settings)


def judge_config(case: Case, *, evidence: bool = False) -> meshfit.Report:
    """The verdict on the config alone."""
    mesh = mesh_of(case)
    return meshfit.check(case.config, mesh, engine=case.engine, world_size=_ranks(case), evidence=evidence)


def judge_live(case: Case, *, evidence: bool = False) -> meshfit.Report:
    """The verdict on the model built on the meta device."""
    mesh = mesh_of(case)
    return meshfit.check(_meta_model(case), mesh, engine=case.engine, world_size=_ranks(case), evidence=evidence)


def _ranks(case: Case) -> int | None:
    return 2 if case.axis == OTHER else None


_built: dict[tuple[str, str], Any] = {}


def _meta_model(case: Case) -> Any:
    import torch
    import transformers

    from meshfit.readers.config import read_config

    key = (case.arch, json.dumps(case.config, sort_keys=True))
    if key not in _built:
        _built.clear()
        cls = getattr(transformers, case.arch)
        config = cls.config_class.from_dict(dict(read_config(case.config).values))
        with torch.device("meta"):
            _built[key] = cls(config)
    return _built[key]


def score(cases: Iterator[Case], *, live: bool = False, evidence: bool = False) -> dict[str, Score]:
    """The score of each axis."""
    scores: dict[str, Score] = defaultdict(Score)
    for case in cases:
        report = (judge_live if live else judge_config)(case, evidence=evidence)
        entry = scores[case.axis]
        name = f"{case.arch} {case.case}".strip()
        if report.ok == case.works:
            entry.right += 1
        elif case.works:
            entry.false_alarms.append(f"{name}: {', '.join(v.code for v in report.errors)}")
        else:
            entry.misses.append(f"{name}: {case.run['outcome']} {str(case.run['detail'])[:110]}")
        if report.ok and case.run["outcome"] == "mismatch":
            entry.silent.append(name)
        for column, key in ((entry.seed, "seed_verdict"), (entry.own, "hf_verdict")):
            if case.run.get(key) is not None:
                column[bool(case.run[key]) == case.works] += 1
    return scores


def _table(title: str, scores: Mapping[str, Score], *, listed: bool) -> None:
    print(f"\n{title}")
    print(
        f"{'axis':10}{'cases':>6}{'right':>8}{'false alarms':>14}{'misses':>8}{'ok on silent':>14}{'seed':>8}{'own':>8}"
    )
    for axis in (*AXES, OTHER):
        if axis in scores:
            s = scores[axis]
            print(
                f"{axis:10}{s.total:6}{s.share:8.3f}{len(s.false_alarms):14}{len(s.misses):8}{len(s.silent):14}"
                f"{_share(s.seed):>8}{_share(s.own):>8}"
            )
    if listed:
        for axis, s in scores.items():
            for kind, names in (("false alarm", s.false_alarms), ("miss", s.misses)):
                for name in names:
                    print(f"  {axis} {kind}: {name}")


def _share(counts: Counter[bool]) -> str:
    total = sum(counts.values())
    return f"{counts[True] / total:.2f}" if total else "-"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="truth files with one class a line (default: the shipped)")
    parser.add_argument("--live", action="store_true", help="judge the model on the meta device instead of the config")
    parser.add_argument("--evidence", action="store_true", help="let the proofs that come with meshfit weigh in")
    parser.add_argument("--brief", action="store_true", help="leave out the list of wrong verdicts")
    options = parser.parse_args()
    how = {"live": options.live, "evidence": options.evidence}
    for file in options.files:
        _table(file.name, score(architecture_cases(file), **how), listed=not options.brief)
    for kind in () if options.files else SHIPPED:
        name = f"{kind}architectures.jsonl"
        _table(name, score(architecture_cases(TRUTH / name), **how), listed=not options.brief)
        _table(f"{kind}constraints.jsonl", score(changed_cases(kind), **how), listed=not options.brief)
    heavy = sorted({"torch", "transformers"} & sys.modules.keys())
    print(f"\nimported: {', '.join(heavy) or 'neither torch nor transformers'}")


if __name__ == "__main__":
    main()
