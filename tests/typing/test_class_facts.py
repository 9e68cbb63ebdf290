"""What mypy's nodes tell of a class is what its source tells, whether it was parsed or comes from mypy's cache."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import harness
import pytest
from mypy import build
from mypy.modulefinder import BuildSource
from mypy.nodes import MypyFile, TypeInfo
from mypy.options import Options

from meshfit import MeshSpec
from meshfit.evidence import Evidence, Outcome
from meshfit.facts import ModelFacts
from meshfit.readers.source.own_classes import facts_of_own_class
from meshfit.rules.judge import judge
from meshfit_mypy.class_facts import facts_of_type, is_concrete, is_model, validates, with_config

MODELS = Path(__file__).parents[1] / "source" / "own_models.py"
NAMES = [
    node.name
    for node in ast.parse(MODELS.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef) and node.name not in ("MoEFSDPSyncMixin", "Maker")
]
LIBRARY = """
from torch import nn

class Reads(nn.Module):
    _tp_plan = {"a": "colwise"}
    def look(self) -> object:
        return self._tp_plan

class Changes(nn.Module):
    _tp_plan = {"a": "colwise"}
    def change(self) -> None:
        self._tp_plan.update(b="colwise")
"""
USES = """
from transformers import GPT2LMHeadModel, LlamaForCausalLM, PreTrainedConfig, PreTrainedModel
from meshfit import CapabilityMixin
from library import Reads, Changes

class MyLlama(CapabilityMixin, LlamaForCausalLM): ...
class MyGPT2(CapabilityMixin, GPT2LMHeadModel):
    def more(self) -> int:
        return 1
class Rebuilt(GPT2LMHeadModel):
    def __init__(self, config: object) -> None:
        super().__init__(config)
        self.more = 1
class Rerun(GPT2LMHeadModel):
    def forward(self) -> None: ...
class Planned(GPT2LMHeadModel):
    _tp_plan = {"a": "colwise"}
class Flagged(LlamaForCausalLM):
    _supports_sdpa = False
class Headless(PreTrainedModel): ...
class WithPlan(PreTrainedConfig):
    base_model_tp_plan = {"up": "colwise"}
class WithoutPlan(PreTrainedConfig): ...
class ConfigPlanned(PreTrainedModel):
    config_class = WithPlan
class ConfigPlanless(PreTrainedModel):
    config_class = WithoutPlan
class AnnotatedPlanless(PreTrainedModel):
    config: WithoutPlan
class WithChildren(PreTrainedModel):
    config_class = WithoutPlan
    def __init__(self, config: WithoutPlan) -> None:
        super().__init__(config)
        self.model = LlamaForCausalLM(config)
class OfReads(Reads): ...
class OfChanges(Changes): ...
class Own(CapabilityMixin):
    def validate_for_mesh(self, mesh: object) -> None: ...
class Handing(MyLlama):
    def validate_for_mesh(self, mesh: object, **more: object) -> object:
        print(mesh)
        report = super().validate_for_mesh(mesh)
        return report
class Changing(MyLlama):
    def validate_for_mesh(self, mesh: object, **more: object) -> object:
        mesh = None
        return super().validate_for_mesh(mesh)
def some(one: MyLlama, other: Own, either: MyLlama | Own, handing: Handing, changing: Changing) -> None: ...
"""


class Program:
    """A checked program: its modules, and facts of its classes."""

    def __init__(self, folder: Path, names: list[str], *, cached: bool = False) -> None:
        options = Options()
        options.plugins = ["meshfit_mypy"]
        options.config_file = str(harness.write_config(folder))
        options.python_executable = str(folder / "python" / "bin" / "python")
        options.mypy_path = [str(folder)]
        options.cache_dir = str(folder / "cache") if cached else "/dev/null"
        options.incremental = cached
        sources = [BuildSource(str(folder / f"{name}.py"), name) for name in names]
        self.files: Mapping[str, MypyFile] = build.build(sources, options).files

    def info(self, module: str, name: str) -> TypeInfo:
        found = self.files[module].names[name].node
        assert isinstance(found, TypeInfo)
        return found

    def facts(self, module: str, name: str) -> ModelFacts:
        return facts_of_type(self.info(module, name), self.files)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models, an installed library, a program that uses it, and a Python that sees the fakes."""
    place = tmp_path_factory.mktemp("program")
    python = harness.interpreter(place / "python")
    shutil.copy(MODELS, place)
    (place / "uses.py").write_text(USES, encoding="utf-8")
    site = next((place / "python").glob("lib/python*/site-packages"))
    (site / "library").mkdir()
    (site / "library" / "__init__.py").write_text(LIBRARY, encoding="utf-8")
    (site / "library" / "py.typed").touch()
    assert python.exists()
    return place


@pytest.fixture(scope="module", params=["cold", "warm"])
def program(request: pytest.FixtureRequest, folder: Path) -> Program:
    """The program as mypy parsed it, and as it comes from the cache."""
    main = folder / "main.py"
    main.write_text("import own_models, uses\n", encoding="utf-8")
    program = Program(folder, ["main"], cached=request.param == "warm")
    if request.param == "warm":
        # Only what a changed file imports is loaded again.
        main.write_text("import own_models, uses  # changed\n", encoding="utf-8")
        program = Program(folder, ["main"], cached=True)
        assert not program.files["own_models"].defs
    return program


@pytest.fixture
def beside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The source reader looks in the same folder."""
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        yield


def known(facts: ModelFacts) -> dict[str, Any]:
    """The facts, without what the registries hold."""
    return {name: value for name, value in facts if name not in ("registered_tp_plan", "is_custom")}


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("name", NAMES)
def test_the_nodes_tell_what_the_source_tells(program: Program, name: str) -> None:
    """Fact for fact."""
    assert known(program.facts("own_models", name)) == known(facts_of_own_class(f"own_models:{name}"))


def refused(facts: ModelFacts, **sizes: int) -> bool:
    """Whether the mesh is refused."""
    return not judge(facts, MeshSpec(**sizes), engine=facts.engine).ok


@pytest.mark.parametrize(
    ("name", "tp"), [("MyLlama", False), ("MyGPT2", True), ("Rebuilt", False), ("Rerun", True), ("Planned", False)]
)
def test_a_class_of_transformers_passes_on_what_its_subclass_leaves(program: Program, name: str, tp: bool) -> None:
    """A constructor of one's own leaves no plan sure, nor does another plan; a forward has none."""
    facts = program.facts("uses", name)
    assert refused(facts, tp_size=2) is tp
    assert facts.knows("tp_plan") is tp


def test_own_flags_stand_over_those_of_transformers(program: Program) -> None:
    """Whatever the class below says."""
    assert [program.facts("uses", name).supports_sdpa for name in ("MyLlama", "Flagged", "Headless")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "planless"),
    [("ConfigPlanned", False), ("ConfigPlanless", True), ("WithChildren", False), ("Headless", False)],
)
def test_a_config_class_of_ones_own_tells_of_a_plan(program: Program, name: str, planless: bool) -> None:
    """As long as no child may bring one."""
    facts = program.facts("uses", name)
    assert (facts.knows("tp_plan") and facts.tp_plan == {}) is planless


@pytest.mark.parametrize(("name", "inherits"), [("MyGPT2", True), ("Rebuilt", False), ("Rerun", False)])
def test_proofs_of_a_known_config_count_as_in_a_check(
    program: Program, monkeypatch: pytest.MonkeyPatch, name: str, inherits: bool
) -> None:
    """Unless the class below decides for itself what happens on a mesh."""
    proof = Evidence(target="GPT2LMHeadModel", mesh=MeshSpec(tp_size=2), engine="", outcome=Outcome.SILENT)
    monkeypatch.setattr(
        "meshfit.readers.proven.recorded_proofs", lambda _facts, settling: {"tp": proof} if settling else {}
    )
    shipped = facts_of_type(program.info("uses", "MyGPT2"), program.files)
    facts = with_config(program.info("uses", name), program.files, lambda _: shipped)
    assert (facts.knows("executed") and facts.executed == {"tp": proof}) is inherits


@pytest.mark.parametrize(("name", "sure"), [("OfReads", False), ("OfChanges", False)])
def test_a_method_that_mypy_left_out_may_do_anything(program: Program, name: str, sure: bool) -> None:
    """Bodies of installed packages are not kept; where one names the plan, nobody knows what it does."""
    assert program.facts("uses", name).knows("tp_plan") is sure


@pytest.mark.parametrize(
    ("name", "expected"), [("MyLlama", (True, True)), ("Headless", (True, True)), ("Own", (True, True))]
)
def test_models_and_those_that_may_be_built_are_told(program: Program, name: str, expected: tuple[bool, bool]) -> None:
    """One of the program's own is built by whoever names it."""
    info = program.info("uses", name)
    assert (is_model(info), is_concrete(info)) == expected


def test_a_base_of_transformers_is_nobodys_class(program: Program) -> None:
    """It has no forward."""
    bases = program.info("uses", "MyLlama").mro
    assert [is_concrete(base) for base in bases if base.name in ("LlamaForCausalLM", "PreTrainedModel")] == [
        True,
        False,
    ]


def test_only_meshfits_own_method_is_judged(program: Program) -> None:
    """A class that replaces it answers for itself, also in a union, unless it hands its mesh on."""
    some = program.files["uses"].names["some"].node
    arguments = getattr(some, "type").arg_types  # noqa: B009
    assert [validates(argument) for argument in arguments] == [True, False, False, True, False]
