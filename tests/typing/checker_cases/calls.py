"""A misspelt keyword, a size that is text and a forgotten mesh are found before the program runs."""

from pathlib import Path

from torch import nn
from typing_extensions import assert_type

from meshfit import MeshSpec, Report, UnsupportedMeshError, Violation, check, custom_models, tp_plans, validate_for_mesh


def meshes(size: int) -> None:
    assert_type(MeshSpec(tp_size=size, pp_size=2), MeshSpec)
    assert_type(MeshSpec.parse("tp=8"), MeshSpec)
    assert_type(MeshSpec.of({"tp": 8}), MeshSpec)
    assert_type(MeshSpec().world_size, int)
    MeshSpec(tp=8)  # error
    MeshSpec(8)  # error
    MeshSpec(tp_size="8")  # error
    MeshSpec(tp_size=None)  # error
    MeshSpec.parse(8)  # error
    MeshSpec().tp_size = 2  # error


def checks(net: nn.Module) -> None:
    assert_type(check(net, MeshSpec(tp_size=2)), Report)
    assert_type(check(nn.Module, {"tp": 2}, engine="nemo", world_size=2, evidence=False), Report)
    check(Path("config.json"), None, seq_len=4096, gpus_per_node=8)
    check({"architectures": ["LlamaForCausalLM"]}, None, attn_implementation="sdpa", experts_implementation="eager")
    check(net)  # error
    check(net, None, "nemo")  # error
    check(net, None, engin="nemo")  # error
    check(net, None, world_size="8")  # error


def validates(net: nn.Module) -> None:
    assert_type(validate_for_mesh(net, MeshSpec(tp_size=2)), Report)
    assert_type(validate_for_mesh(net, None, engine="nemo", world_size=2, seq_len=1, gpus_per_node=8), Report)
    validate_for_mesh(net, None, attn_implementation="sdpa", experts_implementation="eager", evidence=True, strict=True)
    validate_for_mesh(net)  # error
    validate_for_mesh(net, None, engin="nemo")  # error
    validate_for_mesh(net, None, world_size="8")  # error


def reports(report: Report) -> None:
    assert_type(report.ok, bool)
    assert_type(report.codes, tuple[str, ...])
    assert_type(report.errors, tuple[Violation, ...])
    assert_type(report.raise_if_any(), Report)
    report.violation  # error
    report.target = ""  # error
    for violation in report.violations:
        assert_type(violation.alternatives, tuple[int, ...])
        violation.code + 1  # error


def caught(net: nn.Module) -> None:
    try:
        validate_for_mesh(net, MeshSpec(tp_size=2))
    except UnsupportedMeshError as refused:
        assert_type(refused.report, Report)


def registries() -> None:
    tp_plans["MyLM"] = {"lm_head": "colwise"}
    tp_plans[nn.Module] = lambda model: {"lm_head": "colwise"}
    custom_models["MyLM"] = nn.Module
    tp_plans[1] = {"lm_head": "colwise"}  # error
    tp_plans["MyLM"] = 1  # error
    custom_models["MyLM"] = 1  # error
