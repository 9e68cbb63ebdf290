"""`meshfit check` on several targets, under all engines, and in the formats of other programs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from meshfit.readers import download
from meshfit.readers.hub import HubId, repository_folder
from meshfit.rules.registry import engine_names

ROOT = Path(__file__).parents[2]
EXAMPLE = "examples/llama-8b"


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def config(folder: Path, **changes: Any) -> str:
    """A folder with the example's config, changed."""
    values = json.loads((ROOT / EXAMPLE / "config.json").read_text())
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**values, **changes}, indent=1))
    return str(folder)


# --- several targets


def test_each_target_has_its_verdict(run: Any, tmp_path: Path) -> None:
    """In the order given, each by the name given; the worst one is the exit code."""
    small = config(tmp_path / "small", num_key_value_heads=4)
    code, out, err = run("check", EXAMPLE, small, "LlamaForCausalLM", "--mesh", "tp=8")
    assert (code, err) == (1, "")
    verdicts = [line for line in out.splitlines() if "engine transformers" in line]
    assert [line.partition(" (")[0] for line in verdicts] == [
        f"{EXAMPLE}: LlamaForCausalLM fits tp=8",
        f"{small}: LlamaForCausalLM does not fit tp=8",
        "LlamaForCausalLM fits tp=8",
    ]


def test_verdicts_of_one_line_stand_together(run: Any) -> None:
    """No blank lines between them."""
    assert len(run("check", EXAMPLE, "LlamaForCausalLM", "-m", "tp=2")[1].splitlines()) == 2


def test_a_target_that_cannot_be_read_does_not_stop_the_others(run: Any, tmp_path: Path) -> None:
    """One line among the errors for each, the exit code of a mistake, and a verdict on the rest."""
    (tmp_path / "config.json").write_text("{")
    code, out, err = run("check", str(tmp_path), EXAMPLE, "no/where", "-m", "tp=2")
    assert code == 2
    assert out == f"{EXAMPLE}: LlamaForCausalLM fits tp=2 (engine transformers)\n"
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["meshfit:"] * 2
    assert "is not JSON" in err.splitlines()[0]
    assert "no/where" in err.splitlines()[1]


def test_json_of_several_lists_them(run: Any) -> None:
    """Each as given, with its report or its error."""
    code, out, _ = run("check", EXAMPLE, "no/where", "-m", "tp=16", "--json")
    decoded = json.loads(out)
    first, second = decoded["targets"]
    assert (code, decoded["schema"], decoded["ok"]) == (2, 1, False)
    assert (first["given"], first["ok"], first["violations"][0]["code"]) == (EXAMPLE, False, "TP002")
    assert set(second) == {"given", "error"}


def test_a_mistake_of_the_question_is_told_once(run: Any) -> None:
    """It is no mistake of each target."""
    code, out, err = run("check", EXAMPLE, "LlamaForCausalLM", "-m", "tp=2", "--attn", "")
    assert (code, out, err) == (2, "", "meshfit: --attn is empty; name an implementation such as sdpa\n")


# --- all engines


def test_every_engine_has_a_column(run: Any) -> None:
    """What it says of each axis, by code."""
    code, out, _ = run("check", EXAMPLE, "-m", "tp=16,pp=5", "--engine", "all")
    lines = out.splitlines()
    rows = {line.split()[0]: re.split(r" {2,}", line)[1:] for line in lines[3:7]}
    assert (code, tuple(lines[2].split())) == (1, engine_names())
    table = {axis: dict(zip(engine_names(), cells, strict=True)) for axis, cells in rows.items()}
    assert (table["verdict"]["transformers"], table["verdict"]["vllm"]) == ("refused", "fits")
    assert (table["tp"]["transformers"], table["tp"]["vllm"]) == ("TP002", "ok")
    assert (table["pp"]["transformers"], table["pp"]["accelerate"]) == ("(PP004) (PP006) PP015", "PP011")


def test_what_engines_share_is_told_once(run: Any) -> None:
    """Under their names; each still has the flag it knows."""
    out = run("check", EXAMPLE, "-m", "tp=16", "--engine", "all")[1]
    shared = out.partition("Under generic, transformers, accelerate:\n")[2]
    assert shared.startswith("- Tensor parallelism (tp_size=16): num_key_value_heads (8)")
    assert "fix: tp_size=8, as a flag --parallelism.tensor_parallel_degree 8" in out


def test_all_engines_agree_with_each_alone(run: Any) -> None:
    """JSON holds the same reports."""
    decoded = json.loads(run("check", EXAMPLE, "-m", "tp=16", "--engine", "all", "--json")[1])
    assert (decoded["engine"], decoded["ok"], tuple(decoded["engines"])) == ("all", False, engine_names())
    for engine, report in decoded["engines"].items():
        alone = json.loads(run("check", EXAMPLE, "-m", "tp=16", "--engine", engine, "--json")[1])
        assert {"schema": 1, **report} == alone


def test_unknown_facts_are_shown_by_engine(run: Any) -> None:
    """On request."""
    out = run("check", EXAMPLE, "-m", "tp=2", "--engine", "all", "--show-unknown")[1]
    assert "torchtitan: not judged, for want of a fact:\n- Device mesh (mesh): world_size was not given" in out


# --- formats


def test_sarif_points_at_the_value(run: Any) -> None:
    """Relative to the working directory."""
    code, out, _ = run("check", EXAMPLE, "-m", "tp=16", "--format", "sarif")
    (result,) = json.loads(out)["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert code == 1
    assert place["artifactLocation"]["uri"] == f"{EXAMPLE}/config.json"
    assert place["region"] == {"startLine": 18, "startColumn": 26, "endLine": 18, "endColumn": 27}


def test_sarif_is_written_also_when_a_target_is_a_mistake(run: Any) -> None:
    """Whoever uploads it finds a file; the run is marked as failed."""
    code, out, err = run("check", "no/where", "-m", "tp=16", "--format", "sarif")
    (only,) = json.loads(out)["runs"]
    assert (code, only["results"], only["invocations"][0]["executionSuccessful"]) == (2, [], False)
    assert "no/where" in err


def test_github_annotates_the_line(run: Any) -> None:
    """One command for what several engines say alike, with their names."""
    code, out, _ = run("check", EXAMPLE, "-m", "tp=16", "-f", "github")
    assert (code, out.count("\n")) == (1, 1)
    assert out.startswith(f"::error file={EXAMPLE}/config.json,line=18,col=26,endColumn=27,title=TP002 tp-kv-heads::")
    everywhere = run("check", EXAMPLE, "-m", "tp=16", "-f", "github", "--engine", "all")[1]
    assert "(under generic, transformers, accelerate)%0A" in everywhere


def test_a_mesh_that_fits_gives_no_annotation(run: Any) -> None:
    """Nothing at all."""
    assert run("check", EXAMPLE, "-m", "tp=2", "-f", "github") == (0, "", "")


def test_a_class_of_the_user_points_at_itself(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of the class: none holds a size of the mesh."""
    (tmp_path / "mine.py").write_text("import torch\n\nclass Net(torch.nn.Module):\n    pass\n")
    monkeypatch.chdir(tmp_path)
    _, out, _ = run("check", "mine:Net", "-m", "tp=2", "-f", "github")
    assert out.startswith("::error file=mine.py,line=3,title=TP001 ")


# --- where the config is


def test_a_hub_id_is_looked_up_in_map_and_cache(run: Any, tmp_path: Path) -> None:
    """The map comes first; the origin names the file that was read."""
    code, _, err = run("check", "org/model", "-m", "tp=8")
    assert (code, "hf download org/model config.json" in err) == (2, True)
    folder = repository_folder(HubId("org/model"))
    config(folder / "snapshots" / "abc")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    assert run("check", "org/model", "-m", "tp=8")[0] == 0
    mapped = config(tmp_path / "mapped", num_key_value_heads=4)
    code, out, _ = run("check", "org/model", "-m", "tp=8", "--model-map", f"org/model={mapped}")
    assert (code, f"read from: {mapped}/config.json:" in out) == (1, True)


def test_a_model_is_fetched_only_when_asked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only one that is neither here nor a class."""
    fetched: list[HubId] = []

    def download_config(model: HubId) -> Path:
        fetched.append(model)
        folder = repository_folder(model)
        config(folder / "snapshots" / "abc")
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("abc")
        return folder / "snapshots" / "abc" / "config.json"

    monkeypatch.setattr(download, "download_config", download_config)
    assert run("check", "org/model", "-m", "tp=8")[0] == 2
    assert fetched == []
    line = ("check", EXAMPLE, "LlamaForCausalLM", "org/model", "gpt2", "-m", "tp=8", "--download")
    assert (run(*line)[0], fetched) == (0, [HubId("org/model"), HubId("gpt2")])
    assert (run(*line)[0], len(fetched)) == (0, 2)


def test_tied_embeddings_are_judged_as_given(run: Any, tmp_path: Path) -> None:
    """In place of what the config, its text part or the class's default says."""
    untied, tied = config(tmp_path / "untied"), config(tmp_path / "tied", tie_word_embeddings=True)
    for target, default in ((untied, 0), (tied, 1), ("LlamaForCausalLM", 0)):
        line = ("check", target, "-m", "pp=2", "--engine", "torchtitan")
        assert run(*line)[0] == default
        assert run(*line, "--tied")[0] == 1
        assert run(*line, "--no-tied")[0] == 0
    out = run("check", untied, "-m", "pp=2", "--engine", "torchtitan", "--tied")[1]
    assert "read from: the question tie_word_embeddings" in out
