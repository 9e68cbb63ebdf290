"""Names that a star import may bind anew."""

from asking import ask
from meshfit.mesh import MeshSpec

MESH = MeshSpec(tp_size=2)
KEPT = MeshSpec(tp_size=2)
from sizes import *  # noqa: E402, F403

ask(MESH)  # -> ?
ask(KEPT)  # -> tp=2
