"""Whatever stands on the command line or in a config: a verdict or a mistake, never a fault, never a trace."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from meshfit.cli.main import main

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "examples" / "llama-8b" / "config.json").read_text(encoding="utf-8")
VALUES = json.loads(CONFIG)


def answer(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def assert_manners(code: int, out: str, err: str) -> None:
    """0 and 1 answer on the output, 2 complains among the errors, 3 is our own fault."""
    assert code in (0, 1, 2), err
    assert "Traceback" not in err
    assert (code == 2) == bool(err)
    assert out or code == 2


def judged(content: bytes, mesh: str = "tp=2,pp=2", *options: str) -> None:
    """Hold a mesh against a config of that content."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_bytes(content)
        assert_manners(*answer("check", folder, "--mesh", mesh, *options))


WORDS = (
    *("check", "explain", "rules", "completion", "chekc", "--help", "--version", "-m", "--mesh", "tp=2", "tp=2,pp=3"),
    *(
        "tp",
        "=",
        "tp=0",
        "cp=2,cp=2",
        "tp_size=4",
        "--engine",
        "all",
        "nemo",
        "nmo",
        "vllm",
        "--world",
        "8",
        "-1",
        "1e3",
    ),
    *("--nodes", "--gpus-per-node", "--seq-len", "--attn", "--experts", "--tied", "--no-tied", "--strict", "--json"),
    *("--format", "-f", "sarif", "github", "text", "--show-unknown", "--model-map", "a=b", "--axis", "ep", "TP002"),
    *(
        "LlamaForCausalLM",
        "gpt2",
        "org/model",
        "org/model@x",
        "a:b",
        "os:path",
        "examples/llama-8b",
        "README.md",
        "..",
        "-",
    ),
    *("bash", "--", "", "\0", "\udcff", "--download", "999999999999999999999", "tp=999999999"),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=8))
@example(["check", "\0", "--mesh", "tp=2"])
@example(["check", "\udcff/\udcff", "--mesh", "tp=2"])
@example(["check", "a" * 5000, "--mesh", "tp=2"])
@example(["check", "org/" + "a" * 90, "--mesh", "tp=2"])
@example(["check", "examples/llama-8b", "--mesh", "tp=2", "--world", "9" * 5000])
def test_no_command_line_is_a_fault(words: list[str]) -> None:
    """Words of the command in any order, and words of nothing."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        code, _, err = answer(*words)
    finally:
        os.chdir(before)
    assert code in (0, 1, 2), err
    assert "Traceback" not in err


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.sampled_from([0, 1, 2, 3, 7, 128])
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["llama", "sdpa", "silu", "LlamaForCausalLM", "full_attention"])
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    [*VALUES, "layer_types", "rope_scaling", "text_config", "quantization_config", "auto_map", "dtype"]
)


models = st.sampled_from(
    [
        VALUES,
        {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"},
        {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3"},
        {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": {}},
        {"architectures": ["BambaForCausalLM"], "model_type": "bamba"},
        {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"},
    ]
)


@pytest.mark.slow
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(
    model=models,
    changes=st.dictionaries(names, anything, max_size=3),
    mesh=st.sampled_from(["tp=2", "pp=2", "cp=2", "ep=2"]),
)
def test_no_value_in_a_config_is_a_fault(model: dict[str, Any], changes: dict[str, Any], mesh: str) -> None:
    """Any JSON value in the place of any setting."""
    judged(json.dumps({**model, **changes}).encode("utf-8", "surrogatepass"), mesh, "--engine", "all")


@settings(max_examples=150)
@given(st.integers(0, len(CONFIG)), st.binary(max_size=4), st.integers(0, 3))
def test_no_damage_to_a_file_is_a_fault(at: int, inserted: bytes, removed: int) -> None:
    """Bytes put in and taken out, anywhere."""
    whole = CONFIG.encode()
    judged(whole[:at] + inserted + whole[at + removed :])


@settings(max_examples=40)
@given(st.integers(0, len(CONFIG)))
def test_no_truncated_file_is_a_fault(length: int) -> None:
    """As an interrupted copy leaves it."""
    judged(CONFIG.encode()[:length])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe" + CONFIG.encode("utf-16-le"), "is not UTF-8"),
        (bytes(range(256)), "is not UTF-8"),
        (b"\0" * 100, "is not JSON"),
        (CONFIG.encode("latin-1").replace(b"llama", b"ll\xe4ma"), "is not UTF-8"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"num_hidden_layers": ' + b"9" * 10_000 + b"}", "holds a number that cannot be read"),
        (CONFIG.replace('"num_hidden_layers": 32', '"num_hidden_layers": "32"').encode(), "num_hidden_layers"),
        (CONFIG.replace('"num_attention_heads": 32', '"num_attention_heads": 0').encode(), "num_attention_heads"),
    ],
)
def test_a_broken_config_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    """Each with its own reason, on one line."""
    (tmp_path / "config.json").write_bytes(content)
    code, out, err = answer("check", str(tmp_path), "--mesh", "tp=2")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + CONFIG.encode(),
        CONFIG.replace("\n", "\r\n").encode(),
        CONFIG.replace("{", '{"num_key_value_heads": 3,', 1).encode(),  # of two the last one counts
    ],
)
def test_an_unusual_config_is_read(tmp_path: Path, content: bytes) -> None:
    """A byte-order mark, other line ends, a key that comes twice."""
    (tmp_path / "config.json").write_bytes(content)
    assert answer("check", str(tmp_path), "--mesh", "tp=8")[0] == 0


def test_a_file_of_50_megabytes_is_read_or_refused(tmp_path: Path) -> None:
    """Sound or not, below the limit or above."""
    padding = "x" * 50_000_000
    for content, code in (
        (CONFIG.replace("{", f'{{"padding": "{padding}",', 1), 0),
        (CONFIG.replace("{", f'{{"padding": "{padding}', 1), 2),
        (padding + padding, 2),
    ):
        (tmp_path / "config.json").write_text(content)
        assert answer("check", str(tmp_path), "--mesh", "tp=8")[0] == code


def test_folders_that_lead_in_circles_are_told(tmp_path: Path) -> None:
    """And links to nothing, and a folder in the place of the file, and a pipe that nobody fills."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "circle").mkdir()
    (tmp_path / "circle" / "config.json").symlink_to(tmp_path / "circle" / "config.json")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "nested" / "config.json").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    targets = [str(tmp_path / name) for name in ("loop", "circle", "nowhere", "nested", "pipe")]
    code, out, err = answer("check", *targets, "--mesh", "tp=2")
    assert (code, out, err.count("\n")) == (2, "", 5)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the test may be root, who may read everything: the refusal is made here."""

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "config.json").write_text(CONFIG)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    code, out, err = answer("check", str(tmp_path), "--mesh", "tp=2")
    assert (code, out) == (2, "")
    assert "cannot be read: Permission denied; check its permissions" in err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"class A(:\n", "mine.py:1 is no Python: invalid syntax"),
        (b"class A:\n  pass\0", "mine.py"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "mine.py"),
        (b"x = " + b"-" * 100_000 + b"1\nclass A: pass\n", "mine.py"),
        (b"# \xff\nclass A: pass\n", "mine"),
        (b"", "mine.py defines no class 'A'"),
        (b"import mine\nA = mine.A\n", "mine.py defines no class 'A'"),
        (b"class A(B): pass\nclass B(A): pass\n", "mine:A has the name of one of its own bases"),
        (b"import torch\nclass A(A, torch.nn.Module): pass\n", "mine:A has the name of one of its own bases"),
        (b"import torch\nclass A(torch.nn.Module):\n    _tp_plan = 3\n", "A._tp_plan must be a mapping"),
    ],
)
def test_a_broken_module_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, told: str) -> None:
    """As a broken config is."""
    (tmp_path / "mine.py").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    code, out, err = answer("check", "mine:A", "--mesh", "tp=2")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_a_folder_without_a_config_is_told_once(tmp_path: Path) -> None:
    """With the folder and what is missing."""
    assert answer("check", str(tmp_path), "--mesh", "tp=2") == (
        2,
        "",
        f"meshfit: {tmp_path} holds no config.json; name the folder that the model was saved to\n",
    )
