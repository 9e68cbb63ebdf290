from dataclasses import dataclass

from torch.distributed.device_mesh import DeviceMesh


@dataclass
class MeshContext:
    device_mesh: DeviceMesh | None = None
    moe_mesh: DeviceMesh | None = None
    activation_checkpointing: bool = False
    strategy_config: object = None
