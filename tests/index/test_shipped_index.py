"""The index that comes with meshfit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from meshfit.readers.shipped.archive import read_index
from meshfit.readers.shipped.choice import SHIPPED
from meshfit.readers.shipped.facts import facts_from_index

ROOT = Path(__file__).parents[2]


def test_the_shipped_index_is_small_and_holds_the_models() -> None:
    """At most 2 MB, nearly all classes that the auto mappings name."""
    assert SHIPPED.stat().st_size <= 2_000_000
    assert len(read_index(SHIPPED).names) > 1400


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "MixtralForCausalLM", "Gemma3ForCausalLM"])
def test_a_class_is_known_by_its_defaults(name: str) -> None:
    """Structure and plans; it needs no transformers to be read."""
    facts = facts_from_index(read_index(SHIPPED), {}, class_name=name)
    assert facts.tp_plan
    assert facts.parameters
    assert facts.knows("pipeline_faults")


@pytest.mark.torch
@pytest.mark.slow
def test_the_shipped_index_never_contradicts_the_source() -> None:
    """Every fact it tells of random configs is the source reader's."""
    script = str(ROOT / "benchmarks" / "index_accuracy.py")
    options = ("--random-only", "--classes", "60", "--seed", "7")
    run = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def test_the_wheel_ships_it() -> None:
    """Everything below the package goes into the wheel; no rule leaves the file out."""
    ignored = subprocess.run(["git", "check-ignore", "-q", str(SHIPPED)], cwd=ROOT, check=False).returncode
    assert ignored == 1
    assert json.loads(SHIPPED.read_bytes().partition(b"\n")[0])["format"] == "meshfit-index"
