# Every name is taken from where accelerate defines it: a checker that reads accelerate's source keeps what it knew.
from typing import Any

from accelerate.accelerator import Accelerator as Accelerator
from accelerate.big_modeling import (
    cpu_offload as cpu_offload,
    cpu_offload_with_hook as cpu_offload_with_hook,
    disk_offload as disk_offload,
    dispatch_model as dispatch_model,
    init_empty_weights as init_empty_weights,
    init_on_device as init_on_device,
    load_checkpoint_and_dispatch as load_checkpoint_and_dispatch,
)
from accelerate.data_loader import skip_first_batches as skip_first_batches
from accelerate.inference import prepare_pippy as prepare_pippy
from accelerate.launchers import debug_launcher as debug_launcher, notebook_launcher as notebook_launcher
from accelerate.parallelism_config import ParallelismConfig as ParallelismConfig
from accelerate.state import PartialState as PartialState
from accelerate.utils import (
    AutocastKwargs as AutocastKwargs,
    DataLoaderConfiguration as DataLoaderConfiguration,
    DDPCommunicationHookType as DDPCommunicationHookType,
    DeepSpeedPlugin as DeepSpeedPlugin,
    DistributedDataParallelKwargs as DistributedDataParallelKwargs,
    DistributedType as DistributedType,
    FullyShardedDataParallelPlugin as FullyShardedDataParallelPlugin,
    GradScalerKwargs as GradScalerKwargs,
    InitProcessGroupKwargs as InitProcessGroupKwargs,
    ProfileKwargs as ProfileKwargs,
    find_executable_batch_size as find_executable_batch_size,
    infer_auto_device_map as infer_auto_device_map,
    is_rich_available as is_rich_available,
    load_checkpoint_in_model as load_checkpoint_in_model,
    synchronize_rng_states as synchronize_rng_states,
)

__version__: str

def __getattr__(name: str) -> Any: ...
