"""A class of another module is given a plan here, so here nothing is said of it."""

from across.models import Planned
from meshfit import MeshSpec


class Own(Planned):
    _tp_plan: dict[str, str] = {}


Own._tp_plan = {"up": "colwise"}
Own().validate_for_mesh(MeshSpec(tp_size=8))
