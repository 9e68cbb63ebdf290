"""Each option of the plugin does what it says, in a run of mypy as users start it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.typing.harness import FAKES, interpreter

PROGRAM = """\
from torch import nn
from transformers import LlamaForCausalLM

from makers import make_mesh
from meshfit import CapabilityMixin, MeshSpec, check


class Net(CapabilityMixin, nn.Module):
    _tp_plan = {"up": "colwise"}

    def forward(self, x: object) -> object:
        return x


class Llama(CapabilityMixin, LlamaForCausalLM):
    pass


def own_maker(*, pipe: int) -> MeshSpec:
    return MeshSpec(pp_size=pipe)


def use(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(pp_size=2))  # parameter
    check(net, MeshSpec(pp_size=2))  # check


Net().validate_for_mesh(MeshSpec(tp_size=13))  # thirteen
Net().validate_for_mesh(make_mesh(pipe=2))  # made elsewhere
Net().validate_for_mesh(own_maker(pipe=2))  # made here
mesh = own_maker(pipe=2)
Net().validate_for_mesh(mesh)  # made before
Llama.from_pretrained("./ckpt").validate_for_mesh(MeshSpec(tp_size=8))  # checkpoint
Llama.from_pretrained("./ckpt", num_key_value_heads=8).validate_for_mesh(MeshSpec(tp_size=8))
"""
MAKERS = """\
from meshfit import MeshSpec


def make_mesh(tensor: int = 1, pipe: int = 1) -> MeshSpec:
    sizes = {"tp_size": tensor, "pp_size": pipe}
    return MeshSpec(**sizes)  # type: ignore[arg-type]
"""
RULES = """\
from meshfit.report import Consequence
from meshfit.rules.registry import Finding, rule


@rule("XX001", "no-thirteen", axis="tp", engines=("generic",), consequence=Consequence.WASTE)
def no_thirteen(facts, mesh):
    if mesh.tp_size == 13:
        yield Finding(message="13 ranks", help="use 12", alternatives=(1,))
"""
CONFIG = """{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_attention_heads": 8,
  "num_hidden_layers": 2, "num_key_value_heads": 2, "vocab_size": 128
}"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program, a checkpoint folder, a module that makes meshes and one with a rule."""
    folder = tmp_path_factory.mktemp("options")
    (folder / "ckpt").mkdir()
    (folder / "ckpt" / "config.json").write_text(CONFIG, encoding="utf-8")
    for name, text in (("program", PROGRAM), ("makers", MAKERS), ("my_rules", RULES)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    interpreter(folder / "python")
    return folder


def said(project: Path, table: str) -> tuple[list[str], str, int]:
    """(comment of the line: error or note, in order), all that was printed, the exit code."""
    config = project / "pyproject.toml"
    config.write_text(f'[tool.mypy]\nplugins = ["meshfit_mypy"]\n[tool.meshfit]\n{table}\n', encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", os.devnull]
    command += ["--python-executable", str(project / "python" / "bin" / "python"), "program.py"]
    environment = {**os.environ, "PYTHONPATH": str(project), "MYPYPATH": str(FAKES), "MESHFIT_DEBUG": "1"}
    ended = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    lines = PROGRAM.splitlines()
    found = re.findall(r"^program\.py:(\d+): (error|note): Unsupported", ended.stdout, re.MULTILINE)
    told = [f"{lines[int(number) - 1].rpartition('# ')[2]}: {kind}" for number, kind in found]
    return told, ended.stdout + ended.stderr, ended.returncode


def test_without_options_a_parameter_is_judged_and_the_rest_is_silent(project: Path) -> None:
    """What a maker does with its arguments, a checkpoint and a rule of one's own are not known; `check` may fail."""
    assert said(project, "")[0] == ["parameter: error"]


def test_every_option_at_once(project: Path) -> None:
    """Checkpoints, constructors, rules of one's own, checks, and the severity of two rules."""
    table = """
    checks = true
    checkpoints = ["./ckpt"]
    rule_packages = ["my_rules"]
    severity = {no-thirteen = "error", TP002 = "note"}
    constructors = {"makers.make_mesh" = {pipe = "pp"}, "program.own_maker" = {pipe = "pp"}}
    """
    told, output, status = said(project, table)
    assert told == [
        "parameter: error",
        "check: note",
        "thirteen: error",
        "made elsewhere: error",
        "made here: error",
        "made before: error",
        "checkpoint: note",
    ]
    assert "num_key_value_heads (2) is not divisible by tp_size (8)" in output
    assert status == 1


def test_only_what_is_built_in_sight(project: Path) -> None:
    """A parameter may be a subclass with a plan; a rule that is off says nothing."""
    assert said(project, 'parameters = false\nseverity = {PP001 = "off"}')[0] == []


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('severity = {PP901 = "off"}', "tool.meshfit.severity names 'PP901', which is no rule"),
        ('rule_packages = ["absent_rules"]', "tool.meshfit.rule_packages names what cannot be loaded: the rules"),
        ("parameters = 1", "tool.meshfit.parameters must be true or false, got 1"),
    ],
)
def test_a_bad_option_ends_mypy_with_a_usage_text(project: Path, table: str, why: str) -> None:
    """Exit code 2, and no traceback."""
    _, output, status = said(project, table)
    assert why in output
    assert "[tool.meshfit] takes:" in output
    assert "Traceback" not in output
    assert "INTERNAL ERROR" not in output
    assert status == 2
