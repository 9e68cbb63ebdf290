"""A model without a plan, held against meshes that need one."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh


class Net(CapabilityMixin, nn.Module):
    """Stages, but no shards."""

    _pp_plan = {"layers": (["x"], ["x"])}  # noqa: RUF012


MESH = MeshSpec(tp_size=8, pp_size=2)


def main() -> None:
    """Two of three are refused."""
    net = Net()
    net.validate_for_mesh(MESH)  # finds: TP001
    validate_for_mesh(net, {"pp": 2, "ep": 4})  # finds: EP001
    net.validate_for_mesh(MeshSpec(pp_size=2))
