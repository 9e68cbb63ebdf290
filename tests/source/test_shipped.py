"""What holds for every config of a transformers class: one switch at a time is varied, and what changes is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import CONFIGURATION, MODELING, package

from meshfit import MeshSpec
from meshfit.facts import ModelFacts
from meshfit.readers.source.auto import find_class
from meshfit.readers.source.index import find_package
from meshfit.readers.source.shipped import facts_of_shipped
from meshfit.rules.judge import judge

PLANLESS = CONFIGURATION.replace("base_model_tp_plan = {", "unused = {")
HEADLESS = MODELING.replace('    _tp_plan = {"lm_head": "colwise_gather_output"}\n', "")
LAYERED = "    vocab_size: int = 32\n"


def shipped(
    folder: Path, name: str = "ToyForCausalLM", *, configuration: str = PLANLESS, modeling: str = HEADLESS
) -> ModelFacts:
    """The facts of a class of the toy package."""
    found = find_class(package(folder, configuration=configuration, modeling=modeling), name)
    assert found is not None
    return facts_of_shipped(found)


def real(name: str) -> ModelFacts:
    """The facts of a class of the installed transformers."""
    installed = find_package("transformers")
    found = None if installed is None else find_class(installed, name)
    assert found is not None
    return facts_of_shipped(found)


def switched(field: str, modeling: str, line: str) -> dict[str, str]:
    """A config with one more field, and a head whose constructor has one more line."""
    return {
        "configuration": PLANLESS.replace(LAYERED, f"{LAYERED}    {field}\n"),
        "modeling": modeling.replace("        self.lm_head = ", f"        {line}\n        self.lm_head = "),
    }


def test_a_plan_that_no_config_gives_is_known_to_be_empty(tmp_path: Path) -> None:
    """Neither class, nor config, nor child declares one."""
    facts = shipped(tmp_path)
    assert (facts.tp_plan, facts.ep_plan) == ({}, {})


@pytest.mark.parametrize("sources", [{"configuration": CONFIGURATION}, {"modeling": MODELING}])
def test_a_plan_that_is_there_is_left_to_the_config(tmp_path: Path, sources: dict[str, str]) -> None:
    """Its entries may come and go with layers."""
    assert not shipped(tmp_path, **sources).knows("tp_plan")


PLANNED = HEADLESS + '\n\nclass ToyPlanned(ToyPreTrainedModel):\n    _tp_plan = {"a": "colwise"}\n'


@pytest.mark.parametrize(
    ("field", "test"),
    [
        ("extra: bool = False", "config.extra"),
        ("kind: str = 'a'", "config.kind == 'b'"),
        ("n: int | None = None", "config.n"),
    ],
)
def test_a_child_that_a_switch_adds_may_bring_a_plan(tmp_path: Path, field: str, test: str) -> None:
    """A bool, a name that is compared, an optional value."""
    sources = switched(field, PLANNED, f"self.more = ToyPlanned(config) if {test} else None")
    assert not shipped(tmp_path, **sources).knows("tp_plan")


def test_a_child_without_a_plan_brings_none(tmp_path: Path) -> None:
    """Whatever the switch says."""
    sources = switched("extra: bool = False", HEADLESS, "self.more = ToyMLP(config) if config.extra else None")
    facts = shipped(tmp_path, **sources)
    assert facts.tp_plan == {}
    assert "more" in facts.head_children


def test_a_part_of_any_class_may_bring_a_plan(tmp_path: Path) -> None:
    """`AutoModel` builds what the config names."""
    called = HEADLESS.replace("self.model(input_ids))", "self.part(self.model(input_ids)))")
    sources = switched("part: dict | None = None", called, "self.part = AutoModel.from_config(config.part)")
    facts = shipped(tmp_path, **sources)
    assert not facts.knows("tp_plan")
    assert "part" in facts.head_children


def test_names_of_modules_are_those_of_any_config(tmp_path: Path) -> None:
    """So a module that is missing is missing in all of them."""
    facts = shipped(tmp_path)
    assert facts.base_children == {"embed_tokens", "layers", "norm"}
    assert facts.base_model_prefix == "model"


def test_no_size_is_known(tmp_path: Path) -> None:
    """Nor anything that is counted in sizes."""
    facts = shipped(tmp_path)
    sizes = ("hidden_size", "num_attention_heads", "num_hidden_layers", "num_experts", "parameters", "modules")
    assert [name for name in (*sizes, "layer_types", "tied_head") if facts.knows(name)] == []


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("GPT2LMHeadModel", True),
        ("T5ForConditionalGeneration", True),
        ("BertModel", False),
        ("LlamaForCausalLM", False),
    ],
)
def test_a_fault_of_the_forward_is_known_where_every_config_has_it(name: str, known: bool) -> None:
    """BERT's attention is causal where a config says so; Llama's forward has no fault."""
    assert real(name).knows("context_faults") is known


@pytest.mark.parametrize(
    ("name", "axis"), [("GPT2LMHeadModel", "tp"), ("GPT2LMHeadModel", "pp"), ("OPTForCausalLM", "ep")]
)
def test_what_no_config_supports_is_refused(name: str, axis: str) -> None:
    """By the rules that judge any other target."""
    assert not judge(real(name), MeshSpec(**{f"{axis}_size": 2}), engine="transformers").ok


@pytest.mark.parametrize("axis", ["tp", "pp", "cp", "dp_shard"])
def test_what_some_config_supports_is_not_refused(axis: str) -> None:
    """Llama runs on each of these."""
    assert judge(real("LlamaForCausalLM"), MeshSpec(**{f"{axis}_size": 2}), engine="transformers").ok
