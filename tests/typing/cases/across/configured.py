"""Models of which a config class of another module decides."""

from across.configs import CONFIG, Bare, Configured, MyLM
from meshfit import MeshSpec


def all_of_them(configured: Configured, bare: Bare) -> None:
    configured.validate_for_mesh(MeshSpec(tp_size=8))
    bare.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
    MyLM(CONFIG).validate_for_mesh(MeshSpec(tp_size=8))
