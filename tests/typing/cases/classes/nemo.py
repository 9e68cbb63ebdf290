"""Models with NeMo's mixture-of-experts mixin, which is told by its name."""

from typing import Any

from nemo_automodel.components.moe.fsdp_mixin import MoEFSDPSyncMixin
from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Moe(CapabilityMixin, MoEFSDPSyncMixin, nn.Module):
    """Brings its own stages and experts."""


class WithBackend(CapabilityMixin, MoEFSDPSyncMixin, nn.Module):
    """The attention is the instance's."""

    def __init__(self, backend: Any) -> None:
        super().__init__()
        self.backend = backend


def all_of_them(moe: Moe, with_backend: WithBackend) -> None:
    moe.validate_for_mesh(MeshSpec(ep_size=2))
    moe.validate_for_mesh(MeshSpec(pp_size=2))
    moe.validate_for_mesh(MeshSpec(tp_size=2))  # E: meshfit-tp
    with_backend.validate_for_mesh(MeshSpec(cp_size=2))
    with_backend.validate_for_mesh(MeshSpec(tp_size=2))  # E: meshfit-tp
