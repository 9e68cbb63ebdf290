"""What the wheel brings to type checkers, and that it brings nothing else: stubs are for those who ask."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.typing.four_checkers import BIN, CHECKERS, FAKES, STUBS, Search, errors, marked, mypy, pyright, run
from tests.typing.installed import Environment, build_wheel

pytestmark = pytest.mark.checkers

USES_OTHERS = """\
import accelerate
from accelerate import ParallelismConfig
from accelerate.parallelism_config import ParallelismConfig as Same
from torch import nn
from transformers import GPT2LMHeadModel, LlamaForCausalLM
from transformers.distributed.configuration_utils import DistributedConfig

accelerate.ParallelismConfig(tp_size="2")
ParallelismConfig(tp=2)
Same(tp_size=2).total_size + ""
DistributedConfig(tp_size="2")
nn.Linear("4", 4)


class Mine(LlamaForCausalLM):
    supports_gradient_checkpointing = "yes"


def use(model: LlamaForCausalLM, other: GPT2LMHeadModel) -> int:
    model.generate()
    return other.config.no_such_name + model.tp_plan
"""
MIXES_IN = """\
from transformers import LlamaForCausalLM

from meshfit import CapabilityMixin


class MyLlama(CapabilityMixin, LlamaForCausalLM):
    supports_gradient_checkpointing = True


def use(model: MyLlama) -> bool:
    model.supports_tp = True  # error
    return model.supports_tp
"""
USES_STUBS = """\
from accelerate import Accelerator, ParallelismConfig
from accelerate.parallelism_config import ParallelismConfig as Same
from accelerate.utils import set_seed
from typing_extensions import assert_type

config = ParallelismConfig(tp_size=2, dp_shard_size=None)
assert_type(config.tp_size, int)
assert_type(config.total_size, int)
assert_type(config.dp_dim_names, list[str])
assert_type(Same(), ParallelismConfig)
Accelerator(parallelism_config=config)
set_seed(0)
ParallelismConfig(tp=2)  # error
ParallelismConfig(tp_size="2")  # error
config.total_size = 4  # error
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def _said(output: str) -> object:
    """What a checker prints, without the time it took."""
    return json.loads(output)["generalDiagnostics"] if output.startswith("{") else output


def _diagnostics(file: Path, environment: Environment) -> dict[str, object]:
    search = Search(python=environment.python)
    return {check.__name__: _said(check([file], search)) for check in (mypy, pyright)}


def test_the_wheel_has_both_packages_and_no_stubs(wheel: Path) -> None:
    """Both top levels, the marker that meshfit is typed, and nothing of `stubs`."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"meshfit", "meshfit_mypy"}
    assert {"meshfit/py.typed", "meshfit_mypy/__init__.py"} <= set(names)
    assert not [name for name in names if "stubs" in name or name.endswith(".pyi")]


def test_installing_meshfit_changes_no_diagnostic(wheel: Path, tmp_path: Path) -> None:
    """The same program in the same environment, before and after; stubs that nobody asked for would show."""
    program = tmp_path / "uses_others.py"
    program.write_text(USES_OTHERS, encoding="utf-8")
    environment = Environment(tmp_path / "env", beside=FAKES)
    before = _diagnostics(program, environment)
    environment.install(wheel)
    after = _diagnostics(program, environment)
    assert all(before.values())
    assert after == before
    environment.packages.joinpath("accelerate-stubs").symlink_to((STUBS / "accelerate").resolve())
    unasked = _diagnostics(program, environment)
    assert [name for name in before if unasked[name] != before[name]] == ["mypy", "pyright"]


@pytest.mark.slow
@pytest.mark.torch
def test_the_real_libraries_look_the_same_and_take_the_mixin(wheel: Path, tmp_path: Path) -> None:
    """torch, transformers and accelerate as they are installed here; pyright minds bases that disagree."""
    program, mine = tmp_path / "uses_others.py", tmp_path / "mine.py"
    program.write_text(USES_OTHERS.partition("\n\n\nclass")[0] + "\n", encoding="utf-8")
    mine.write_text(MIXES_IN, encoding="utf-8")
    without, having = (Environment(tmp_path / name) for name in ("without", "having"))
    having.install(wheel)

    def story(check: Callable[[list[Path], Search], str]) -> tuple[str, str, str]:
        before = check([program], Search(python=without.python))
        return before, check([program], Search(python=having.python)), check([mine], Search(python=having.python))

    # half a minute for mypy's first run, a third of one for what pyright infers of a model
    with ThreadPoolExecutor() as pool:
        runs = pool.map(story, [partial(mypy, cache=tmp_path / "cache"), pyright])
    for checker, (before, after, mixed) in zip(("mypy", "pyright"), runs, strict=True):
        assert errors(checker, before)
        assert _said(after) == _said(before)
        assert errors(checker, mixed) == marked(checker, [mine])


def test_every_public_type_is_complete(wheel: Path, tmp_path: Path) -> None:
    """`pyright --verifytypes` at 100 %, with nothing ambiguous."""
    environment = Environment(tmp_path / "env")
    environment.install(wheel)
    # it asks the first python on PATH and heeds no --pythonpath
    command = [BIN / "pyright", "--verifytypes", "meshfit", "--ignoreexternal", "--outputjson"]
    told = json.loads(run(command, PATH=environment.path))["typeCompleteness"]
    incomplete = [
        f"{symbol['name']}: {diagnostic['message']}"
        for symbol in told["symbols"]
        if not symbol["isTypeKnown"]
        for diagnostic in symbol["diagnostics"]
    ]
    assert told["exportedSymbolCounts"]["withKnownType"] > 500
    assert incomplete == []
    assert told["completenessScore"] == 1


def test_every_stub_is_partial() -> None:
    """What it does not describe stays what it was."""
    folder = STUBS / "accelerate"
    modules = sorted(folder.rglob("*.pyi"))
    assert modules
    for module in modules:
        assert module.read_text(encoding="utf-8").endswith("\ndef __getattr__(name: str) -> Any: ...\n")
    assert folder.joinpath("py.typed").read_text(encoding="utf-8") == "partial\n"


@pytest.mark.torch
@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stubs_serve_a_checker_that_is_given_them(checker: str, tmp_path: Path) -> None:
    """Sizes that are ints once the config is made, misspelt keywords, and no complaint about the rest of accelerate."""
    file = tmp_path / "uses_stubs.py"
    file.write_text(USES_STUBS, encoding="utf-8")
    # the fake torch: the real one takes mypy a quarter of a minute
    search = Search(paths=(FAKES,) if checker == "mypy" else (), stubs=STUBS)
    output = CHECKERS[checker]([file], search)
    assert sorted(errors(checker, output)) == sorted(marked(checker, [file])), output


@pytest.mark.torch
def test_the_stubs_agree_with_the_installed_accelerate(tmp_path: Path) -> None:
    """`stubtest` imports it and compares name by name."""
    allowed = tmp_path / "allowed.txt"
    # None as a default of the class, never in an instance: `__post_init__` fills them from the environment
    allowed.write_text(r"accelerate\.parallelism_config\.ParallelismConfig\.\w+_(size|backend)" + "\n")
    command = [sys.executable, "-m", "mypy.stubtest", "accelerate", "--ignore-missing-stub", "--allowlist", allowed]
    assert "Success" in run(command, MYPYPATH=f"{STUBS}:{FAKES}")
