"""Models of which a config class of another module decides."""

from transformers import LlamaConfig

from across.configs import CONFIG, Bare, Configured, MyLM
from meshfit import MeshSpec

HERE = LlamaConfig(num_key_value_heads=8)


def all_of_them(configured: Configured, bare: Bare) -> None:
    configured.validate_for_mesh(MeshSpec(tp_size=8))
    bare.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    MyLM(HERE).validate_for_mesh(MeshSpec(tp_size=8))
    # sizes of a config are followed within a file
    MyLM(CONFIG).validate_for_mesh(MeshSpec(tp_size=8))
