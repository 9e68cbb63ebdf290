"""The shipped examples run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from meshfit.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.torch
def test_a_class_of_ones_own() -> None:
    """It prints its capabilities and, caught, why eight ranks are too many."""
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "own_class.py")], capture_output=True, text=True, check=True
    ).stdout
    assert ended.startswith("tensor parallel: True\nexpert parallel: False\nUnsupported mesh for MyLlamaForCausalLM:")
    assert "num_key_value_heads (2) is not divisible by tp_size (8)" in ended


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in EXAMPLES.glob("*/config.json")))
def test_every_config_fits_one_device_and_not_the_moon(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example resolves, and a mesh of 1009 tensor ranks is refused."""
    assert main(["check", str(EXAMPLES / folder), "--mesh", "tp=1"]) == 0
    capsys.readouterr()
    assert main(["check", str(EXAMPLES / folder), "--mesh", "tp=1009", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["ok"]
