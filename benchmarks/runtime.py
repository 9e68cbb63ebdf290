"""Cost of asking a live model, paired in one run with the approach it replaces. `python benchmarks/runtime.py`.

Thread CPU time, medians of paired repeats; only the ratios carry over between machines.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import seed
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from meshfit import CapabilityMixin, MeshSpec, SupportsTP

REPEATS = 31
BUDGETS = {
    "one capability read": 1.0,
    "all seven capabilities": 0.15,
    "validate": 0.5,
    "512-rank DeviceMesh": 0.02,
    "isinstance": 0.25,
}


@runtime_checkable
class PlainSupportsTP(Protocol):
    """What `isinstance` costs without meshfit: members by attribute."""

    @property
    def tp_plan(self) -> dict[str, str]:
        """A member a Llama has."""

    @property
    def supports_tp(self) -> bool:
        """A member it has not."""


class MyLlama(CapabilityMixin, LlamaForCausalLM):  # type: ignore[misc]
    """A transformers model with the mixin."""


def llama_config() -> LlamaConfig:
    """32 layers of Llama's shape, narrow."""
    return LlamaConfig(
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=32,
        num_attention_heads=16,
        num_key_value_heads=8,
        vocab_size=512,
    )


def cost(call: Callable[[], object], number: int) -> float:
    """Microseconds of CPU a call takes."""
    start = time.thread_time()
    for _ in range(number):
        call()
    return (time.thread_time() - start) / number * 1e6


def paired(ours: Callable[[], object], theirs: Callable[[], object], number: int = 2000) -> tuple[float, float, float]:
    """Median microseconds of both, and the median of the ratios of neighbouring repeats."""
    for call in (ours, theirs):
        cost(call, 50)
    pairs = [(cost(ours, number), cost(theirs, number)) for _ in range(REPEATS)]
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio


def refused(call: Callable[[], object]) -> Callable[[], None]:
    """The call, its ValueError caught as a launcher would."""

    def run() -> None:
        try:
            call()
        except ValueError:
            return
        raise AssertionError("was not refused")

    return run


def device_mesh(ranks: int) -> Any:
    """A (ranks/2, 2) mesh of a fake process group, as rank 0 sees it."""
    import torch.distributed as dist
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if dist.is_initialized():
        dist.destroy_process_group()
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    return dist.init_device_mesh("cpu", (ranks // 2, 2), mesh_dim_names=("dp_shard", "tp"))


class Block(nn.Module):  # type: ignore[misc]
    """A decoder layer's worth of modules."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.up_proj, self.down_proj = nn.Linear(width, width), nn.Linear(width, width)


class Custom(nn.Module):  # type: ignore[misc]
    """A model of its own kind, as the replaced approach was made for: plans, a backend, a config, 32 layers."""

    _supports_sdpa = True

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=64, num_attention_heads=4, num_hidden_layers=32, vocab_size=128)
        self.backend = SimpleNamespace(attn="te", linear="torch", rms_norm="torch")
        self.layers = nn.ModuleList(Block(8) for _ in range(32))
        self._tp_plan = {f"layers.*.{name}": "colwise" for name in ("q_proj", "k_proj", "up_proj", "down_proj")}
        self._pp_plan = {"layers": (["hidden_states"], ["hidden_states"])}

    def forward(self, input_ids: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        """Not run."""


class MyCustom(CapabilityMixin, Custom):
    """The same with the mixin."""


def all_ours(model: Any) -> None:
    """Read each capability once."""
    model.supports_tp  # noqa: B018 - the read is what is measured
    model.supports_pp  # noqa: B018
    model.supports_cp  # noqa: B018
    model.supports_ep  # noqa: B018
    model.supports_sequence_packing  # noqa: B018
    model.supports_generate  # noqa: B018
    model.supports_gradient_checkpointing  # noqa: B018


def all_theirs(model: Any) -> None:
    """The same of the replaced approach."""
    model.supports_tp  # noqa: B018
    model.supports_pp  # noqa: B018
    model.supports_cp  # noqa: B018
    model.supports_ep  # noqa: B018
    model.supports_sequence_packing  # noqa: B018
    model.supports_generate  # noqa: B018
    model.capability_gradient_checkpointing  # noqa: B018


def model_rows(kind: str, ours: Any, theirs: Any, plain: Any) -> dict[str, tuple[float, float, float]]:
    """The rows of one model."""
    fits, plain_fits = MeshSpec(tp_size=2), SimpleNamespace(tp_size=2, pp_size=2, cp_size=2, ep_size=1)
    bad, plain_bad = MeshSpec(tp_size=2, ep_size=2), SimpleNamespace(tp_size=2, pp_size=1, cp_size=2, ep_size=2)
    if kind == "custom":
        fits, bad = MeshSpec(tp_size=2, pp_size=2, cp_size=2), MeshSpec(tp_size=2, cp_size=2, ep_size=2)
    else:
        plain_fits.pp_size = plain_fits.cp_size = plain_bad.cp_size = 1
    return {
        f"one capability read, {kind}": paired(lambda: ours.supports_tp, lambda: theirs.supports_tp),
        f"all seven capabilities, {kind}": paired(lambda: all_ours(ours), lambda: all_theirs(theirs), 500),
        f"validate, passing, {kind}": paired(
            lambda: ours.validate_for_mesh(fits), lambda: seed.validate(theirs, plain_fits)
        ),
        f"validate, failing, {kind}": paired(
            refused(lambda: ours.validate_for_mesh(bad)), refused(lambda: seed.validate(theirs, plain_bad))
        ),
        f"isinstance, {kind}": paired(lambda: isinstance(ours, SupportsTP), lambda: isinstance(plain, PlainSupportsTP)),
    }


def mesh_rows(kind: str, ours: Any, theirs: Any) -> dict[str, tuple[float, float, float]]:
    """The rows of real mesh objects."""
    big = device_mesh(512)
    row = paired(lambda: ours.validate_for_mesh(big), lambda: seed.validate(theirs, big), 200)
    huge = device_mesh(16384)
    large = statistics.median(cost(lambda: ours.validate_for_mesh(huge), 200) for _ in range(REPEATS))
    return {
        f"512-rank DeviceMesh, {kind}": row,
        f"16384 ranks against 512, {kind}": (large, row[0], large / row[0]),
    }


def rows() -> dict[str, tuple[float, float, float]]:
    """Every row of the table."""
    with torch.device("meta"):
        table = model_rows("custom", MyCustom(), seed.attach(Custom()), Custom())
        ours, theirs = MyLlama(llama_config()), seed.attach(LlamaForCausalLM(llama_config()))
        table |= model_rows("transformers", ours, theirs, LlamaForCausalLM(llama_config()))
        custom, seeded = MyCustom(), seed.attach(Custom())
    for kind, model, other in (("custom", custom, seeded), ("transformers", ours, theirs)):
        table |= mesh_rows(kind, model, other)
    return table


def main() -> int:
    """Print the table; 1 when a budget is missed."""
    missed = 0
    print(f"{'':36}{'meshfit us':>12}{'seed us':>12}{'ratio':>9}{'budget':>9}")
    for name, (ours, theirs, ratio) in rows().items():
        budget = BUDGETS.get(name.partition(",")[0])
        missed += budget is not None and ratio > budget
        print(f"{name:36}{ours:12.2f}{theirs:12.2f}{ratio:9.3f}{'' if budget is None else budget:>9}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
