"""Verdicts against what really happened when the classes ran, and that general rules alone give them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from benchmarks.accuracy import (
    SHIPPED,
    TRUTH,
    Score,
    architecture_cases,
    changed_cases,
    judge_config,
    read_rows,
    score,
)

from meshfit.readers.config import read_config
from meshfit.readers.source.facts import build_model, facts_from_config

ROOT = Path(__file__).parents[2]
LEAST = {"tp": 0.98, "pp": 0.98, "ep+tp": 0.98, "ep+fsdp": 0.98, "cp": 0.96}


@pytest.fixture(scope="module", params=SHIPPED, ids=["given", "more"])
def scores(request: pytest.FixtureRequest) -> dict[str, Score]:
    """Every decided run of the truth file, judged from its config."""
    return score(architecture_cases(TRUTH / f"{request.param}architectures.jsonl"))


@pytest.mark.parametrize("axis", LEAST)
def test_verdicts_on_configs_are_right(scores: dict[str, Score], axis: str) -> None:
    """The share of right verdicts, and no false alarm on a mesh that worked."""
    entry = scores[axis]
    assert entry.share >= LEAST[axis], entry.misses
    assert entry.false_alarms == []


def test_nothing_that_ran_silently_wrong_is_called_sound(scores: dict[str, Score]) -> None:
    """The worst mistake a verdict can make."""
    assert [name for entry in scores.values() for name in entry.silent] == []


@pytest.mark.parametrize("kind", SHIPPED, ids=["given", "more"])
def test_verdicts_on_changed_sizes_are_right(kind: str) -> None:
    """Head counts, odd sizes, tied embeddings, expert counts, layers: one change from a class's base config."""
    changed = score(changed_cases(kind)).values()
    assert sum(s.right for s in changed) / sum(s.total for s in changed) >= 0.97
    assert [name for entry in changed for name in entry.silent] == []


@pytest.mark.slow
def test_with_proofs_at_most_one_verdict_an_axis_is_wrong() -> None:
    """What was executed weighs in, and never turns a right verdict into a wrong one on more than one class."""
    proven = score(architecture_cases(TRUTH / "architectures.jsonl"), evidence=True)
    wrong = {axis: [*entry.misses, *entry.false_alarms] for axis, entry in proven.items()}
    assert {axis: names for axis, names in wrong.items() if len(names) > 1} == {}
    assert [name for entry in proven.values() for name in entry.silent] == []


def test_a_score_can_be_wrong() -> None:
    """A verdict turned round is counted as a miss or a false alarm."""
    cases = [case for case in architecture_cases(TRUTH / "architectures.jsonl") if case.arch == "LlamaForCausalLM"]
    turned = [case for case in cases if judge_config(case).ok != (not case.works)]
    assert len(turned) == len(cases)


def test_judging_a_config_imports_no_framework() -> None:
    """Neither torch nor transformers nor mypy is loaded by a verdict on a file's values."""
    row = read_rows(TRUTH / "architectures.jsonl")[0]
    code = (
        "import sys, json, meshfit; meshfit.check(json.loads(sys.stdin.read()), {'tp': 2});"
        "print(sorted({'torch', 'transformers', 'mypy', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(row["config"]), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _strings(tree: ast.AST) -> set[str]:
    """String literals of code, docstrings left out."""
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documents)
    return {node.value for node in constants if isinstance(node.value, str)}


LAYER_KINDS = frozenset({"mamba", "mamba2"})
"""Kinds of layer that configs name, and that gave model types their names."""


def test_no_verdict_is_keyed_on_an_architecture() -> None:
    """No class name and no model type of the truth files stands in the code that reads or judges."""
    rows = [row for kind in SHIPPED for row in read_rows(TRUTH / f"{kind}architectures.jsonl")]
    named = ({row["arch"] for row in rows} | {row["model_type"] for row in rows}) - LAYER_KINDS
    files = [p for part in ("rules", "readers") for p in (ROOT / "src" / "meshfit" / part).rglob("*.py")]
    found = {file.name: _strings(ast.parse(file.read_text(encoding="utf-8"))) & named for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def _sparse(values: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The config as a hub file holds it: what its class sets by itself, given the rest, is left out."""
    bare = {"architectures": [row["arch"]], "model_type": row["model_type"]}
    for _ in range(2):
        derived = build_model(bare).config.values
        told = {key: value for key, value in values.items() if key not in derived or derived[key] != value}
        nested = {key: value for key, value in values.items() if isinstance(value, dict)}
        bare = {**bare, **told, **nested}
    return bare


def test_keys_that_equal_the_defaults_may_be_left_out() -> None:
    """Sparse files give the same facts: defaults and computed values come from the class's own source."""
    rows = read_rows(TRUTH / "architectures.jsonl")
    full = {row["arch"]: read_config(row["config"]).values for row in rows}
    sparse = {row["arch"]: _sparse(full[row["arch"]], row) for row in rows}
    assert sum(map(len, sparse.values())) < 0.8 * sum(map(len, full.values()))
    assert [arch for arch in full if facts_from_config(sparse[arch]) != facts_from_config(full[arch])] == []
