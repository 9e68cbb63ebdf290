"""Objects that something may have written to before they are used."""

from typing import Any

from transformers.distributed import DistributedConfig

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def a_mapping_is_written_to(net: Net) -> None:
    sizes = {"tp_size": 8}
    sizes["tp_size"] = 1
    net.validate_for_mesh(sizes)


def a_mapping_is_updated(net: Net) -> None:
    sizes = {"tp_size": 8}
    sizes.update(tp_size=1)
    net.validate_for_mesh(sizes)
    others = {"tp_size": 8}
    others |= {"tp_size": 1}
    net.validate_for_mesh(others)
    popped = {"tp_size": 8, "pp_size": 1}
    popped.pop("tp_size")
    net.validate_for_mesh(popped)
    deleted = {"tp_size": 8, "pp_size": 1}
    del deleted["tp_size"]
    net.validate_for_mesh(deleted)


def a_mapping_goes_elsewhere(net: Net, change: Any) -> None:
    sizes = {"tp_size": 8}
    change(sizes)
    net.validate_for_mesh(sizes)


def a_mapping_has_another_name(net: Net) -> None:
    sizes = {"tp_size": 8}
    same = sizes
    same["tp_size"] = 1
    net.validate_for_mesh(sizes)


def a_config_is_written_to(net: Net, change: Any) -> None:
    config = DistributedConfig(tp_size=8)
    setattr(config, "tp_size", 1)
    net.validate_for_mesh(config)
    other = DistributedConfig(tp_size=8)
    change(other)
    net.validate_for_mesh(other)


class Trainer:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.config = DistributedConfig(tp_size=8)

    def shrink(self) -> None:
        self.config.tp_size = 1

    def run(self) -> None:
        self.net.validate_for_mesh(self.config)


def replaced_from_outside(trainer: Trainer) -> None:
    trainer.config = DistributedConfig()
