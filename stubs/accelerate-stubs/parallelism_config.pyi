from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from accelerate.utils.dataclasses import (
    DeepSpeedSequenceParallelConfig,
    TorchContextParallelConfig,
    TorchTensorParallelConfig,
)
from torch.distributed.device_mesh import DeviceMesh

@dataclass
class ParallelismConfig:
    # what is left out or None is filled from the environment when the object is made, so that reading gives a value
    dp_replicate_size: int
    dp_shard_size: int
    tp_size: int
    cp_size: int
    cp_backend: Literal["torch"]
    sp_size: int
    sp_backend: Literal["deepspeed"]
    tp_handler: TorchTensorParallelConfig | None
    cp_handler: TorchContextParallelConfig | None
    sp_handler: DeepSpeedSequenceParallelConfig | None
    device_mesh: ClassVar[DeviceMesh | None]
    def __init__(
        self,
        dp_replicate_size: int | None = None,
        dp_shard_size: int | None = None,
        tp_size: int | None = None,
        cp_size: int | None = None,
        cp_backend: Literal["torch"] | None = None,
        sp_size: int | None = None,
        sp_backend: Literal["deepspeed"] | None = None,
        tp_handler: TorchTensorParallelConfig | None = None,
        cp_handler: TorchContextParallelConfig | None = None,
        sp_handler: DeepSpeedSequenceParallelConfig | None = None,
    ) -> None: ...
    def to_json(self) -> None: ...
    @property
    def dp_dim_names(self) -> list[str]: ...
    @property
    def non_dp_dim_names(self) -> list[str]: ...
    @property
    def dp_shard_cp_dim_names(self) -> list[str]: ...
    @property
    def dp_cp_dim_names(self) -> list[str]: ...
    @property
    def fsdp_dim_names(self) -> list[str]: ...
    @property
    def active_mesh_dims(self) -> list[str]: ...
    @property
    def total_size(self) -> int: ...
    @property
    def non_data_parallel_size(self) -> int: ...
    @property
    def data_parallel_size(self) -> int: ...
    @property
    def dp_replicate_enabled(self) -> bool: ...
    @property
    def dp_shard_enabled(self) -> bool: ...
    @property
    def tp_enabled(self) -> bool: ...
    @property
    def cp_enabled(self) -> bool: ...
    @property
    def sp_enabled(self) -> bool: ...
    def build_device_mesh(self, device_type: str) -> DeviceMesh | None: ...
    def get_device_mesh(self, device_type: str | None = None) -> DeviceMesh | None: ...

def __getattr__(name: str) -> Any: ...
