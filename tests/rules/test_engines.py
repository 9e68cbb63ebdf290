"""Properties of the rules of torchtitan, Megatron-LM and vLLM, over generated models and meshes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from builders import facts, mesh
from hypothesis import given, strategies as st

from meshfit.facts import ModelFacts
from meshfit.mesh import AXES, MeshSpec
from meshfit.readers.spellings import SETTINGS
from meshfit.rules.judge import judge
from meshfit.rules.registry import all_rules, rules_for

OWN = ("torchtitan", "megatron", "vllm")
counts = st.integers(1, 96)
sizes = st.integers(1, 16)
COUNTS: dict[str, st.SearchStrategy[Any]] = {
    "num_attention_heads": counts,
    "num_key_value_heads": counts,
    "num_hidden_layers": counts,
    "intermediate_size": counts,
    "seq_len": counts,
    "world_size": counts,
    "num_experts": st.none() | counts,
    "moe_intermediate_size": st.none() | counts,
    **dict.fromkeys(
        ("linear_num_key_heads", "linear_num_value_heads", "mamba_heads", "mamba_groups"), st.none() | counts
    ),
    **dict.fromkeys(("is_hybrid", "is_encoder_decoder", "tied_head"), st.booleans()),
    **dict.fromkeys(("heads_per_layer", "kv_heads_per_layer"), st.lists(counts, max_size=3).map(tuple)),
}
MESHES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({f"{axis}_size": sizes for axis in AXES})
SAID: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(sorted(SETTINGS)),
    st.sampled_from(
        [None, True, False, 0, 1, 2, 3, -1, "1F1B", "Interleaved1F1B", "dualpipev", "?", [["norm"]], {}, 2.0]
    ),
    max_size=6,
)


@given(st.fixed_dictionaries({}, optional=COUNTS), MESHES, SAID, st.sampled_from(OWN))
def test_no_model_no_mesh_and_no_setting_breaks_the_judge(
    known: dict[str, Any], ranks: dict[str, Any], said: dict[str, Any], engine: str
) -> None:
    """Whatever is known and whatever was said: a report, whose offers hold 1 or nothing and ascend."""
    report = judge(ModelFacts(**known), replace(MeshSpec(**ranks), settings=said), engine=engine)
    for violation in report.violations:
        assert list(violation.alternatives) == sorted(set(violation.alternatives))
        assert violation.help


@given(counts, counts, st.integers(2, 64), st.sampled_from(["megatron", "vllm"]))
def test_key_value_heads_are_shared_out_or_repeated(heads: int, groups: int, tp: int, engine: str) -> None:
    """The heads divide, and the key/value heads and the ranks divide one another."""
    known = ModelFacts(num_attention_heads=heads, num_key_value_heads=groups)
    fits = heads % tp == 0 and (groups % tp == 0 or tp % groups == 0)
    assert judge(known, mesh(f"tp={tp}"), engine=engine).ok == fits


@given(counts, st.integers(2, 64))
def test_latent_attention_is_judged_by_its_heads(heads: int, tp: int) -> None:
    """Its config counts as many key/value heads as heads, and no rule says the same of them twice."""
    known = ModelFacts(num_attention_heads=heads, num_key_value_heads=heads)
    assert set(judge(known, mesh(f"tp={tp}"), engine="vllm").codes) <= {"TP003"}


@given(counts, st.integers(2, 96))
def test_stages_of_torchtitan_each_get_a_part(layers: int, pp: int) -> None:
    """Embedding and head count as a layer each: so many parts there are, and each of the stages takes one at least."""
    report = judge(ModelFacts(num_hidden_layers=layers), mesh(f"pp={pp}"), engine="torchtitan")
    assert report.ok == (pp <= layers + 2)


@given(counts, st.integers(2, 12), st.integers(1, 12))
def test_virtual_stages_of_megatron_hold_as_many_layers_each(layers: int, pp: int, virtual: int) -> None:
    """The layers are a multiple of all the virtual stages there are."""
    asked = mesh(f"pp={pp}", virtual_pipeline_model_parallel_size=virtual)
    report = judge(ModelFacts(num_hidden_layers=layers), asked, engine="megatron")
    assert report.ok == (layers % (pp * virtual) == 0)


@given(counts, st.integers(2, 12), st.integers(1, 30), st.integers(1, 30))
def test_given_stages_of_megatron_leave_an_even_rest(layers: int, pp: int, first: int, last: int) -> None:
    """The middle stages, where there are any, hold the same number of layers."""
    given_stages = {"num_layers_in_first_pipeline_stage": first, "num_layers_in_last_pipeline_stage": last}
    report = judge(ModelFacts(num_hidden_layers=layers), mesh(f"pp={pp}", **given_stages), engine="megatron")
    rest, stages = layers - first - last, pp - 2
    assert report.ok == (rest >= 0 and (rest % stages == 0 if stages else rest == 0))


@pytest.mark.parametrize("setting", ["pipeline_model_parallel_layout", "module_fqns_per_model_part"])
def test_a_layout_that_is_written_out_is_not_judged(setting: str) -> None:
    """What a layout says is for the engine to read."""
    engine = "megatron" if setting.startswith("pipeline") else "torchtitan"
    assert not judge(facts(), mesh("pp=11"), engine=engine).ok
    assert judge(facts(), mesh("pp=11", **{setting: [["norm"]]}), engine=engine).ok


def test_a_schedule_that_nobody_knows_is_not_judged() -> None:
    """How many stages it runs on a rank is not known."""
    assert judge(facts(), mesh("pp=11", pipeline_parallel_schedule="Mine"), engine="torchtitan").ok


def test_hybrid_models_lie_on_stages_in_their_own_way() -> None:
    """Megatron reads their layout from a pattern of layers."""
    assert not judge(facts(), mesh("pp=3"), engine="megatron").ok
    assert judge(facts(is_hybrid=True), mesh("pp=3"), engine="megatron").ok


def test_experts_that_are_shared_out_whole_may_have_any_width() -> None:
    """Under vLLM by its switch or the size that goes with it, under Megatron by a tensor group of one."""
    odd = facts(moe_intermediate_size=63)
    assert judge(odd, mesh("tp=2,ep=2"), engine="vllm").ok
    assert judge(odd, mesh("tp=2", enable_expert_parallel=True), engine="vllm").ok
    assert judge(odd, mesh("tp=2", expert_tensor_parallel_size=1), engine="megatron").ok


def test_a_group_of_mamba_is_repeated_by_vllm_alone() -> None:
    """One group is held by every rank there; Megatron cuts it."""
    one = facts(is_hybrid=True, mamba_heads=8, mamba_groups=1)
    assert judge(one, mesh("tp=2"), engine="vllm").ok
    assert judge(one, mesh("tp=2"), engine="megatron").codes == ("TP004",)


def test_sequence_parallelism_that_is_off_shares_no_tokens_out() -> None:
    """Under torchtitan it is on unless it is said to be off, under Megatron the other way round."""
    odd = facts(seq_len=7)
    assert judge(odd, mesh("tp=2"), engine="torchtitan").codes == ("TP024",)
    assert judge(odd, mesh("tp=2", sequence_parallel=False), engine="torchtitan").ok
    assert judge(odd, mesh("tp=2"), engine="megatron").ok


def test_experts_by_another_name_are_experts() -> None:
    """A config that counts them by a key nobody reads still builds their parameters."""
    unread = facts(num_experts=None, intermediate_size=63)
    assert "EP002" not in judge(unread, mesh("ep=2,dp_shard=2"), engine="megatron").codes
    assert "TP022" not in judge(unread, mesh("tp=2"), engine="vllm").codes


SETTLED = [rule for rule in all_rules() if set(rule.engines) & set(OWN)]
READS_NO_FACT = frozenset({"MS005", "MS006", "SP005", "EP004"})


@pytest.mark.parametrize("rule", SETTLED, ids=lambda rule: f"{rule.code}-{rule.engines[0]}")
def test_a_rule_is_silent_about_a_model_of_which_nothing_is_known(rule: Any) -> None:
    """It lacks a fact, or it judges the mesh alone."""
    asked = mesh("tp=6,pp=6,cp=6,ep=6,dp_shard=2", sequence_parallel=True, decode_context_parallel_size=6)
    engine = next(name for name in rule.engines if name in OWN)
    report = judge(ModelFacts(), asked, engine=engine)
    assert rule.code not in report.codes or rule.code in READS_NO_FACT


@pytest.mark.parametrize("engine", ["nemo", "torchtitan", "megatron", "vllm"])
def test_an_engine_without_an_axis_for_ulysses_refuses_one(engine: str) -> None:
    """NeMo's Ulysses is a part of its `cp`, the others have none."""
    assert judge(ModelFacts(), mesh("sp=2"), engine=engine).codes == ("SP005",)


def test_an_engine_loads_no_rules_of_another() -> None:
    """A verdict under transformers does not wait for those of vLLM, which come when they are asked for."""
    code = (
        "import sys\n"
        "from meshfit.rules.registry import rules_for\n"
        "rules_for('transformers', 'tp')\n"
        "print('meshfit.rules.vllm' in sys.modules)\n"
        "print(any(rule.code == 'TP026' for rule in rules_for('vllm', 'tp')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_each_engine_says_its_own_of_one_mesh() -> None:
    """Sixteen ranks on four key/value heads: repeated by two engines, refused by the third."""
    wide = facts(num_attention_heads=16, heads_per_layer=(16,))
    codes = {engine: "TP002" in judge(wide, mesh("tp=16"), engine=engine).codes for engine in OWN}
    assert codes == {"torchtitan": True, "megatron": False, "vllm": False}
    assert all(rules_for(engine, "tp") for engine in OWN)
