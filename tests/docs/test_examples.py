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


@pytest.mark.torch
def test_the_training_script_says_when_it_runs_what_the_checker_said() -> None:
    """Before the weights are made; with a mesh that fits, it trains."""
    ended = subprocess.run([sys.executable, str(EXAMPLES / "train.py")], capture_output=True, text=True, check=False)
    assert "Tensor parallelism (tp_size=8): num_key_value_heads (2) is not divisible by tp_size (8)" in ended.stderr
    script = (EXAMPLES / "train.py").read_text(encoding="utf-8").replace("tp_size=8", "tp_size=2")
    trained = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=True).stdout
    first, *_, last = (float(line.rpartition(" ")[2]) for line in trained.splitlines())
    assert last < first


@pytest.mark.torch
@pytest.mark.slow
def test_the_checker_says_of_the_real_libraries_what_the_readme_shows(tmp_path: Path) -> None:
    """The README itself is tested on small stand-ins for torch and transformers."""
    command = [sys.executable, "-m", "mypy", "--config-file", "examples/mypy.ini", "--cache-dir", str(tmp_path)]
    ended = subprocess.run(
        [*command, "examples/train.py"], capture_output=True, text=True, check=False, cwd=EXAMPLES.parent
    )
    assert ended.stdout in (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert "[meshfit-tp]" in ended.stdout


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in EXAMPLES.glob("*/config.json")))
def test_every_config_fits_one_device_and_not_the_moon(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example resolves, and a mesh of 1009 tensor ranks is refused."""
    assert main(["check", str(EXAMPLES / folder), "--mesh", "tp=1"]) == 0
    capsys.readouterr()
    assert main(["check", str(EXAMPLES / folder), "--mesh", "tp=1009", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["ok"]
