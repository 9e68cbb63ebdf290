"""Properties of the rules about sizes, over generated models and meshes."""

from __future__ import annotations

from builders import LAYER, MODULES, facts, mesh
from hypothesis import given, strategies as st

from meshfit.rules.judge import judge
from meshfit.rules.sizes import common_divisors, divisors, one_of
from meshfit.structure import Conversion, ModuleInfo

sizes = st.integers(2, 64)
counts = st.integers(1, 96)


def _cut_by(heads: int, kv_heads: int) -> dict[str, object]:
    """Facts whose projections have so many heads."""
    attention = f"{LAYER}.self_attn"
    modules = {
        **MODULES,
        f"{attention}.q_proj": ModuleInfo("Linear", heads * 16, ("num_attention_heads", heads)),
        f"{attention}.k_proj": ModuleInfo("Linear", kv_heads * 16, ("num_key_value_heads", kv_heads)),
        f"{attention}.v_proj": ModuleInfo("Linear", kv_heads * 16, ("num_key_value_heads", kv_heads)),
    }
    return {
        "modules": modules,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "heads_per_layer": (heads,),
        "kv_heads_per_layer": (kv_heads,),
        "experts_implementation": "eager",
    }


@given(counts, counts, sizes, st.sampled_from(["transformers", "generic", "nemo", "torchtitan"]))
def test_heads_are_judged_by_divisibility_and_nothing_else(heads: int, kv_heads: int, tp: int, engine: str) -> None:
    """The plan cuts q, k and v: the mesh fits exactly when both counts divide, and the offered sizes do divide both."""
    report = judge(facts(**_cut_by(heads, kv_heads)), mesh(f"tp={tp}"), engine=engine)
    assert report.ok == (heads % tp == 0 and kv_heads % tp == 0)
    for violation in report.errors:
        assert str(tp) in violation.message
        assert 1 in violation.alternatives
        assert all(heads % size == 0 and kv_heads % size == 0 for size in violation.alternatives)


@given(counts, sizes)
def test_gathered_projections_may_have_any_count(kv_heads: int, tp: int) -> None:
    """A `colwise_gather_output` projection comes back whole, so its heads need not divide."""
    known = facts(**_cut_by(64, kv_heads))
    plan = {**known.tp_plan, **{f"{LAYER}.self_attn.{name}_proj": "colwise_gather_output" for name in "qkv"}}
    codes = judge(known.replace(tp_plan=plan), mesh(f"tp={tp}"), engine="transformers").codes
    assert "TP002" not in codes
    assert "TP003" not in codes


@given(st.integers(1, 4), st.integers(1, 4), st.integers(2, 16))
def test_transformers_lays_experts_over_fsdp_and_tensor_ranks(tp: int, fsdp: int, ep: int) -> None:
    """`ep % tp == 0 and (fsdp * tp) % ep == 0`, as DistributedConfig checks it."""
    report = judge(facts(), mesh(f"tp={tp},dp_shard={fsdp},ep={ep}"), engine="transformers")
    assert ("EP004" not in report.codes) == (ep % tp == 0 and fsdp * tp % ep == 0)


@given(st.integers(1, 512), st.integers(1, 8), st.integers(1, 8))
def test_a_generic_mesh_leaves_the_rest_of_the_world_to_data(world: int, tp: int, pp: int) -> None:
    """An engine that fills up data-parallel ranks needs the product to divide the world, no more."""
    report = judge(facts(world_size=world), mesh(f"tp={tp},pp={pp}"), engine="generic")
    assert ("MS001" not in report.codes) == (world % (tp * pp) == 0)


@given(st.integers(2, 512), sizes, st.integers(1, 8))
def test_the_help_about_the_world_names_a_mesh_that_covers_it(world: int, tp: int, shard: int) -> None:
    """Following the help's `set axis=n` makes the product equal the world size."""
    asked = mesh(f"tp={tp},dp_shard={shard}")
    for violation in judge(facts(world_size=world), asked, engine="transformers").errors:
        if violation.code == "MS001" and violation.help.startswith("set "):
            axis, size = violation.help.removeprefix("set ").split(",")[0].split("=")
            changed = {"tp_size": tp, "dp_shard_size": shard, axis: int(size)}
            assert changed["tp_size"] * changed["dp_shard_size"] == world


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_common_divisors_divide_all(numbers: list[int]) -> None:
    """Exactly the sizes that divide each number."""
    expected = tuple(n for n in range(1, min(numbers) + 1) if all(number % n == 0 for number in numbers))
    assert common_divisors(numbers) == expected
    assert divisors(numbers[0])[0] == 1


def test_a_sentence_names_sizes() -> None:
    """One size alone, two with or, many without the smallest."""
    assert one_of((1,)) == "1"
    assert one_of((1, 2, 4)) == "1, 2 or 4"
    assert one_of(range(1, 11)) == "3, 4, 5, 6, 7, 8, 9 or 10"


@given(counts, sizes)
def test_ranks_are_refused_exactly_where_one_is_left_without_experts(experts: int, ranks: int) -> None:
    """Each rank takes an equal part, rounded up, as `torch.chunk` cuts, until none are left."""
    each = -(-experts // ranks)
    shares = [max(0, min(each, experts - rank * each)) for rank in range(ranks)]
    listed = {
        "parameters": {f"{LAYER}.mlp.experts.down_proj": (experts, 64, 64)},
        "conversions": (Conversion((f"{LAYER}.mlp.experts.down_proj",), (("MergeModulelist", 0),)),),
    }
    codes = judge(facts(**listed), mesh(f"dp_shard={ranks}"), engine="transformers").codes
    assert ("DP007" in codes) is (0 in shares)
