from accelerate import ParallelismConfig
from torchtitan.config import ParallelismConfig as Titan
from transformers import AutoModelForCausalLM
from transformers.distributed import DistributedConfig

config = DistributedConfig(tp_size=6)
AutoModelForCausalLM.from_pretrained("org/llama-8b", distributed_config=config)  # finds: TP002, TP003
DistributedConfig(pp_size=2, fsdp_size=4)  # finds: MS002, PP004
ParallelismConfig(tp_size=2, dp_replicate_size=2, dp_shard_size=1, cp_size=1, sp_size=1)  # finds: MS003
Titan(tensor_parallel_degree=0)  # finds: RC002
