from accelerate import ParallelismConfig
from transformers import AutoModelForCausalLM
from transformers.distributed import DistributedConfig

AutoModelForCausalLM.from_pretrained("org/llama-8b", distributed_config=DistributedConfig(tp_size=8))
DistributedConfig(tp_size=2, fsdp_size=4)
ParallelismConfig(tp_size=2, dp_replicate_size=2, dp_shard_size=2)
