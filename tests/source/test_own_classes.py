"""`module:Class` read as source: what the live class says, or less, and nothing is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import meshfit
from meshfit import MeshSpec, PlanError, TargetError, check
from meshfit.facts import ModelFacts
from meshfit.readers.source.own_classes import facts_of_own_class

HERE = Path(__file__).parent
HEAD = "from torch import nn\nfrom meshfit import CapabilityMixin\n"
MODELS = (
    *("Bare", "Mixed", "Planned", "Cleared", "SecondBase", "Diamond", "Undecorated", "Final", "Declares"),
    *("DeclaresPlainly", "DeclaresLoosely", "InheritsDeclaration", "Asked", "Experts", "Configured"),
    *("ConfiguredOnClass", "Backed", "Abstract", "AnnotatedOnly", "Joined", "Updated", "ItemSet", "Deleted"),
    *("Computed", "SetByInit", "SetByMethod", "SetByName", "SetByComputedName", "SetByNamespace"),
    *("UpdatedByMethod", "ItemSetByMethod", "SetAfterwards", "Undecided", "Looped", "Tried", "ForChecker"),
    *(
        "CatchesMissing",
        "CatchesAll",
        "Fields",
        "Decorated",
        "Made",
        "Registers",
        "Seen",
        "Spread",
        "Wrapped",
        "Replaced",
    ),
)
SILENT = MODELS[MODELS.index("AnnotatedOnly") : MODELS.index("Wrapped")]
"""Classes of which nobody can tell whether they have a plan."""


def model(folder: Path, body: str, name: str = "my_models") -> str:
    """A module of one's own on `sys.path`; the text that names its class `MyLM`."""
    (folder / f"{name}.py").write_text(HEAD + dedent(body), encoding="utf-8")
    return f"{name}:MyLM"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the modules lie: in no folder that Python knows, but the working one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    return tmp_path


def own(name: str) -> ModelFacts:
    """The facts of one of the models in `own_models.py`."""
    return facts_of_own_class(f"own_models:{name}")


@pytest.mark.torch
@pytest.mark.parametrize("name", MODELS)
def test_no_fact_differs_from_the_live_class(name: str) -> None:
    """Fewer are fine."""
    import own_models

    from meshfit.readers.class_facts import facts_of_class

    live = facts_of_class(getattr(own_models, name))
    assert {fact: value for fact, value in own(name) if live[fact] != value} == {}


@pytest.mark.torch
@pytest.mark.parametrize("name", MODELS[: MODELS.index("AnnotatedOnly")])
def test_a_class_that_is_plainly_written_is_known_as_the_live_one(name: str) -> None:
    """But for the forward that torch's Module has."""
    import own_models

    from meshfit.readers.class_facts import facts_of_class

    missing = facts_of_class(getattr(own_models, name)).keys() - {fact for fact, _ in own(name)}
    assert missing <= {"forward_parameters"}


@pytest.mark.torch
@pytest.mark.parametrize("name", MODELS[: MODELS.index("AnnotatedOnly")])
@pytest.mark.parametrize("axis", ["tp", "pp", "cp", "ep", "dp_shard"])
def test_the_verdict_is_that_of_the_imported_class(name: str, axis: str) -> None:
    """Code for code, on every axis."""
    import own_models

    mesh = MeshSpec(**{f"{axis}_size": 2})
    assert check(f"own_models:{name}", mesh).codes == check(getattr(own_models, name), mesh).codes


@pytest.mark.parametrize("name", SILENT)
def test_what_cannot_be_told_is_left_out(name: str) -> None:
    """No plan is known, so no rule of it speaks."""
    assert not own(name).knows("tp_plan")
    assert check(f"own_models:{name}", MeshSpec(tp_size=2)).ok


def test_a_forward_that_is_replaced_is_left_out() -> None:
    """By a decorator, or on the instance."""
    assert [own(name).knows("forward_parameters") for name in ("Wrapped", "Replaced")] == [False, False]


def test_bases_are_followed_into_other_files(place: Path) -> None:
    """By relative imports of a package and by renaming ones."""
    (place / "pkg").mkdir()
    (place / "pkg" / "__init__.py").write_text("from .inner import Base as Exported\n")
    (place / "pkg" / "inner.py").write_text(HEAD + "class Base(nn.Module):\n    _tp_plan = {'a': 'colwise'}\n")
    target = model(place, "import pkg as other\nclass MyLM(CapabilityMixin, other.Exported): ...")
    assert facts_of_own_class(target).tp_plan == {"a": "colwise"}


def test_a_class_may_be_handed_out_by_another_module(place: Path) -> None:
    """Its name is the one it was defined by."""
    model(place, "class MyLM(nn.Module): ...", "where_it_is")
    (place / "front.py").write_text("from where_it_is import MyLM\n")
    assert facts_of_own_class("front:MyLM").class_name == "MyLM"


def test_a_plan_that_the_program_may_register_is_not_called_missing(place: Path) -> None:
    """A package that names `tp_plans` may enter one; another may not."""
    assert not check(model(place, "class MyLM(nn.Module): ..."), MeshSpec(tp_size=2)).ok
    target = model(place, "from meshfit import tp_plans\nclass MyLM(nn.Module): ...\ntp_plans[MyLM] = {'a': 'colwise'}")
    assert check(target, MeshSpec(tp_size=2)).ok


def test_a_plan_that_is_registered_counts(place: Path) -> None:
    """By the plain name or the qualified one."""
    target = model(place, "class MyLM(nn.Module): ...")
    for key in ("MyLM", "my_models.MyLM"):
        meshfit.tp_plans[key] = {"a": "colwise"}
        try:
            assert facts_of_own_class(target).registered_tp_plan
        finally:
            del meshfit.tp_plans[key]


SHIPPED = """
from transformers import GPT2LMHeadModel, LlamaForCausalLM, PreTrainedConfig, PreTrainedModel
class WithPlan(PreTrainedConfig):
    base_model_tp_plan = {"up": "colwise"}
class WithoutPlan(PreTrainedConfig): ...
"""


@pytest.mark.parametrize(
    ("body", "tp"),
    [
        ("class MyLM(CapabilityMixin, LlamaForCausalLM): ...", True),
        ("class MyLM(CapabilityMixin, GPT2LMHeadModel): ...", False),
        ("class MyLM(GPT2LMHeadModel):\n    _tp_plan = {'a': 'colwise'}", True),
        ("class MyLM(GPT2LMHeadModel):\n    def __init__(self, config): super().__init__(config)", True),
        ("class MyLM(GPT2LMHeadModel):\n    def forward(self, input_ids): ...", False),
        ("class MyLM(PreTrainedModel):\n    config_class = WithPlan", True),
        ("class MyLM(PreTrainedModel):\n    config_class = WithoutPlan", False),
        ("class MyLM(PreTrainedModel):\n    config: WithoutPlan", False),
    ],
)
def test_a_class_of_transformers_passes_on_what_holds_for_every_config(place: Path, body: str, tp: bool) -> None:
    """What the class changes, or its constructor may change, is unknown, so nothing is said of it."""
    assert check(model(place, SHIPPED + body), MeshSpec(tp_size=2)).ok is tp


def test_a_forward_of_ones_own_has_no_known_faults(place: Path) -> None:
    """Those of the class below are of another forward."""
    target = model(place, f"{SHIPPED}class MyLM(GPT2LMHeadModel):\n    def forward(self, input_ids): ...")
    assert facts_of_own_class("transformers.models.gpt2.modeling_gpt2:GPT2LMHeadModel").knows("context_faults")
    assert not facts_of_own_class(target).knows("context_faults")


def test_a_violation_points_at_the_class(place: Path) -> None:
    """File and line."""
    (violation,) = check(model(place, "\nclass MyLM(nn.Module): ..."), MeshSpec(tp_size=2)).violations
    assert str(violation.origins[0]) == f"{place / 'my_models.py'}:4"


def test_a_plan_that_is_no_mapping_is_an_error(place: Path) -> None:
    """As for the live class."""
    with pytest.raises(PlanError, match=r"MyLM\._tp_plan must be a mapping"):
        check(model(place, "class MyLM(nn.Module):\n    _tp_plan = ['a']"), MeshSpec(tp_size=2))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("class MyLm(nn.Module): ...", "defines no class 'MyLM'; did you mean my_models:MyLm?"),
        ("class MyLM: ...", "my_models:MyLM is not a torch.nn.Module"),
        ("import nowhere\nclass MyLM(nowhere.Base): ...", "its base nowhere.Base was not found"),
        ("class MyLM(nn.Module:\n", r"my_models.py:3 is no Python"),
        ("MyLM = object()", "defines no class 'MyLM'"),
    ],
)
def test_what_is_no_model_class_is_told(place: Path, body: str, told: str) -> None:
    """And where it was looked for."""
    with pytest.raises(TargetError, match=told.replace("?", r"\?")):
        check(model(place, body), MeshSpec(tp_size=2))


@pytest.mark.parametrize("target", ["nowhere:MyLM", "nowhere.at.all:MyLM"])
def test_a_module_that_does_not_exist_is_told(target: str) -> None:
    """By its name, and what to do."""
    with pytest.raises(TargetError, match="there is no module nowhere"):
        check(target, MeshSpec(tp_size=2))


def test_nothing_of_the_module_runs(place: Path) -> None:
    """Neither it nor torch is imported."""
    target = model(place, "raise SystemExit('it ran')\nclass MyLM(nn.Module): ...")
    code = (
        "import sys, meshfit\n"
        f"report = meshfit.check({target!r}, {{'pp': 2}})\n"
        "print(report.codes, sorted({'torch', 'transformers', 'my_models'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=place)
    assert done.stdout.strip() == "('PP001',) []"
