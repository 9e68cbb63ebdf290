"""What old config files on a hub say, read as transformers reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import CONFIGURATION, MODELING, build, config, facts

from meshfit import MeshSpec, check
from meshfit.errors import TargetError
from meshfit.readers.source.structure import parameter_names

FLAT = (
    CONFIGURATION.replace("class ToyConfig", "class ToyTextConfig").replace('"toy"', '"toy_text"')
    + """

class ToyConfig(PreTrainedConfig):
    model_type = "toy"
    sub_configs_defaults = {"text_config": ToyTextConfig}
    text_config: dict | None = None

    def __post_init__(self, **kwargs):
        if self.text_config is None:
            names = inspect.signature(self.sub_configs_defaults["text_config"].config_class.__init__).parameters.keys()
            self.text_config = {name: kwargs.pop(name) for name in list(names) if name in kwargs}
        super().__post_init__(**kwargs)
"""
)


def test_a_flat_file_of_a_composite_config_fills_its_text_part(tmp_path: Path) -> None:
    """Files older than the split name the text sizes at the top; the class hands them on by its signature."""
    configuration = "import inspect\n" + FLAT
    built = build(tmp_path, config(num_attention_heads=8, hidden_size=64), configuration=configuration)
    text = built.config.values["text_config"]
    assert (text.values["num_attention_heads"], text.values["hidden_size"]) == (8, 64)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"torch_dtype": "bfloat16"}, 2), ({"torch_dtype": "bfloat16", "dtype": "float32"}, 4), ({}, 4)],
)
def test_torch_dtype_is_the_old_name_of_dtype(tmp_path: Path, given: dict[str, str], expected: int) -> None:
    """Nearly every file on the hub says `torch_dtype`; `dtype` wins where both stand."""
    assert facts(tmp_path, config(**given)).dtype_bytes == expected


def test_a_quantised_file_leaves_the_width_of_weights_open(tmp_path: Path) -> None:
    """The quantiser replaces weights and kernels: `torch_dtype` then speaks of the activations."""
    given = config(torch_dtype="bfloat16", quantization_config={"quant_method": "fp8"})
    assert not facts(tmp_path, given).knows("dtype_bytes")


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 2), ({"num_labels": 5}, 5), ({"id2label": {"0": "A", "1": "B", "2": "C"}, "num_labels": 5}, 3)],
)
def test_labels_decide_the_width_of_a_classifier(tmp_path: Path, given: dict[str, object], expected: int) -> None:
    """`id2label` counts, then `num_labels`, then two."""
    modeling = MODELING.replace(
        "config.hidden_size, config.vocab_size, bias", "config.hidden_size, config.num_labels, bias"
    )
    shapes = dict(parameter_names(build(tmp_path, config(**given), modeling=modeling).model))
    assert shapes["lm_head.weight"] == (expected, 16)


def test_a_config_class_names_its_own_kind_of_rope(tmp_path: Path) -> None:
    """`default` in a file stands for the class's own default."""
    configuration = CONFIGURATION.replace(
        '    model_type = "toy"\n',
        '    model_type = "toy"\n    default_rope_type = "axial"\n    rope_parameters: dict | None = None\n',
    )
    values = build(tmp_path, configuration=configuration).config.values
    assert values["rope_parameters"]["rope_type"] == "axial"


def test_old_names_of_layer_kinds_are_read_under_a_mapped_name(tmp_path: Path) -> None:
    """`attribute_map` may keep the kinds under another name."""
    configuration = CONFIGURATION.replace(
        '{"num_hidden_layers": "n_layer"}', '{"num_hidden_layers": "n_layer", "layer_types": "kinds"}'
    )
    given = config(kinds=["mamba", "attention"])
    assert facts(tmp_path, given, configuration=configuration).layer_types == ("linear_attention", "full_attention")


def test_the_items_of_a_mapping_are_followed(tmp_path: Path) -> None:
    """A constructor may loop over a literal's items."""
    modeling = MODELING.replace(
        "        self.lm_head = ",
        '        for _, width in {"a": 3}.items():\n'
        "            self.extra = nn.Linear(width, 2, bias=False)\n"
        "        self.lm_head = ",
    )
    assert dict(parameter_names(build(tmp_path, modeling=modeling).model))["extra.weight"] == (2, 3)


def test_arithmetic_on_a_layer_index_that_python_refuses_is_unknown(tmp_path: Path) -> None:
    """A size of the wrong type, met inside a loop over layers, is no crash."""
    configuration = CONFIGURATION.replace(
        "        super().__post_init__",
        '        self.layer_types = ["full_attention" if i % self.pattern else "x" for i in range(2)]\n'
        "        super().__post_init__",
    ).replace("    first_dense: int = 1\n", "    first_dense: int = 1\n    pattern: int = 2\n")
    assert not facts(tmp_path, config(pattern="LG"), configuration=configuration).knows("layer_types")


def test_a_plan_of_a_file_whose_styles_are_no_names_is_reported() -> None:
    """A nested object instead of a style is refused by name."""
    values = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "base_model_tp_plan": {"norm": {"a": [1]}}}
    report = check(values, MeshSpec(tp_size=2))
    assert "TP006" in {violation.code for violation in report.violations}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"architectures": ["LLaMAForCausalLM"], "model_type": "llama"}, "did you mean LlamaForCausalLM?"),
        ({"architectures": ["MPTForCausalLM"]}, "did you mean MptForCausalLM?"),
        ({"model_type": "llama"}, "such as LlamaForCausalLM"),
        ({"architectures": ["QWenLMHeadModel"], "model_type": "qwen", "auto_map": {"AutoConfig": "a.B"}}, "auto_map"),
    ],
)
def test_a_class_that_is_not_there_is_answered_with_the_one_that_was_meant(
    values: dict[str, object], expected: str
) -> None:
    """Old spellings point at the class of today; code that comes with weights is said to."""
    with pytest.raises(TargetError, match="class") as raised:
        check(values, MeshSpec(tp_size=2))
    assert expected in str(raised.value)


def test_sizes_offered_for_grouped_experts_are_below_the_one_asked_for() -> None:
    """1856 wide experts in bfloat16: above 16 ranks only odd sizes such as 261 would align."""
    values = {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "moe_intermediate_size": 1856,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "torch_dtype": "bfloat16",
    }
    found = [v for v in check(values, MeshSpec(tp_size=16)).violations if v.code == "TP012"]
    assert [violation.alternatives for violation in found] == [(1, 2, 4, 8)]
