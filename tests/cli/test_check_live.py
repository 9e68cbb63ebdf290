"""`meshfit check --live`: the model itself, on the meta device."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torch

EXAMPLE = Path(__file__).parents[2] / "examples" / "llama-8b"

MODULE = """
print("noise of the user's module")
import torch
from transformers import LlamaConfig, LlamaForCausalLM


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(2, 2)


class Small(LlamaConfig):
    def __init__(self, **settings):
        super().__init__(**{"num_hidden_layers": 2, "num_key_value_heads": 2, **settings})


class MyLlama(LlamaForCausalLM):
    config_class = Small


class Asking(torch.nn.Module):
    def __init__(self, width):
        super().__init__()


class Failing(torch.nn.Module):
    def __init__(self):
        raise RuntimeError("no\\nway")


number = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module of the user's."""
    (tmp_path / "live_mine.py").write_text(MODULE)
    (tmp_path / "live_broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "live_leaving.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("live_mine", "live_broken", "live_leaving"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize("target", [str(EXAMPLE), str(EXAMPLE / "config.json")])
def test_a_config_is_built_and_judged_as_its_source_is(run: Any, target: str) -> None:
    """The same verdict, from the model's own config."""
    live, read = (json.loads(run("check", target, "-m", "tp=16", "--json", *flag)[1]) for flag in (["--live"], []))
    assert live["violations"][0].pop("origins") == [{"where": "LlamaForCausalLM", "pointer": "config"}]
    read["violations"][0].pop("origins")
    assert live == read


@pytest.mark.usefixtures("here")
def test_a_class_of_the_user_is_imported_and_built(run: Any) -> None:
    """With its config's defaults, or without arguments; what the module prints is no part of the answer."""
    code, out, err = run("check", "live_mine:MyLlama", "-m", "tp=4", "--live", "--json")
    assert (code, json.loads(out)["violations"][0]["code"]) == (1, "TP002")
    assert "noise" in err
    assert run("check", "live_mine:MyLlama", "-m", "tp=2", "--live")[0] == 0
    assert run("check", "live_mine:Plain", "-m", "tp=2", "--live")[1].startswith("Plain does not fit tp=2")


def test_a_class_of_transformers_is_built_with_its_defaults(run: Any) -> None:
    """As without the flag."""
    assert run("check", "GPT2LMHeadModel", "-m", "tp=2", "--live")[0] == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("live_mine:Nothing", "live_mine defines no class 'Nothing'"),
        ("live_mine:number", "live_mine:number is no class of models"),
        ("live_mine:Asking", "Asking cannot be built on the meta device: TypeError"),
        ("live_mine:Failing", "Failing cannot be built on the meta device: RuntimeError: no way"),
        ("live_broken:X", "live_broken cannot be imported: ModuleNotFoundError"),
        ("live_leaving:X", "live_leaving cannot be imported: SystemExit"),
        ("live_nowhere:X", "live_nowhere cannot be imported: ModuleNotFoundError"),
        ("NoSuchClass", "transformers defines no class 'NoSuchClass'"),
        ("LlamaConfig", "LlamaConfig is no class of models"),
        ("org/model", "transformers defines no class 'org/model'"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(run: Any, target: str, message: str) -> None:
    """The user's code may do anything."""
    code, out, err = run("check", target, "-m", "tp=2", "--live")
    assert (code, out) == (2, "")
    told = [line for line in err.splitlines() if line.startswith("meshfit: ")]
    assert len(told) == 1
    assert message in told[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"architectures": ["NoSuchModel"], "model_type": "llama"}', "has no class"),
        ('{"model_type": "llama"}', "has no class None"),
        ('{"architectures": ["LlamaForCausalLM"], "model_type": "nothing"}', "transformers cannot read"),
    ],
)
def test_a_config_that_transformers_cannot_read_is_told(run: Any, tmp_path: Path, config: str, message: str) -> None:
    """With its reason."""
    (tmp_path / "config.json").write_text(config)
    code, _, err = run("check", str(tmp_path), "-m", "tp=2", "--live")
    assert (code, message in err) == (2, True)
