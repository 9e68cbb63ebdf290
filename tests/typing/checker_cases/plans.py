"""A parameter of type `HasTPPlan` or `HasPPPlan` takes what has a plan, and nothing else."""

from torch import nn
from transformers import GPT2LMHeadModel, LlamaForCausalLM

from meshfit import CapabilityMixin, HasPPPlan, HasTPPlan


class Planned(nn.Module):
    _tp_plan = {"lm_head": "colwise"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}


class Mixed(CapabilityMixin, nn.Module):
    _tp_plan = {"lm_head": "colwise"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}


class Below(Planned):
    pass


class Bare(nn.Module):
    pass


class BareMixed(CapabilityMixin, nn.Module):
    pass


class Undone(nn.Module):
    _tp_plan = None
    _pp_plan = None


class OfLists(nn.Module):
    _tp_plan = ["lm_head"]
    _pp_plan = ["lm_head"]


def shard(model: HasTPPlan) -> None: ...


def stage(model: HasPPPlan) -> None: ...


shard(Planned())
shard(Mixed())
shard(Below())
shard(Bare())  # error
shard(BareMixed())  # error
shard(Undone())  # error
shard(OfLists())  # error

stage(Planned())
stage(Mixed())
stage(Below())
stage(Bare())  # error
stage(BareMixed())  # error
stage(Undone())  # error
stage(OfLists())  # error


def of_transformers(llama: LlamaForCausalLM, gpt2: GPT2LMHeadModel) -> None:
    # pyrefly and ty go by what PreTrainedModel declares, a plan or None
    shard(llama)  # error: pyrefly, ty
    shard(gpt2)  # error
    stage(llama)  # error: pyrefly, ty
    stage(gpt2)  # error
