"""Calls that the checker does not see as one."""

import functools
from typing import Any

from meshfit import UnsupportedMeshError, check, validate_for_mesh
from torch import nn

from meshfit import CapabilityMixin, MeshSpec


class Net(CapabilityMixin, nn.Module):
    """Carries no plan."""


def the_bound_method(net: Net) -> None:
    validate = net.validate_for_mesh
    validate(MeshSpec(tp_size=8))
    functools.partial(net.validate_for_mesh, MeshSpec(tp_size=8))()


def by_its_name(net: Net) -> None:
    getattr(net, "validate_for_mesh")(MeshSpec(tp_size=8))
    type(net)
    type("Made", (Net,), {"_tp_plan": {"up": "colwise"}})().validate_for_mesh(MeshSpec(tp_size=8))


def by_arguments(net: Net, *args: Any, **kwargs: Any) -> None:
    net.validate_for_mesh(*args)
    net.validate_for_mesh(**kwargs)
    validate_for_mesh(*args)
    pair: tuple[Any, ...] = (net, MeshSpec(tp_size=8))
    validate_for_mesh(*pair)


def a_report_is_asked_for_not_an_error(net: Net) -> None:
    report = check(net, MeshSpec(tp_size=8))
    print(report.ok)


def an_error_is_made(net: Net) -> None:
    raise UnsupportedMeshError(check(net, MeshSpec(tp_size=8)))
