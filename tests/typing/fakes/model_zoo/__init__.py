"""An installed package of models and meshes, as a user's dependency."""

from torch import nn

from meshfit import MeshSpec

WIDE = MeshSpec(tp_size=8)


class ZooNet(nn.Module):
    _tp_plan = {"up": "colwise"}


class ZooSmall(nn.Module):
    """Carries no plan."""
