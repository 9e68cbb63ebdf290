"""Comments that silence, and comments that silence nothing."""

from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


TP8 = MeshSpec(tp_size=8)


def silenced(net: Net) -> None:
    net.validate_for_mesh(TP8)  # type: ignore[meshfit-tp]
    net.validate_for_mesh(TP8)  # type: ignore
    net.validate_for_mesh(MeshSpec(tp_size=8, pp_size=2))  # type: ignore[meshfit-tp, meshfit-pp]


def silenced_by_the_parent_code(net: Net) -> None:
    # silent too: that mypy would rather see the narrower code is what warn_unused_ignores asks for
    net.validate_for_mesh(TP8)  # type: ignore[meshfit]  # E: unused-ignore "use narrower [meshfit-tp]"
    net.validate_for_mesh(MeshSpec(tp_size=8, pp_size=2))  # type: ignore[meshfit]  # E: unused-ignore


def silenced_in_part(net: Net) -> None:
    net.validate_for_mesh(MeshSpec(tp_size=8, pp_size=2))  # type: ignore[meshfit-tp]  # E: meshfit-pp


def the_wrong_code(net: Net) -> None:
    net.validate_for_mesh(TP8)  # type: ignore[meshfit-pp]  # E: meshfit-tp unused-ignore


def nothing_to_silence(net: Net) -> None:
    net.validate_for_mesh(MeshSpec())  # type: ignore[meshfit-tp]  # E: unused-ignore
    net.validate_for_mesh(MeshSpec())  # type: ignore[meshfit]  # E: unused-ignore


def the_line_of_the_call(net: Net) -> None:
    net.validate_for_mesh(  # type: ignore[meshfit-tp]
        TP8,
    )
