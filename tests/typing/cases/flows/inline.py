"""The mesh is written in the call."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def each_axis_has_its_code(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp "has no TP plan"
    net.validate_for_mesh(MeshSpec(pp_size=2))  # E: meshfit-pp "_pp_plan"
    net.validate_for_mesh(MeshSpec(cp_size=2))  # E: meshfit-cp "_supports_sdpa"
    net.validate_for_mesh(MeshSpec(ep_size=2))  # E: meshfit-ep "MoE"


def both_numbers_and_the_axis_are_said(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp "Tensor parallelism (tp_size=8)"


def one_error_for_each_violation(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8, pp_size=2))  # E: meshfit-tp meshfit-pp
    net.validate_for_mesh(MeshSpec(tp_size=8, dp_shard_size=2))  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(cp_size=2, ep_size=2, tp_size=1))  # E: meshfit-cp meshfit-ep


def a_call_over_several_lines(net: Net) -> None:
    net.validate_for_mesh(  # E: meshfit-tp
        MeshSpec(
            tp_size=8,
        ),
    )


def sizes_of_one_are_no_axis(net: Net) -> None:
    net.validate_for_mesh(MeshSpec())
    net.validate_for_mesh(MeshSpec(tp_size=1, pp_size=1))
    net.validate_for_mesh(None)


def data_parallelism_needs_no_plan(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(dp_shard_size=8))
    net.validate_for_mesh(MeshSpec(dp_replicate_size=2, dp_shard_size=4))


def the_engine_and_strictness_may_be_given(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8), strict=True)  # E: meshfit-tp
    net.validate_for_mesh(MeshSpec(tp_size=8), engine="generic")  # E: meshfit-tp


Net().validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
Net().eval().validate_for_mesh(MeshSpec(tp_size=8))  # E: meshfit-tp
