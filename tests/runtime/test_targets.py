"""`check`: what it takes, and how it refuses what it cannot take. No framework is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshfit import MeshfitError, MeshSpec, TargetError, UnsupportedMeshError, check, validate_for_mesh

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 128,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a config.json."""
    (tmp_path / "config.json").write_text(json.dumps(LLAMA, indent=1))
    return tmp_path


def test_mapping_file_and_folder_say_the_same(folder: Path) -> None:
    """A config is judged alike however it is handed over."""
    mesh = MeshSpec(tp_size=4)
    verdicts = [check(target, mesh) for target in (LLAMA, folder, str(folder), folder / "config.json")]
    assert {report.codes for report in verdicts} == {verdicts[0].codes}
    assert not verdicts[0].ok
    assert "num_key_value_heads (2) is not divisible by tp_size (4)" in verdicts[0].violations[0].message


def test_a_class_name_is_a_target() -> None:
    """The defaults of its config stand for the sizes."""
    assert check("LlamaForCausalLM", MeshSpec(tp_size=2)).target == "LlamaForCausalLM"


def test_a_class_of_the_users_own_is_read_as_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `module:Class` text names it; the module is not run."""
    (tmp_path / "own_module.py").write_text("from torch import nn\nclass MyLM(nn.Module): ...\nraise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    assert check("own_module:MyLM", MeshSpec(tp_size=2)).codes == ("TP001",)


def test_an_unknown_name_is_neither_class_nor_file() -> None:
    """The error names both readings."""
    with pytest.raises(TargetError, match="NoSuchForCausalLM"):
        check("NoSuchForCausalLM", MeshSpec(tp_size=2))


@pytest.mark.parametrize("mesh", [None, MeshSpec(), {"tp": 1}])
def test_no_mesh_passes(mesh: object) -> None:
    """A single device runs anything."""
    assert check(LLAMA, mesh).ok


@pytest.mark.parametrize("target", [3, object(), int, None])
def test_no_mesh_does_not_excuse_the_target(target: object) -> None:
    """What cannot be read is an error also where there is nothing to check."""
    with pytest.raises(TargetError, match="cannot check"):
        check(target, None)


def test_an_unknown_engine_lists_the_known_ones() -> None:
    """The help is in the text."""
    with pytest.raises(MeshfitError, match="unknown engine 'vlm'; engines are generic, nemo, transformers"):
        check(LLAMA, MeshSpec(tp_size=2), engine="vlm")


@pytest.mark.parametrize("name", ["world_size", "seq_len"])
@pytest.mark.parametrize("value", [0, -1, True, 2.0, "2"])
def test_numbers_are_positive_ints(name: str, value: object) -> None:
    """A bool and a float are no counts."""
    with pytest.raises(MeshfitError, match=f"{name} must be an int >= 1"):
        check(LLAMA, MeshSpec(tp_size=2), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["attn_implementation", "experts_implementation"])
def test_implementations_are_names(name: str) -> None:
    """An empty name, or an object, is a mistake."""
    with pytest.raises(MeshfitError, match=f"{name} must be a name"):
        check(LLAMA, MeshSpec(tp_size=2), **{name: ""})  # type: ignore[arg-type]


def test_the_attention_asked_for_counts_over_the_configs() -> None:
    """Context parallelism needs SDPA to be the one in force."""
    mesh = MeshSpec(cp_size=2)
    assert check(LLAMA, mesh).ok
    assert not check(LLAMA, mesh, attn_implementation="eager").ok


def test_a_wrong_world_size_is_reported() -> None:
    """Eight ranks do not make a mesh of two."""
    assert not check(LLAMA, MeshSpec(tp_size=2), world_size=8).ok
    assert check(LLAMA, MeshSpec(tp_size=2), world_size=2).ok


def test_strict_refuses_warnings() -> None:
    """An uneven pipeline is waste: a warning, and an error in strict mode."""
    mesh = MeshSpec(pp_size=3)
    assert check(LLAMA, mesh).warnings
    assert not check(LLAMA, mesh, strict=True).ok


def test_validate_raises_what_check_reports() -> None:
    """One bullet for each violation, the report attached."""
    assert validate_for_mesh(LLAMA, MeshSpec(tp_size=2)).ok
    with pytest.raises(UnsupportedMeshError) as refused:
        validate_for_mesh(LLAMA, MeshSpec(tp_size=8))
    assert refused.value.report == check(LLAMA, MeshSpec(tp_size=8))
    assert str(refused.value).startswith("Unsupported mesh for LlamaForCausalLM:\n- Tensor parallelism (tp_size=8)")


def test_the_version_a_verdict_speaks_of_is_in_the_report() -> None:
    """Rules belong to a version of an engine."""
    assert check(LLAMA, None).versions["transformers"].count(".") == 2
