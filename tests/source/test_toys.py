"""The source reader on a tiny package: one sentence, one change, one comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toys import CONFIGURATION, MODELING, build, config, facts

from meshfit.errors import TargetError
from meshfit.readers.source.structure import parameter_names, walk

ATTENTION = {f"model.layers.{i}.attn.{p}_proj.weight" for i in range(4) for p in "qko"}


def test_parameters_have_the_names_and_shapes_the_constructors_give(tmp_path: Path) -> None:
    """Layer 0 is dense, the others are gated: the index decides."""
    shapes = dict(parameter_names(build(tmp_path).model))
    assert shapes["model.layers.0.mlp.up.weight"] == (32, 16)
    assert shapes["model.layers.3.gate.weight"] == (2, 16)
    dense = {"model.layers.0.mlp.up.weight", "model.layers.0.mlp.up.bias"}
    gates = {f"model.layers.{i}.gate.weight" for i in (1, 2, 3)}
    outer = {"model.embed_tokens.weight", "model.norm.weight", "model.norm.bias", "lm_head.weight"}
    assert set(shapes) == ATTENTION | dense | gates | outer


def test_layers_that_decide_alike_are_built_once(tmp_path: Path) -> None:
    """A model of 92 layers costs as many layers as it has kinds."""
    layers = dict(walk(build(tmp_path, config(n_layer=92)).model))["model.layers"]
    kinds = {id(layer) for _, layer in layers.children()}
    assert (len(list(layers.children())), len(kinds)) == (92, 2)


def test_a_layer_that_stores_its_index_is_still_shared(tmp_path: Path) -> None:
    """Keeping the index decides nothing."""
    modeling = MODELING.replace("        self.attn = ", "        self.layer_idx = layer_idx\n        self.attn = ")
    layers = dict(walk(build(tmp_path, modeling=modeling).model))["model.layers"]
    assert len({id(layer) for _, layer in layers.children()}) == 2


def test_plans_of_class_config_and_children_are_merged(tmp_path: Path) -> None:
    """The head's rule from the class, the body's from the config, the embedding's from the library."""
    assert facts(tmp_path).tp_plan == {
        "lm_head": "colwise_gather_output",
        "model.embed_tokens": "embedding_rowwise",
        "model.layers.*.attn.q_proj": "colwise",
        "model.layers.*.attn.k_proj": "colwise",
        "model.layers.*.attn.o_proj": "rowwise",
    }


def test_a_width_remembers_the_head_count_it_was_made_of(tmp_path: Path) -> None:
    """k_proj is num_key_value_heads x head_dim wide, whatever the numbers are."""
    modules = facts(tmp_path, config(num_key_value_heads=2)).modules
    assert modules["model.layers.*.attn.k_proj"].heads == ("num_key_value_heads", 2)
    assert modules["model.layers.*.mlp.up"].heads is None


def test_a_width_written_without_heads_is_recognised_by_its_parent(tmp_path: Path) -> None:
    """`nn.Linear(hidden, hidden)` in a module of 4 heads x 4 is cut along heads too."""
    written = "nn.Linear(config.hidden_size, config.num_attention_heads * config.head_dim, bias=False)"
    hidden = "nn.Linear(config.hidden_size, config.hidden_size, bias=False)"
    heads = "        self.num_heads = config.num_attention_heads\n        self.head_dim = config.head_dim\n"
    modeling = MODELING.replace(f"        self.q_proj = {written}", f"{heads}        self.q_proj = {hidden}")
    assert facts(tmp_path, modeling=modeling).modules["model.layers.*.attn.q_proj"].heads == ("num_attention_heads", 4)


@pytest.mark.parametrize("key", ["n_layer", "num_hidden_layers"])
def test_attribute_map_gives_one_value_two_names(tmp_path: Path, key: str) -> None:
    """The file may use either spelling."""
    assert facts(tmp_path, config(**{key: 2})).num_hidden_layers == 2


def test_keys_a_hub_file_leaves_out_change_nothing(tmp_path: Path) -> None:
    """Defaults come from the config class, also those that `__post_init__` computes."""
    full = config(vocab_size=32, hidden_size=16, n_layer=4, num_attention_heads=4, num_key_value_heads=4, head_dim=4)
    assert facts(tmp_path, full) == facts(tmp_path)


@pytest.mark.parametrize(("tied", "expected"), [(True, True), (False, False)])
def test_the_head_is_tied_where_the_config_says_so(tmp_path: Path, tied: bool, expected: bool) -> None:
    """The class declares which weights; the config whether."""
    assert facts(tmp_path, config(tie_word_embeddings=tied)).tied_head is expected


def test_branches_on_unknown_conditions_keep_what_they_agree_on(tmp_path: Path) -> None:
    """Which of two equal modules is built does not matter."""
    chosen = "nn.Linear(config.hidden_size, config.vocab_size, bias=False)"
    modeling = MODELING.replace(
        f"        self.lm_head = {chosen}",
        "        self.width = 8 if unheard_of() else 8\n        self.lm_head = " + chosen,
    )
    assert build(tmp_path, modeling=modeling).model.attributes["width"] == 8


def test_a_child_that_cannot_be_built_makes_the_structure_unknown(tmp_path: Path) -> None:
    """A module nobody can see is not taken for absent."""
    modeling = MODELING.replace(
        "self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)",
        "self.lm_head = somewhere.make(config)",
    )
    known = facts(tmp_path, modeling=modeling)
    assert not known.knows("parameters")
    assert known.tp_plan["lm_head"] == "colwise_gather_output"


def test_a_constructor_that_raises_leaves_the_plans_unknown(tmp_path: Path) -> None:
    """What stops a constructor stops the facts, not the reader."""
    modeling = MODELING.replace(
        "        self.model = ToyModel(config)", "        raise ValueError('no')\n        self.model = ToyModel(config)"
    )
    assert not facts(tmp_path, modeling=modeling).knows("tp_plan")


def test_a_constructor_without_end_is_given_up(tmp_path: Path) -> None:
    """Recursion and endless loops are bounded."""
    modeling = MODELING.replace(
        "        self.attn = ToyAttention(config, layer_idx)", "        self.again = ToyLayer(config, layer_idx)"
    )
    assert not facts(tmp_path, modeling=modeling).knows("parameters")


def test_a_property_with_a_setter_is_read_as_a_property(tmp_path: Path) -> None:
    """The setter stands last in the class body, and does not hide the getter."""
    prop = """
    @property
    def doubled(self):
        return self.hidden_size * 2

    @doubled.setter
    def doubled(self, value):
        self.hidden_size = value // 2
"""
    modeling = MODELING.replace("config.intermediate_size)", "config.doubled)")
    built = build(tmp_path, config(doubled=64), configuration=CONFIGURATION + prop, modeling=modeling)
    assert dict(parameter_names(built.model))["model.layers.0.mlp.up.weight"] == (64, 32)


def test_per_layer_overrides_reach_the_facts(tmp_path: Path) -> None:
    """Layers may differ in their heads."""
    known = facts(tmp_path, config(num_key_value_heads=4, per_layer_config={"1": {"num_key_value_heads": 2}}))
    assert (known.kv_heads_per_layer, known.per_layer_attributes) == ((2, 4), {"num_key_value_heads"})


def test_a_text_model_reads_its_part_of_a_composite_config(tmp_path: Path) -> None:
    """The nested part with the class's own model type is what the class is built from."""
    outer = {
        "architectures": ["ToyForCausalLM"],
        "model_type": "toy_pictures",
        "text_config": {"model_type": "toy", "n_layer": 3},
    }
    assert facts(tmp_path, outer).num_hidden_layers == 3


def test_sizes_point_at_the_file_or_at_the_default(tmp_path: Path) -> None:
    """A key in the config, or the line of the config class that defaults it."""
    origins = facts(tmp_path, config(hidden_size=16)).origins
    assert origins["hidden_size"].pointer == "/hidden_size"
    assert (origins["vocab_size"].where, origins["vocab_size"].pointer) == (
        "configuration_toy.py",
        "ToyConfig.vocab_size",
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": "toy"}, "no `architectures`"),
        ({"architectures": []}, "no `architectures`"),
        ({"architectures": "ToyForCausalLM"}, "must be a list of class names"),
        ({"architectures": [1]}, "must be a list of class names"),
        ({"architectures": ["NoSuchForCausalLM"]}, "defines no class 'NoSuchForCausalLM'"),
        ({"architectures": ["../../etc/passwd"]}, "defines no class"),
        (config(hidden_size="16"), r"/hidden_size: hidden_size must be a whole number, got '16' \(str\)"),
        (config(hidden_size=16.0), "must be a whole number, got 16.0"),
        (config(n_layer=True), "n_layer must be a whole number, got True"),
        (config(num_attention_heads=[4, 4]), "must be a whole number, got"),
        (config(num_attention_heads=0), "num_attention_heads must be at least 1, got 0"),
        (config(n_layer=-1), "n_layer must be at least 0, got -1"),
        (config(n_layer=10**12), None),
        (config(layer_types={"a": 1}), None),
    ],
)
def test_odd_values_are_errors_or_unknown_never_a_crash(
    tmp_path: Path, values: dict[str, Any], words: str | None
) -> None:
    """A fact that cannot be read is unknown; a class that cannot be found is an error that says so."""
    if words is None:
        assert facts(tmp_path, values).class_name == "ToyForCausalLM"
    else:
        with pytest.raises(TargetError, match=words):
            facts(tmp_path, values)


def test_a_modeling_file_that_does_not_parse_is_an_error(tmp_path: Path) -> None:
    """A broken installation is named, not tripped over."""
    with pytest.raises(TargetError, match="defines no class"):
        build(tmp_path, modeling="class ToyForCausalLM(:\n")
