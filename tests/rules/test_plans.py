"""What a plan cuts, held against transformers' own functions."""

from __future__ import annotations

import pytest
from builders import EP_PLAN, EXPERTS, LAYER, PARAMETERS, TP_PLAN, facts, mesh
from hypothesis import given, strategies as st

from meshfit.rules import plans
from meshfit.rules.conversions import broken_conversions
from meshfit.rules.plans import Cut, cuts, style_of
from meshfit.structure import Conversion

names = st.lists(st.sampled_from(["model", "layers", "*", "mlp", "up_proj", "weight"]), min_size=1, max_size=5).map(
    ".".join
)


def test_each_parameter_is_cut_along_the_dim_of_its_style() -> None:
    """Columns are the second last dim, rows the last, packed halves are cut each on its own."""
    found = {cut.parameter: (cut.dim, cut.width) for cut in cuts(TP_PLAN, PARAMETERS)}
    assert found == {
        "model.embed_tokens.weight": (0, 128),
        f"{LAYER}.self_attn.q_proj.weight": (0, 64),
        f"{LAYER}.self_attn.k_proj.weight": (0, 32),
        f"{LAYER}.self_attn.v_proj.weight": (0, 32),
        f"{LAYER}.self_attn.o_proj.weight": (1, 64),
        f"{EXPERTS}.gate_up_proj": (1, 64),
        f"{EXPERTS}.down_proj": (2, 64),
        "lm_head.weight": (0, 128),
    }


def test_a_row_wise_bias_stays_whole_and_a_column_wise_one_is_cut() -> None:
    """The bias of a row-wise layer is added once, after the sum."""
    biases = {"a.bias": (8,), "b.bias": (8,)}
    assert [cut.parameter for cut in cuts({"a": "rowwise", "b": "colwise"}, biases)] == ["b.bias"]


def test_the_expert_plan_takes_its_modules_from_the_tensor_plan() -> None:
    """With ep in use no tensor rule at or below a module of the expert plan remains."""
    left = plans.tp_plan(facts(), mesh("tp=2,ep=2"))
    assert set(TP_PLAN) - set(left) == {EXPERTS, f"{EXPERTS}.gate_up_proj", f"{EXPERTS}.down_proj"}
    assert plans.tp_plan(facts(), mesh("tp=2")) == TP_PLAN


def test_passed_rules_lie_over_the_plan_of_the_model() -> None:
    """Unnamed rules are kept, `auto` changes nothing, `{}` clears the tensor plan alone."""
    assert plans.tp_plan(facts(), mesh("tp=2", tp_plan={"lm_head": "rowwise"})) == {**TP_PLAN, "lm_head": "rowwise"}
    assert plans.tp_plan(facts(), mesh("tp=2", tp_plan="auto")) == TP_PLAN
    assert plans.tp_plan(facts(), mesh("tp=2", tp_plan={})) == {}
    assert plans.ep_plan(facts(), mesh("ep=2", ep_plan={})) == EP_PLAN


@pytest.mark.parametrize(
    ("operations", "dim", "packed", "breaks"),
    [
        ((("Chunk", 0),), 0, False, True),
        ((("Chunk", 0),), 1, False, False),
        ((("Chunk", -2),), 0, False, True),
        ((("Concatenate", 0),), 0, False, True),
        ((("MergeModulelist", 0),), 0, False, False),
        ((("MergeModulelist", 0), ("Concatenate", 1)), 0, False, False),
        ((("MergeModulelist", 0), ("Concatenate", 1)), 1, True, False),
        ((("MergeModulelist", 0), ("Concatenate", 1)), 1, False, True),
        ((("Concatenate", 1),), 1, True, True),
        ((("PermuteForRope", None),), 0, False, True),
        ((("PermuteForRope", None),), 1, False, False),
        ((("Transpose", None),), 0, False, True),
        ((("Transpose", 0),), 1, False, True),
        ((("Interleave", 0), ("Chunk", 0)), 0, False, True),
    ],
)
def test_a_conversion_breaks_along_the_dim_it_rearranges(
    operations: tuple[tuple[str, int | None], ...],
    dim: int,
    packed: bool,
    breaks: bool,
) -> None:
    """Only there; a list of experts merged and joined half by half comes out right under a packed cut."""
    cut = Cut("model.layers.*.mlp.up.weight", "colwise", dim, (8, 8), packed)
    assert bool(list(broken_conversions((Conversion(("mlp.up",), operations),), [cut]))) == breaks


@pytest.mark.parametrize(
    ("target", "hit"),
    [
        ("mlp.up.weight", True),
        (".mlp.up", True),
        ("up.weight", True),
        ("model.*up.weight", True),
        ("p.weight", False),
        ("mlp.u", False),
        ("mlp.down", False),
    ],
)
def test_a_conversion_reaches_the_parameters_its_target_names(target: str, hit: bool) -> None:
    """A target is whole parts of a name, with `*` for anything between."""
    cut = Cut("model.layers.*.mlp.up.weight", "colwise", 0, (8, 8), packed=False)
    assert bool(list(broken_conversions((Conversion((target,), (("Chunk", 0),)),), [cut]))) == hit


def test_only_the_text_path_decides_about_text() -> None:
    """In a multimodal model a tower is off the path; in any other everything is on it."""
    known = facts(is_multimodal=True, layer_lists=("model.language_model.layers",))
    assert plans.on_text_path("model.language_model.norm.weight", known)
    assert plans.on_text_path("lm_head.weight", known)
    assert not plans.on_text_path("model.tower.layers.*.fc.weight", known)
    assert plans.on_text_path("model.tower.layers.*.fc.weight", facts())


@pytest.mark.torch
@given(names, st.dictionaries(names, st.sampled_from(["colwise", "rowwise"]), max_size=4), st.booleans())
def test_a_name_is_looked_up_as_transformers_does(name: str, plan: dict[str, str], parameter: bool) -> None:
    """`style_of` equals `_get_parameter_plan` for names with `*` for numbers."""
    from transformers.distributed.parallel_utils import _get_parameter_plan, replace_layer_number_by_wildcard

    numbered = name.replace("*", "3")
    wanted = _get_parameter_plan(numbered, plan, is_weight=parameter)
    assert style_of(plan, replace_layer_number_by_wildcard(numbered), parameter=parameter) == wanted


@pytest.mark.torch
def test_every_style_of_transformers_is_known() -> None:
    """A new release that adds a style must be looked at."""
    from transformers.distributed import expert_parallel, tensor_parallel

    for registering in (expert_parallel, tensor_parallel):
        assert set(registering.ALL_PARALLEL_STYLES) <= plans.STYLES


@pytest.mark.torch
@pytest.mark.parametrize(
    "style",
    sorted(
        {
            "colwise",
            "rowwise",
            "packed_colwise",
            "packed_rowwise",
            "embedding_rowwise",
            "embedding_colwise",
            "grouped_gemm",
            "rowwise_split_input",
            "replicate",
            "colwise_gather_output",
            "all_reduce",
            "moe_tp_experts",
        }
    ),
)
@pytest.mark.parametrize(("name", "shape"), [("weight", (8, 6)), ("bias", (8,)), ("down_proj", (4, 8, 6))])
def test_a_style_cuts_the_dim_that_transformers_cuts(style: str, name: str, shape: tuple[int, ...]) -> None:
    """`shard_param` of each style, watched instead of run, names the same dim."""
    import torch
    from transformers.distributed import expert_parallel, tensor_parallel
    from transformers.distributed.parallel_utils import ALL_PARALLEL_STYLES

    if style.startswith("embedding") and len(shape) != 2:
        return
    seen: list[object] = []

    def watch(tensor: torch.Tensor, _mesh: object, placements: list[object], **_: object) -> torch.Tensor:
        seen.extend(placements)
        return tensor

    module = torch.nn.Module()
    module.register_parameter(name, torch.nn.Parameter(torch.empty(shape)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_parallel, "distribute_tensor", watch)
        patch.setattr(expert_parallel, "distribute_tensor", watch)
        ALL_PARALLEL_STYLES[style].shard_param(module, name, None)
    dims = [placement.dim % len(shape) for placement in seen if hasattr(placement, "dim")]
    assert [cut.dim for cut in cuts({"m": style}, {f"m.{name}": shape})] == dims


@pytest.mark.parametrize(("other", "breaks"), [(("MergeModulelist", 0), False), (("Chunk", 1), True)])
def test_of_several_conversions_onto_a_parameter_each_must_break_it(other: tuple[str, int], breaks: bool) -> None:
    """The names in the checkpoint tell which of them runs, and a sound one may."""
    cut = Cut("mlp.up", "colwise", 1, (4, 8, 16), packed=False)
    both = (Conversion(("mlp.up",), (("Transpose", 1),)), Conversion(("up",), (other,)))
    assert bool(list(broken_conversions(both, [cut]))) is breaks
