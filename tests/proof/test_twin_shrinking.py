"""A shrunk config has the structure of the original."""

from __future__ import annotations

from typing import Any

import pytest

from meshfit.proof.layer_lists import choose_layers
from meshfit.proof.shrinking import ATTEMPTS, VOCABULARY, Attempt, Moduli, congruent, is_small, moduli, shrink

BIG: dict[str, Any] = {
    "model_type": "some",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_hidden_layers": 33,
    "vocab_size": 128256,
    "eos_token_id": 128001,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
    "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"},
}


def small(over: Moduli | None = None, **changes: object) -> dict[str, Any]:
    """The big config with some values changed, shrunk."""
    return shrink({**BIG, **changes}, over or Moduli())


def test_the_layers_leave_the_same_remainder() -> None:
    """Thirty-three layers over two stages are three, over three stages three, over four stages five."""
    counts = [small(Moduli(layers=stages))["num_hidden_layers"] for stages in (2, 3, 4)]
    assert counts == [3, 3, 5]


@pytest.mark.parametrize("heads", [{1, 71}, {2, 14}, {5, 25}, {8, 32}, {3}, {16, 32, 2}])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_heads_divide_each_other_and_leave_the_same_remainders(heads: set[int], ranks: int) -> None:
    """What a rank gets of the small heads is as whole, or as broken, as of the real ones."""
    found = congruent(heads, ranks, least=4)
    assert all((found[count] - count) % ranks == 0 for count in heads)
    assert all(found[b] % found[a] == 0 for a in heads for b in heads if b % a == 0)
    assert len(set(found.values())) == len(heads)


def test_a_single_key_value_head_stays_single() -> None:
    """One key/value head is another structure than two."""
    assert small(num_key_value_heads=1)["num_key_value_heads"] == 1


def test_widths_keep_what_they_have_to_do_with_each_other() -> None:
    """Heads times head dim is the hidden size still, and four times the hidden size is so."""
    twin = small(intermediate_size=4 * 4096)
    assert twin["num_attention_heads"] * twin["head_dim"] == twin["hidden_size"]
    assert twin["intermediate_size"] == 4 * twin["hidden_size"]


def test_widths_that_agree_between_parts_agree_still() -> None:
    """A projector ends in the width of the text."""
    vision = {"hidden_size": 1152, "num_heads": 16, "out_hidden_size": 4096, "depth": 27}
    twin = shrink({"text_config": dict(BIG), "vision_config": vision}, Moduli())
    assert twin["vision_config"]["out_hidden_size"] == twin["text_config"]["hidden_size"]
    assert twin["vision_config"]["hidden_size"] != twin["text_config"]["hidden_size"]


def test_the_vocabulary_is_odd_and_holds_every_special_token() -> None:
    """Ids beyond the small vocabulary move to its end, others stay."""
    twin = small()
    assert twin["vocab_size"] == VOCABULARY
    assert VOCABULARY % 2 == 1
    assert (twin["pad_token_id"], twin["eos_token_id"]) == (0, VOCABULARY - 1)


def test_every_kind_of_layer_stays() -> None:
    """A full layer after five that slide is kept, and so is the sparse layer that is full."""
    kinds = (["sliding_attention"] * 5 + ["full_attention"]) * 4
    sparse = ["dense"] * 3 + ["sparse"] * 21
    choice = choose_layers({"layer_types": kinds, "mlp_layer_types": sparse}, 24, modulus=2, least=3)
    pairs = list(zip(choice.lists["layer_types"], choice.lists["mlp_layer_types"], strict=True))
    assert set(pairs) == set(zip(kinds, sparse, strict=True))
    assert len(pairs) == 4


def test_layers_named_by_number_are_numbered_anew() -> None:
    """Layers three and eight of many become layers of the few that stay."""
    choice = choose_layers({"cross_attention_layers": [3, 8, 13]}, 40, modulus=1, least=3)
    assert choice.lists["cross_attention_layers"] == [choice.kept.index(3)] + [
        choice.kept.index(one) for one in (8, 13) if one in choice.kept
    ]


def test_experts_leave_the_same_remainder_and_a_choice() -> None:
    """More experts than are chosen, and as many modulo the ranks."""
    twin = small(Moduli(experts=2), num_experts=129, num_experts_per_tok=8)
    assert twin["num_experts"] % 2 == 1
    assert twin["num_experts_per_tok"] == 2 < twin["num_experts"]


def test_groups_divide_the_experts() -> None:
    """Grouped routing keeps two groups at least, of which it takes fewer."""
    twin = small(n_routed_experts=256, num_experts_per_tok=8, n_group=8, topk_group=4)
    assert twin["n_routed_experts"] % twin["n_group"] == 0
    assert twin["topk_group"] < twin["n_group"]


def test_rotary_sections_add_up_to_half_a_head() -> None:
    """Three sections of 64 pairs become three of the few that are left."""
    twin = small(rope_parameters={"mrope_section": [24, 20, 20]})
    sections = twin["rope_parameters"]["mrope_section"]
    assert len(sections) == 3
    assert 2 * sum(sections) == twin["head_dim"]


def test_a_tiny_config_needs_no_twin() -> None:
    """A shrunk config is as small as it should be, the big one is not."""
    assert is_small(small())
    assert not is_small(BIG)


def test_the_last_attempt_keeps_the_widths() -> None:
    """A class that runs in no other width is proved with fewer layers only."""
    twin = shrink(BIG, Moduli(), ATTEMPTS[-1])
    assert twin["hidden_size"] == BIG["hidden_size"]
    assert twin["num_hidden_layers"] < BIG["num_hidden_layers"]


def test_one_twin_serves_all_meshes() -> None:
    """Moduli are the least common multiples of what is asked."""
    assert moduli([{"tp": 2}, {"pp": 3}, {"tp": 3, "ep": 6}]) == Moduli(heads=6, layers=3, experts=6)


def test_rhythms_of_layers_keep_every_combination() -> None:
    """Attention every eighth layer from the fourth, experts every second: attention is never a layer of experts."""
    rhythms = {"attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2, "expert_layer_offset": 1}
    twin = small(num_hidden_layers=32, **rhythms)

    def kinds(config: dict[str, Any]) -> set[tuple[bool, bool]]:
        return {
            tuple(n % config[f"{kind}_layer_period"] == config[f"{kind}_layer_offset"] for kind in ("attn", "expert"))
            for n in range(config["num_hidden_layers"])
        }

    assert kinds(twin) == kinds({**rhythms, "num_hidden_layers": 32})
    assert twin["num_hidden_layers"] < 8


def test_sizes_of_single_layers_shrink_with_the_common_ones() -> None:
    """A list of widths, and what one layer has of its own, stay in proportion."""
    own = {"05": {"head_dim": 256}}
    twin = small(num_hidden_layers=12, intermediate_size=[16384] * 12, per_layer_config=own)
    assert set(twin["intermediate_size"]) == {4 * twin["hidden_size"]}
    assert [layer["head_dim"] for layer in twin["per_layer_config"].values()] == [2 * twin["head_dim"]]


def test_sizes_that_a_config_leaves_open_can_be_filled() -> None:
    """A config without a head dim, or without a count of experts, gets one when that is tried."""
    open_sizes = {"head_dim": None, "n_routed_experts": None, "num_experts_per_tok": None}
    twin = shrink({**BIG, **open_sizes}, Moduli(), Attempt(filled=True))
    assert twin["head_dim"] * twin["num_attention_heads"] == twin["hidden_size"]
    assert twin["n_routed_experts"] > twin["num_experts_per_tok"] > 0


def test_the_part_of_a_head_that_turns_stays_in_proportion() -> None:
    """Latent heads: the sizes add up as before, and the turning part is as large against the other."""
    twin = small(head_dim=192, qk_head_dim=192, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128)
    assert twin["qk_rope_head_dim"] * 2 == twin["qk_nope_head_dim"]
    assert twin["qk_head_dim"] == twin["head_dim"] == twin["qk_nope_head_dim"] + twin["qk_rope_head_dim"]
