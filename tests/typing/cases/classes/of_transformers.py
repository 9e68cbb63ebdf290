"""Classes of transformers, and the user's own ones that derive from them."""

from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.distributed import DistributedConfig

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh

TP8 = MeshSpec(tp_size=8)


class MyLlama(CapabilityMixin, LlamaForCausalLM):
    """With a plan, merged from class, config and child."""


class MyGPT2(CapabilityMixin, GPT2LMHeadModel):
    """Without one."""


def llama(model: MyLlama, plain: LlamaForCausalLM) -> None:
    model.validate_for_mesh(TP8)
    model.validate_for_mesh(MeshSpec(cp_size=2))
    validate_for_mesh(plain, TP8)
    validate_for_mesh(plain, MeshSpec(ep_size=2, dp_shard_size=2))  # E: meshfit-ep
    MyLlama(LlamaConfig()).validate_for_mesh(TP8)


def gpt2(model: MyGPT2, plain: GPT2LMHeadModel) -> None:
    model.validate_for_mesh(TP8)  # E: meshfit-tp "has no TP plan"
    validate_for_mesh(plain, TP8)  # E: meshfit-tp
    MyGPT2(GPT2Config()).validate_for_mesh(TP8)  # E: meshfit-tp


def loaded() -> None:
    MyGPT2.from_pretrained("gpt2").validate_for_mesh(TP8)  # E: meshfit-tp
    MyLlama.from_pretrained("llama").validate_for_mesh(TP8)
    MyGPT2.from_pretrained("gpt2", distributed_config=DistributedConfig(tp_size=8))  # E: meshfit-tp
    MyLlama.from_pretrained("llama", distributed_config=DistributedConfig(tp_size=8))
    GPT2LMHeadModel.from_pretrained("gpt2", distributed_config=DistributedConfig(tp_size=8))  # E: meshfit-tp
    GPT2LMHeadModel.from_pretrained("gpt2", distributed_config=DistributedConfig(fsdp_size=1))
    config = DistributedConfig(tp_size=8)
    MyGPT2.from_pretrained("gpt2", distributed_config=config)  # E: meshfit-tp
    AutoModelForCausalLM.from_pretrained("gpt2", distributed_config=config)
    validate_for_mesh(AutoModelForCausalLM.from_pretrained("gpt2"), TP8)
