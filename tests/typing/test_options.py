"""The options of the plugin: what is read from where, and what a bad one says."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from mypy.errors import CompileError

import meshfit_mypy
from meshfit_mypy.options import Options, read_options


def test_the_plugin_has_the_version_of_its_package() -> None:
    """The cache of mypy holds it: another version judges anew."""
    assert meshfit_mypy.__version__ == version("meshfit")


def _told(options: Options) -> dict[str, object]:
    return {name: getattr(options, name) for name in Options.__slots__}


def test_without_a_table_every_option_has_its_default(tmp_path: Path) -> None:
    """A configuration that only names the plugin says nothing else."""
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nplugins = meshfit_mypy\n")
    for place in (str(config), None, str(tmp_path / "absent.ini")):
        assert _told(read_options(place)) == _told(Options())


def test_a_pyproject_table_is_read(tmp_path: Path) -> None:
    """Every option, as TOML writes it."""
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / "config.json").write_text("{}")
    config = tmp_path / "pyproject.toml"
    config.write_text(
        '[tool.mypy]\nplugins = ["meshfit_mypy"]\n[tool.meshfit]\nparameters = false\nchecks = true\n'
        'checkpoints = ["./ckpt"]\nconstructors = {"my.make" = {tensor = "tp"}}\n'
        'rule_packages = ["meshfit.rules.world"]\nseverity = {TP009 = "note"}\n'
    )
    expected = Options(
        parameters=False,
        checks=True,
        checkpoints=(str(tmp_path / "ckpt"),),
        constructors={"my.make": {"tensor": "tp"}},
        rule_packages=("meshfit.rules.world",),
        severity={"TP009": "note"},
        root=str(tmp_path),
    )
    assert _told(read_options(str(config))) == _told(expected)


def test_an_ini_section_says_the_same(tmp_path: Path) -> None:
    """Lists by commas or lines, tables by `name = value`."""
    config = tmp_path / "setup.cfg"
    config.write_text(
        "[meshfit]\nparameters = false\nrule_packages = meshfit.rules.world, meshfit.rules.seed\n"
        "severity =\n  TP009 = note\n  PP005 = error\n"
    )
    found = read_options(str(config))
    assert (found.parameters, found.rule_packages) == (False, ("meshfit.rules.world", "meshfit.rules.seed"))
    assert found.severity == {"TP009": "note", "PP005": "error"}


def test_the_pyproject_beside_an_ini_file_counts(tmp_path: Path) -> None:
    """mypy.ini holds mypy's options, pyproject.toml ours."""
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = meshfit_mypy\n")
    (tmp_path / "pyproject.toml").write_text("[tool.meshfit]\nchecks = true\n")
    assert read_options(str(tmp_path / "mypy.ini")).checks


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("paramters = true", "tool.meshfit.paramters is not an option"),
        ('parameters = "yes"', "tool.meshfit.parameters must be true or false, got 'yes'"),
        ('checkpoints = "./ckpt"', "tool.meshfit.checkpoints must be a list of strings, got './ckpt'"),
        ('checkpoints = ["./absent"]', "tool.meshfit.checkpoints names './absent', where no config.json is"),
        (
            'constructors = {"my.make" = {tensor = "tq"}}',
            "tool.meshfit.constructors.my.make names the axis 'tq'; axes are tp, pp, cp, ep",
        ),
        (
            'constructors = {"my.make" = "tp"}',
            "tool.meshfit.constructors.my.make must be a table of names and axes, got 'tp'",
        ),
        ('severity = {TP009 = "loud"}', "tool.meshfit.severity.TP009 must be one of error, note, off, got 'loud'"),
    ],
)
def test_a_bad_option_is_named_with_the_usage(tmp_path: Path, table: str, why: str) -> None:
    """It is printed by mypy, which exits with 2."""
    config = tmp_path / "pyproject.toml"
    config.write_text(f"[tool.meshfit]\n{table}\n")
    with pytest.raises(CompileError) as refused:
        read_options(str(config))
    assert refused.value.messages[0].startswith(f"{config}: {why}")
    assert any("checkpoints = [" in line for line in refused.value.messages)


def test_what_a_cached_verdict_rests_on_survives_json_and_follows_the_checkpoint(tmp_path: Path) -> None:
    """The cache of mypy compares it after a round trip."""
    (tmp_path / "config.json").write_text('{"num_key_value_heads": 2}')
    config = tmp_path / "pyproject.toml"
    config.write_text('[tool.meshfit]\ncheckpoints = ["."]\n')
    before = read_options(str(config)).state()
    assert json.loads(json.dumps(before)) == before
    (tmp_path / "config.json").write_text('{"num_key_value_heads": 8}')
    assert read_options(str(config)).state() != before
