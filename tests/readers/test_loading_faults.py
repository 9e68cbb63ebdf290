"""What a checkpoint leaves out and nobody sets on a model that FSDP2 has wrapped."""

from __future__ import annotations

from pathlib import Path

from tests.readers.flow_models import build

from meshfit.readers.source.loading import loading_faults
from meshfit.readers.source.values import UNKNOWN

MODEL = """
from . import initialization as init


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(64, 64)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.mamba = Mixer()


class Positions(nn.Embedding):
    pass


class Base(PreTrainedModel):
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, (Model, Layer)):
            for layer in module.layers:
                init.copy_(layer.mamba.scale, torch.ones(64))
        elif isinstance(module, Positions):
            init.copy_(module.weight, torch.ones(128, 64))


class Model(Base):
    _keys_to_ignore_on_save = []

    def __init__(self, config):
        super().__init__(config)
        self.positions = Positions(128, 64)
        self.layers = nn.ModuleList([Layer() for _ in range(2)])
        for layer in self.layers:
            layer.mamba.scale = nn.Buffer(torch.ones(64), persistent=False)
"""


def test_a_buffer_that_a_module_above_its_owner_fills_is_left_empty(tmp_path: Path) -> None:
    """The model has nothing of its own that is missing, so its branch of `_init_weights` is passed over."""
    assert loading_faults(build(tmp_path, MODEL)) == (("buffer-left-empty", "layers.*.mamba.scale"),)


def test_a_registered_buffer_counts_as_one(tmp_path: Path) -> None:
    """`register_buffer` says the same as `nn.Buffer`."""
    registered = 'register_buffer("scale", torch.ones(64), persistent=False)'
    source = MODEL.replace("scale = nn.Buffer(torch.ones(64), persistent=False)", registered)
    assert loading_faults(build(tmp_path, source)) == (("buffer-left-empty", "layers.*.mamba.scale"),)


def test_a_buffer_that_checkpoints_hold_is_read_from_them(tmp_path: Path) -> None:
    """Persistent buffers are loaded like weights."""
    assert loading_faults(build(tmp_path, MODEL.replace(", persistent=False", ""))) == ()


def test_a_module_that_misses_a_buffer_of_its_own_is_not_passed_over(tmp_path: Path) -> None:
    """A rotary table beside the layers makes the model run its branch, and all of it."""
    own = "        self.table = nn.Buffer(torch.ones(8), persistent=False)\n        self.positions"
    assert loading_faults(build(tmp_path, MODEL.replace("        self.positions", own))) == ()


def test_a_buffer_that_its_owner_fills_too_is_set(tmp_path: Path) -> None:
    """The owner misses it, so its own branch runs."""
    next_branch = "        elif isinstance(module, P"
    own = "        elif isinstance(module, Mixer):\n            init.ones_(module.scale)\n"
    assert loading_faults(build(tmp_path, MODEL.replace(next_branch, own + next_branch))) == ()


def test_a_weight_that_saving_leaves_out_takes_no_plain_tensor(tmp_path: Path) -> None:
    """Copying into a distributed weight needs a distributed tensor; weights that are saved are never copied into."""
    source = MODEL.replace("_keys_to_ignore_on_save = []", '_keys_to_ignore_on_save = ["positions.weight"]')
    assert ("plain-tensor-into-weight", "positions.weight") in (loading_faults(build(tmp_path, source)) or ())


def test_a_module_that_transformers_does_not_load_is_unknown(tmp_path: Path) -> None:
    """Nobody knows who fills the buffers of a plain module."""
    assert loading_faults(build(tmp_path, MODEL.replace("Base(PreTrainedModel)", "Base(nn.Module)"))) is UNKNOWN
