"""The numbers of the page are those of the benchmark."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.torch
@pytest.mark.slow
def test_every_rule_that_is_named_was_broken_and_the_page_tells_how_many() -> None:
    """On every executed failure, read alone and with its mesh."""
    command = [sys.executable, str(ROOT / "benchmarks" / "crashes.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    totals = re.findall(r"^all +(\d+) +(\d+) +(\S+) ", printed, flags=re.MULTILINE)
    assert [precision for *_, precision in totals] == ["1.000", "1.000"]
    (failures, alone, _), (_, with_mesh, _) = totals
    page = " ".join((ROOT / "docs" / "explain.md").read_text(encoding="utf-8").split())
    assert f"Of {int(failures):,} executed failures" in page
    assert f"names a rule for {alone}; with the mesh for {int(with_mesh):,}." in page
