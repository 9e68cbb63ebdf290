"""Texts, mappings and copies."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def texts(net: Net) -> None:
    net.validate_for_mesh(MeshSpec.parse("tp=8"))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec.parse("tp=8,pp=2"))  # E: meshfit-tp meshfit-pp
    net.validate_for_mesh(MeshSpec.parse("tp_size=8, dp_shard=2"))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec.parse("tp=1,dp_shard=8"))
    text = "tp=8"
    net.validate_for_mesh(MeshSpec.parse(text))  # E: meshfit-tp


def texts_that_are_not_known(net: Net, text: str) -> None:
    net.validate_for_mesh(MeshSpec.parse(text))
    net.validate_for_mesh(MeshSpec.parse(f"tp={len(text)}"))


def mappings(net: Net) -> None:
    net.validate_for_mesh({"tp_size": 8})  # E: meshfit-tp
    net.validate_for_mesh({"tp": 8, "pp": 2})  # E: meshfit-tp meshfit-pp
    net.validate_for_mesh({"fsdp_size": 8})
    net.validate_for_mesh({"tp_size": 1})
    net.validate_for_mesh(dict(tp_size=8))  # E: meshfit-tp


def a_mapping_behind_a_name(net: Net) -> None:
    sizes = {"tp_size": 8}
    net.validate_for_mesh(sizes)  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec.of(sizes))  # E: meshfit-tp


def read_by_of(net: Net) -> None:
    net.validate_for_mesh(MeshSpec.of({"tp": 8}))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec.of(MeshSpec(tp_size=8)))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec.of(None))
