"""A class with the mixin keeps everything the plain class does, also after its capabilities were read."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from light_models import answer
from runtime_models import AskingNet, MyLlama, Net, PlainNet, llama, read_all, tokens
from torch import nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from meshfit import CapabilityMixin, SupportsTP

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def model() -> Any:
    """A tiny Llama whose capabilities were all read."""
    made = llama()
    read_all(made)
    return made


@pytest.fixture(scope="module")
def plain() -> Any:
    """The same weights without the mixin."""
    return llama(LlamaForCausalLM)


@pytest.fixture(scope="module")
def group() -> Any:
    """A process group of one, for wrappers that want one."""
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_state_dict_is_identical(model: Any, plain: Any) -> None:
    """Names, order and values."""
    ours, theirs = model.state_dict(), plain.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_instance_attributes_are_those_of_the_plain_class(model: Any, plain: Any) -> None:
    """Reading a capability leaves nothing in `__dict__`."""
    assert list(vars(model)) == list(vars(plain))


def test_forward_is_identical(model: Any, plain: Any) -> None:
    """The same logits, bit for bit."""
    assert torch.equal(model(tokens()).logits, plain(tokens()).logits)


def test_backward_is_identical(model: Any, plain: Any) -> None:
    """The same gradients."""
    grads = []
    for one in (copy.deepcopy(model), copy.deepcopy(plain)):
        one(tokens(), labels=tokens()).loss.backward()
        grads.append([p.grad for p in one.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_generate_is_identical(model: Any, plain: Any) -> None:
    """Greedy decoding gives the same tokens."""
    options = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(model.generate(tokens(), **options), plain.generate(tokens(), **options))


def test_gradient_checkpointing_can_be_enabled(model: Any) -> None:
    """Enabling reads transformers' class bool, which the mixin leaves alone."""
    one = copy.deepcopy(model)
    one.gradient_checkpointing_enable()
    assert one.is_gradient_checkpointing
    assert MyLlama.supports_gradient_checkpointing is LlamaForCausalLM.supports_gradient_checkpointing


def test_names_transformers_owns_keep_their_meaning(model: Any, plain: Any) -> None:
    """Its properties still answer."""
    for name in ("supports_tp_plan", "supports_pp_plan", "supports_context_parallel", "tp_size", "tp_plan"):
        assert getattr(model, name) == getattr(plain, name)


def test_saving_and_loading(model: Any, tmp_path: Path) -> None:
    """Both the subclass and the auto class load what the subclass saved."""
    model.save_pretrained(tmp_path)
    loaded, auto = MyLlama.from_pretrained(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is MyLlama
    assert torch.equal(loaded(tokens()).logits, model(tokens()).logits)
    assert torch.equal(auto(tokens()).logits, model(tokens()).logits)


def test_two_models_share_their_class() -> None:
    """No class is made for a model."""
    assert type(llama()) is type(llama()) is MyLlama


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_reading_adds_no_byte_to_a_pickle(protocol: int) -> None:
    """What was kept does not travel."""
    net = Net()
    before = pickle.dumps(net, protocol)
    read_all(net)
    assert pickle.dumps(net, protocol) == before
    assert not pickle.loads(before).supports_tp


def test_torch_save(model: Any) -> None:
    """A whole model goes through torch.save."""
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(tokens()).logits, model(tokens()).logits)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_judges_for_itself(copied: Any) -> None:
    """A plan given to the copy is the copy's alone."""
    net = Net()
    read_all(net)
    other = copied(net)
    other._tp_plan = {"layers.*": "colwise"}
    assert type(other) is Net
    assert (net.supports_tp, other.supports_tp) == (False, True)


def test_a_spawned_process_receives_the_model() -> None:
    """Spawn pickles the model and imports its class."""
    net = Net()
    net._tp_plan = {"layers.*": "colwise"}
    read_all(net)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(net, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == ("Net", True)
    process.join(60)


@pytest.mark.usefixtures("group")
def test_ddp_wraps_and_is_seen_through() -> None:
    """Gradients flow, and the wrapper is judged as what it holds."""
    net = Net()
    net._tp_plan = {"layers.*": "colwise"}
    wrapped = nn.parallel.DistributedDataParallel(net)
    wrapped(torch.ones(1, 4)).sum().backward()
    assert net.layers[0].weight.grad is not None
    assert isinstance(wrapped, SupportsTP)


@pytest.mark.usefixtures("group")
def test_fully_shard() -> None:
    """FSDP2 changes the object's class; the verdict and the name follow the model's."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    net = Net()
    read_all(net)
    fully_shard(net, mesh=init_device_mesh("cpu", (1,)))
    assert type(net).__name__ == "FSDPNet"
    net._tp_plan = {"layers.*": "colwise"}
    assert net.supports_tp
    assert repr(net.supports).startswith("ModelSupports(Net: tp=True")
    net(torch.ones(1, 4)).sum().backward()


def test_compiled_forward_reads_a_capability() -> None:
    """In one graph, and again when the plan that decides came later."""
    torch._dynamo.reset()
    net = AskingNet()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    x = torch.zeros(1, 2)
    assert torch.equal(compiled(x), x + 1)
    net._tp_plan = {"linear": "colwise"}
    assert torch.equal(compiled(x), net.linear(x))
    net._tp_plan.clear()
    assert torch.equal(compiled(x), x + 1)
    assert isinstance(compiled, SupportsTP) is False


def test_compiled_forward_reads_a_kept_capability() -> None:
    """A verdict kept from before is not compiled in for good."""
    torch._dynamo.reset()
    net = AskingNet()
    read_all(net)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    x = torch.zeros(1, 2)
    assert torch.equal(compiled(x), x + 1)
    net._tp_plan = {"linear": "colwise"}
    assert torch.equal(compiled(x), net.linear(x))


@pytest.mark.parametrize("strict", [True, False])
def test_export(strict: bool) -> None:
    """Both tracers see the branch that holds."""
    torch._dynamo.reset()
    net = AskingNet()
    net._tp_plan = {"linear": "colwise"}
    exported = torch.export.export(net, (torch.zeros(1, 2),), strict=strict)
    assert torch.equal(exported.module()(torch.zeros(1, 2)), net(torch.zeros(1, 2)))


def test_compiled_isinstance() -> None:
    """The protocol check works inside a graph."""
    torch._dynamo.reset()
    net = AskingNet()

    @torch.compile(fullgraph=True, backend="eager")
    def ask(x: torch.Tensor) -> torch.Tensor:
        return x + 1 if isinstance(net, SupportsTP) else x - 1

    assert ask(torch.zeros(1)) == -1


def test_jit_script() -> None:
    """TorchScript compiles the module, capabilities or not."""
    net = Net()
    scripted = torch.jit.script(net)
    assert torch.equal(scripted(torch.ones(1, 4)), net(torch.ones(1, 4)))


def test_peft_wraps_and_is_seen_through() -> None:
    """Adapters change the layers, not what the model is."""
    from peft import LoraConfig, get_peft_model

    base = llama()
    before = read_all(base)
    wrapped = get_peft_model(base, LoraConfig(target_modules=["q_proj"]))
    assert isinstance(wrapped, SupportsTP)
    assert read_all(wrapped.get_base_model()) == before


def test_a_deleted_model_is_gone() -> None:
    """Nothing that was kept holds the model: no cycle, no table."""
    import gc
    import weakref

    net = Net()
    net.config = llama().config
    read_all(net)
    net.validate_for_mesh(None)
    gone = weakref.ref(net)
    gc.disable()
    try:
        del net
        assert gone() is None
    finally:
        gc.enable()


def test_the_class_can_be_inspected() -> None:
    """A member that only an instance can answer is found as what stands in the class, as inspect does for others."""
    import inspect

    members = dict(inspect.getmembers(MyLlama))
    assert members["supports_generate"] is True
    assert members["supports_tp"] is vars(CapabilityMixin)["supports_tp"]
    assert not inspect.isabstract(PlainNet)
