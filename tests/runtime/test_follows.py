"""A capability follows every change of what it is derived from, however often it was read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from runtime_models import PLAN, MyLlama, NemoNet, Net, gpt2, llama, llama_config, mixtral, read_all
from torch import nn

from meshfit import (
    CapabilityMixin,
    MeshSpec,
    SupportsTP,
    TargetError,
    UnsupportedMeshError,
    check,
    custom_models,
    tp_plans,
)

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    tp_plans.clear()
    custom_models.clear()


def follows(model: Any, name: str, change: Callable[[], object]) -> tuple[bool, bool]:
    """The capability before and after a change, read twice each so that it was kept."""
    before = getattr(model, name)
    assert getattr(model, name) is before
    change()
    after = getattr(model, name)
    assert getattr(model, name) is after
    return before, after


def set_item(plan: Any, key: str, value: Any) -> None:
    """`plan[key] = value` as an expression."""
    plan[key] = value


def test_a_plan_that_is_given_replaced_cleared_and_edited() -> None:
    """The plan's content is what counts."""
    net = Net()
    assert follows(net, "supports_tp", lambda: setattr(net, "_tp_plan", dict(PLAN))) == (False, True)
    assert follows(net, "supports_tp", lambda: setattr(net, "_tp_plan", {})) == (True, False)
    assert follows(net, "supports_tp", lambda: net._tp_plan.update(PLAN)) == (False, True)
    assert follows(net, "supports_tp", net._tp_plan.clear) == (True, False)
    assert follows(net, "supports_pp", lambda: setattr(net, "_pp_plan", {"layers": (["x"], ["x"])})) == (False, True)
    assert follows(net, "supports_ep", lambda: setattr(net, "_ep_plan", {"experts": "grouped_gemm"})) == (False, True)


def test_a_plan_of_equal_length_is_another_plan() -> None:
    """Under transformers a plan that shards nothing of the body is no plan; its length is the same."""
    model = llama()
    plan = dict.fromkeys((f"nothing.{i}" for i in range(len(model._tp_plan))), "colwise")
    assert follows(model, "supports_tp", lambda: setattr(model, "_tp_plan", plan)) == (True, False)


def test_transformers_plan_setter_and_edits() -> None:
    """The plan of a transformers model by its setter, emptied and refilled in place."""
    model = llama()
    kept = dict(model._tp_plan)
    assert follows(model, "supports_tp", lambda: setattr(model, "tp_plan", {})) == (True, False)
    assert follows(model, "supports_tp", lambda: model._tp_plan.update(kept)) == (False, True)
    assert follows(model, "supports_tp", model._tp_plan.clear) == (True, False)


def test_an_expert_plan() -> None:
    """An expert plan that goes away takes the axis with it."""
    model = mixtral()
    assert follows(model, "supports_ep", model._ep_plan.clear) == (True, False)


def test_the_attention_implementation() -> None:
    """Context parallelism needs SDPA to be in force."""
    model = llama()
    assert follows(model, "supports_cp", lambda: model.set_attn_implementation("eager")) == (True, False)
    assert follows(model, "supports_cp", lambda: model.set_attn_implementation("sdpa")) == (False, True)


def test_a_config_attribute() -> None:
    """A window is set on the config."""
    model = llama()
    assert follows(model, "supports_cp", lambda: setattr(model.config, "sliding_window", 4)) == (True, False)


def test_a_config_list_edited_in_place() -> None:
    """One layer of the list becomes a sliding one."""
    model = llama()
    model.config.layer_types = ["full_attention", "full_attention"]
    change = lambda: set_item(model.config.layer_types, 1, "sliding_attention")  # noqa: E731 - one line of test
    assert follows(model, "supports_cp", change) == (True, False)


def test_a_swapped_config() -> None:
    """Another config object, and later an edit of that one."""
    model = llama()
    other = llama_config()
    other._attn_implementation_internal = "eager"
    assert follows(model, "supports_cp", lambda: setattr(model, "config", other)) == (True, False)
    change = lambda: setattr(other, "_attn_implementation_internal", "sdpa")  # noqa: E731 - as above
    assert follows(model, "supports_cp", change) == (False, True)


def test_an_equal_config_that_is_edited_later() -> None:
    """An equal config is another object to watch."""
    model = llama()
    other = llama_config()
    other._attn_implementation_internal = "sdpa"
    assert follows(model, "supports_cp", lambda: setattr(model, "config", other)) == (True, True)
    assert follows(model, "supports_cp", lambda: setattr(other, "sliding_window", 4)) == (True, False)


def test_a_flag_of_the_config_is_exactly_true() -> None:
    """1 equals True and is no flag."""
    net = NemoNet()
    del net.backend
    net.config.is_hybrid_model = True
    assert follows(net, "supports_cp", lambda: setattr(net.config, "is_hybrid_model", 1)) == (False, True)


def test_a_nested_config() -> None:
    """The text config of a composite one."""
    net = NemoNet(text_config=SimpleNamespace(layers_block_type=["attention"]))
    del net.backend
    kinds = net.config.text_config.layers_block_type
    assert follows(net, "supports_cp", lambda: kinds.append("M")) == (True, False)


def test_the_backend_and_its_attention() -> None:
    """The backend's attention is changed, and the backend itself."""
    net = NemoNet("flex")
    assert follows(net, "supports_cp", lambda: setattr(net.backend, "attn", "te")) == (False, True)
    assert follows(net, "supports_cp", lambda: setattr(net, "backend", SimpleNamespace(attn="flex"))) == (True, False)


def test_injected_attention() -> None:
    """NeMo marks a model into which it put Transformer Engine attention."""
    net = NemoNet()
    net.backend.attn = "flex"
    assert follows(net, "supports_cp", lambda: setattr(net, "_te_attention_injected", True)) == (False, True)
    assert follows(net, "supports_cp", lambda: setattr(net, "_te_attention_injected", False)) == (True, False)


def test_a_patched_forward() -> None:
    """On the instance, taken back, and on the class."""

    class Own(Net):
        _supports_sdpa = True

    def packing(self: Any, x: torch.Tensor, seq_lens: Any = None) -> torch.Tensor:
        return x

    net = Own()
    name = "supports_sequence_packing"
    assert follows(net, name, lambda: setattr(net, "forward", packing.__get__(net))) == (False, True)
    assert follows(net, name, lambda: delattr(net, "forward")) == (True, False)
    assert follows(net, name, lambda: setattr(Own, "forward", packing)) == (False, True)


def test_a_class_attribute() -> None:
    """Changed, added and removed, on the class and on a base of it."""

    class Base(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Own(CapabilityMixin, Base):
        _supports_sdpa = False

    net = Own()
    assert follows(net, "supports_cp", lambda: setattr(Own, "_supports_sdpa", True)) == (False, True)
    assert follows(net, "supports_cp", lambda: setattr(Own, "_supports_sdpa", 1)) == (True, False)
    assert follows(net, "supports_tp", lambda: setattr(Base, "_tp_plan", dict(PLAN))) == (False, True)
    assert follows(net, "supports_tp", lambda: Base._tp_plan.clear()) == (True, False)  # type: ignore[attr-defined]
    assert follows(net, "supports_generate", lambda: setattr(Own, "generate", lambda self: None)) == (False, True)
    assert follows(net, "supports_generate", lambda: delattr(Own, "generate")) == (True, False)
    flag = "supports_gradient_checkpointing"
    assert follows(net, flag, lambda: setattr(Own, flag, True)) == (False, True)


def test_a_declaration_added_edited_and_removed() -> None:
    """A nested ModelCapabilities decides while it is there."""

    class Own(Net):
        pass

    class Declared:
        supports_tp = True

    net = Own()
    assert follows(net, "supports_tp", lambda: setattr(Own, "ModelCapabilities", Declared)) == (False, True)
    assert follows(net, "supports_tp", lambda: setattr(Declared, "supports_tp", False)) == (True, False)
    net._tp_plan = dict(PLAN)
    assert follows(net, "supports_tp", lambda: delattr(Own, "ModelCapabilities")) == (False, True)


def test_a_declaration_by_config() -> None:
    """`get_capabilities(config)` is asked again when the config changes."""

    class Own(NemoNet):
        @classmethod
        def get_capabilities(cls, config: Any) -> dict[str, bool]:
            return {"supports_tp": config.num_hidden_layers > 1}

    net = Own()
    assert follows(net, "supports_tp", lambda: setattr(net.config, "num_hidden_layers", 1)) == (True, False)


def test_a_registry_entry_added_and_removed() -> None:
    """By class and by name."""
    net = Net()
    assert follows(net, "supports_tp", lambda: set_item(tp_plans, "Net", PLAN)) == (False, True)
    assert follows(net, "supports_tp", lambda: tp_plans.pop("Net")) == (True, False)
    assert follows(net, "supports_tp", lambda: set_item(tp_plans, Net, PLAN)) == (False, True)
    assert follows(net, "is_custom_model", lambda: set_item(custom_models, Net, "Fast")) == (False, True)


def test_a_replaced_child_module() -> None:
    """Under transformers the pipeline needs `.layers`, `.embed_tokens`, `.norm` and `.lm_head`."""
    model = llama()
    head = model.lm_head
    assert follows(model, "supports_pp", lambda: delattr(model, "lm_head")) == (True, False)
    assert follows(model, "supports_pp", lambda: setattr(model, "lm_head", head)) == (False, True)
    norm = model.model.norm
    assert follows(model, "supports_pp", lambda: delattr(model.model, "norm")) == (True, False)
    model.model.norm = norm
    assert model.supports_pp


def test_adapters_put_into_the_layers() -> None:
    """PEFT replaces the projections in place; what was read before does not outlive that."""
    from peft import LoraConfig, get_peft_model

    model = llama()
    assert model.supports_tp
    wrapped = get_peft_model(model, LoraConfig(target_modules=["q_proj", "v_proj"]))
    expected = check(wrapped, MeshSpec(tp_size=2)).ok
    assert model.supports_tp is expected
    assert isinstance(wrapped, SupportsTP) is expected


def test_layers_that_the_plan_no_longer_finds() -> None:
    """A plan that names nothing in the new layers shards nothing of the body."""
    model = llama()
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4)) for _ in range(2))
    assert follows(model, "supports_tp", lambda: setattr(model.model, "layers", blocks)) == (True, False)


def test_validation_follows_too() -> None:
    """A kept report is dropped when the model changes."""
    net = Net()
    mesh = MeshSpec(tp_size=2)
    net._tp_plan = dict(PLAN)
    assert net.validate_for_mesh(mesh) is net.validate_for_mesh(mesh)
    net._tp_plan.clear()
    with pytest.raises(UnsupportedMeshError, match="has no TP plan"):
        net.validate_for_mesh(mesh)
    net._tp_plan.update(PLAN)
    assert net.validate_for_mesh(mesh).ok


def test_a_mesh_object_edited_between_two_validations() -> None:
    """The mesh is read each time."""
    net, mesh = Net(), SimpleNamespace(tp_size=1)
    assert net.validate_for_mesh(mesh).ok
    mesh.tp_size = 2
    with pytest.raises(UnsupportedMeshError):
        net.validate_for_mesh(mesh)


def test_it_cannot_be_assigned_or_deleted() -> None:
    """The text says what to do instead."""
    net = Net()
    for name in ("supports_tp", "supports_generate", "is_custom_model", "supports_tp_plan", "supports"):
        with pytest.raises(AttributeError, match="cannot be assigned"):
            setattr(net, name, True)
    with pytest.raises(AttributeError, match="cannot be assigned"):
        del net.supports_tp
    with pytest.raises(TargetError, match="ModelCapabilities"):
        type("Own", (Net,), {"supports_tp": True})


def test_a_bug_inside_surfaces_as_itself() -> None:
    """An error of the user's property is neither hidden nor reported as a missing attribute."""

    class Broken(Net):
        @property
        def _tp_plan(self) -> dict[str, str]:
            raise ZeroDivisionError("in the user's property")

    class Misspelt(Net):
        @property
        def _tp_plan(self) -> dict[str, str]:
            return self.no_such_thing  # type: ignore[no-any-return]

    class Deciding(Net):
        @classmethod
        def get_capabilities(cls, config: Any) -> Any:
            return config.no_such_thing

    with pytest.raises(ZeroDivisionError, match="in the user's property"):
        _ = Broken().supports_tp
    with pytest.raises(RuntimeError, match="no_such_thing"):
        _ = Misspelt().supports_tp
    with pytest.raises(RuntimeError, match="no_such_thing"):
        _ = Deciding().supports_tp


def test_a_computed_plan_is_read_each_time() -> None:
    """What a property computes cannot be watched, so no verdict on it is kept."""

    class Computed(Net):
        plan: dict[str, str]

        @property
        def _tp_plan(self) -> dict[str, str]:
            return self.plan

    net = Computed()
    net.plan = dict(PLAN)
    assert follows(net, "supports_tp", net.plan.clear) == (True, False)


def test_reading_one_model_says_nothing_of_another() -> None:
    """Verdicts are kept on the model they are of."""
    one, other = Net(), Net()
    one._tp_plan = dict(PLAN)
    assert (one.supports_tp, other.supports_tp) == (True, False)
    assert read_all(gpt2())["tp"] is False
    assert read_all(llama(MyLlama))["tp"] is True
