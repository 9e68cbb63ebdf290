from asking import ask
from meshfit.mesh import MeshSpec

globals()["MESH"] = MeshSpec()
MESH = MeshSpec(tp_size=8)
ask(MESH)  # -> ?
