"""Sizes of a config that is written in the program."""

from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh

TP8 = MeshSpec(tp_size=8)
CONFIG = LlamaConfig(num_key_value_heads=2)


class MyLM(CapabilityMixin, LlamaForCausalLM):
    """A Llama."""


def inline() -> None:
    MyLM(LlamaConfig(num_key_value_heads=2)).validate_for_mesh(TP8)  # E: meshfit-tp "num_key_value_heads (2)"
    MyLM(LlamaConfig(num_key_value_heads=8)).validate_for_mesh(TP8)
    MyLM(config=LlamaConfig(num_key_value_heads=2)).validate_for_mesh(TP8)  # E: meshfit-tp
    MyLM(LlamaConfig(num_key_value_heads=2)).validate_for_mesh(MeshSpec(tp_size=2))


def the_plain_class() -> None:
    validate_for_mesh(LlamaForCausalLM(LlamaConfig(num_key_value_heads=2)), TP8)  # E: meshfit-tp


def through_variables() -> None:
    config = LlamaConfig(num_key_value_heads=2)
    model = MyLM(config)
    model.validate_for_mesh(TP8)  # E: meshfit-tp "num_key_value_heads (2) is not divisible by tp_size (8)"
    MyLM(CONFIG).validate_for_mesh(TP8)  # E: meshfit-tp
    heads = 2
    MyLM(LlamaConfig(num_key_value_heads=heads)).validate_for_mesh(TP8)  # E: meshfit-tp


def one_of_several(wide: bool) -> None:
    MyLM(LlamaConfig(num_key_value_heads=8 if wide else 2)).validate_for_mesh(TP8)
    MyLM(LlamaConfig(num_key_value_heads=4 if wide else 2)).validate_for_mesh(TP8)  # E: meshfit-tp


def a_written_config(heads: int, more: Any) -> None:
    config = LlamaConfig(num_key_value_heads=2)
    config.num_key_value_heads = 8
    MyLM(config).validate_for_mesh(TP8)
    MyLM(LlamaConfig(num_key_value_heads=heads)).validate_for_mesh(TP8)
    MyLM(LlamaConfig(num_key_value_heads=2, **more)).validate_for_mesh(TP8)


def a_config_that_goes_elsewhere(change: Any) -> None:
    config = LlamaConfig(num_key_value_heads=2)
    change(config)
    MyLM(config).validate_for_mesh(TP8)


def a_written_model() -> None:
    model = MyLM(LlamaConfig(num_key_value_heads=2))
    model.config = LlamaConfig(num_key_value_heads=8)
    model.validate_for_mesh(TP8)


def an_unknown_config(config: LlamaConfig) -> None:
    MyLM(config).validate_for_mesh(TP8)
    MyLM.from_pretrained("a-folder").validate_for_mesh(TP8)
