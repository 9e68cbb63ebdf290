"""Facts from an index: they are the source reader's, or unknown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshfit.errors import TargetError
from meshfit.readers.shipped import choice
from meshfit.readers.shipped.archive import Index, read_index
from meshfit.readers.shipped.facts import facts_from_index
from meshfit.readers.shipped.making import make_index
from meshfit.readers.source.facts import facts_from_config
from meshfit.readers.source.index import find_package

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]
FOLDERS = ("llama", "mixtral")
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
MIXTRAL = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}


def made() -> bytes:
    """The index of two model types of the installed transformers."""
    package = find_package("transformers")
    assert package is not None
    return make_index(package, only=FOLDERS)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of two model types, as a file."""
    path = tmp_path_factory.mktemp("index") / "small.index"
    path.write_bytes(made())
    return path


@pytest.fixture(scope="module")
def index(file: Path) -> Index:
    """The index of two model types."""
    return read_index(file)


@pytest.mark.parametrize(
    "config",
    [
        LLAMA,
        {**LLAMA, "num_key_value_heads": 2, "num_attention_heads": 8, "hidden_size": 96, "num_hidden_layers": 3},
        {**LLAMA, "attention_bias": True, "tie_word_embeddings": True, "hidden_act": "gelu"},
        {**LLAMA, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}, "pad_token_id": 0, "torch_dtype": "bfloat16"},
        MIXTRAL,
        {**MIXTRAL, "num_local_experts": 6, "head_dim": 24, "sliding_window": 64, "output_router_logits": True},
    ],
)
def test_every_fact_of_a_config_is_the_source_readers(index: Index, config: dict[str, Any]) -> None:
    """Whatever the index tells, the source reader tells too; what a rule needs is not left out, but for the source."""
    told, real = dict(facts_from_index(index, config)), dict(facts_from_config(config))
    assert {fact: real[fact] for fact in told} == told
    assert real.keys() - told.keys() <= {"weight_shapes", "class_source"}


def test_a_size_is_an_expression_of_the_config(index: Index) -> None:
    """No config of these sizes was recorded."""
    facts = facts_from_index(index, {**LLAMA, "hidden_size": 35, "num_attention_heads": 5, "num_key_value_heads": 1})
    assert facts.parameters["model.layers.*.self_attn.k_proj.weight"] == (7, 35)
    assert facts.modules["model.layers.*.self_attn.k_proj"].heads == ("num_key_value_heads", 1)


def test_a_value_of_a_kind_that_was_not_recorded_leaves_facts_unknown(index: Index) -> None:
    """A list where the class has a number: nothing is known of what hangs on it, and nothing is guessed."""
    facts = facts_from_index(index, {**LLAMA, "max_position_embeddings": [1, 2]})
    assert not facts.knows("parameters")
    assert facts.class_name == "LlamaForCausalLM"


def test_a_size_of_the_wrong_type_is_refused_at_its_place(index: Index) -> None:
    """As the source reader refuses it."""
    with pytest.raises(TargetError, match="num_attention_heads must be a whole number, got '8'"):
        facts_from_index(index, {**LLAMA, "num_attention_heads": "8"})


def test_an_unknown_class_is_named_with_the_nearest(index: Index) -> None:
    """And the version that was asked."""
    with pytest.raises(TargetError, match=r"index of transformers \S+ has no class 'LlamaForCausalLN'; did you mean"):
        facts_from_index(index, {"architectures": ["LlamaForCausalLN"]})


def test_the_same_source_gives_the_same_bytes(file: Path) -> None:
    """Whoever makes it anew can compare."""
    assert made() == file.read_bytes()


def test_values_of_the_config_stay_as_they_are(index: Index) -> None:
    """The base class of a configuration changes mappings in place; the caller's are copies."""
    config = {**LLAMA, "rope_scaling": {"factor": 2.0}}
    before = json.dumps(config)
    facts_from_index(index, config)
    assert json.dumps(config) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: b"", "is broken"),
        (lambda raw: b"{}\n", "is no index of meshfit"),
        (lambda raw: raw.replace(b'"schema": 1', b'"schema": 9', 1), "has format 9, this meshfit reads 1"),
        (lambda raw: raw[:200], "is broken"),
        (lambda raw: raw.partition(b"\n")[0] + b"\n" + bytes(4000), "is broken"),
        (lambda raw: bytes(range(256)) * 8, "is broken"),
    ],
)
def test_a_file_that_is_no_index_says_so(file: Path, tmp_path: Path, change: Any, message: str) -> None:
    """One line, and how to make it anew."""
    other = tmp_path / "other.index"
    other.write_bytes(change(file.read_bytes()))
    with pytest.raises(TargetError, match=message):
        read_index(other)


def test_a_block_that_was_cut_off_says_so(file: Path, tmp_path: Path) -> None:
    """The table of contents is whole, what it points at is not."""
    other = tmp_path / "cut.index"
    other.write_bytes(file.read_bytes()[:-300])
    cut = read_index(other)
    with pytest.raises(TargetError, match="is broken"):
        facts_from_index(cut, MIXTRAL)


def test_an_installed_transformers_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The index is not even opened."""
    monkeypatch.setenv(choice.ENVIRONMENT, str(tmp_path / "missing.index"))
    assert choice.read_by_class(LLAMA).knows("weight_shapes")


HIDDEN = """
import json, sys
sys.path = [place for place in sys.path if "-packages" not in place]
sys.path.insert(0, sys.argv[1])
import meshfit
report = meshfit.check(json.loads(sys.argv[2]), meshfit.MeshSpec.parse(sys.argv[3]), engine="transformers")
assert not {"torch", "transformers", "yaml"} & sys.modules.keys()
print(json.dumps([report.ok, list(report.codes), report.versions["transformers"]]))
"""


def hidden(config: dict[str, Any], mesh: str, **environment: str) -> Any:
    """What `check` says in a Python that has no third-party package at all: (ok, codes, version)."""
    arguments = (str(ROOT / "src"), json.dumps(config), mesh)
    run = subprocess.run(
        [sys.executable, "-S", "-c", HIDDEN, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"XDG_CACHE_HOME": "nowhere", **environment},
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("config", "mesh", "expected"),
    [
        ({**LLAMA, "num_attention_heads": 32, "num_key_value_heads": 8}, "tp=8", (True, [])),
        ({**LLAMA, "num_attention_heads": 32, "num_key_value_heads": 8}, "tp=16", (False, ["TP002"])),
        (MIXTRAL, "tp=8", (True, [])),
        ({**MIXTRAL, "num_key_value_heads": 4}, "tp=8", (False, ["TP002"])),
    ],
)
def test_a_verdict_without_transformers_says_what_it_was_judged_by(
    file: Path, config: dict[str, Any], mesh: str, expected: Any
) -> None:
    """The file that MESHFIT_INDEX names, and the version it was made from."""
    ok, codes, version = hidden(config, mesh, MESHFIT_INDEX=str(file))
    assert (ok, codes) == expected
    assert version.endswith(f"(index {file})")
