"""The same model on meshes it runs on, and on some of which nothing is known."""

import sys

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Stages, but no shards."""

    _pp_plan = {"layers": (["x"], ["x"])}  # noqa: RUF012


def main(tp: int) -> None:
    """None is refused for certain."""
    net = Net()
    net.validate_for_mesh(MeshSpec(pp_size=2))
    net.validate_for_mesh(MeshSpec(tp_size=tp))
    net.validate_for_mesh(MeshSpec(tp_size=int(sys.argv[1])))
    if net.supports_tp:
        net.validate_for_mesh(MeshSpec(tp_size=8))
