"""`meshfit lint`: what it takes, what it prints, and what it exits with."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshfit.cli.main import main

SOUND = "step_scheduler: {}\ndistributed:\n  strategy: fsdp2\n  tp_size: 8\n"
WRONG = SOUND.replace("8", "3")
MODEL = str(Path(__file__).parent / "corpus" / "models" / "llama-8b")

Answer = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run `meshfit lint` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> Answer:
        code = main(["lint", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def write(name: str, text: str) -> None:
    """Write a file below the working directory."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_nothing_wrong_exits_with_0(run: Any) -> None:
    """And says what was looked at."""
    write("a.yaml", SOUND)
    assert run(".", "--world", "8") == (0, "nothing wrong in 1 mesh of 1 file\n", "")


def test_a_finding_exits_with_1_and_names_place_rule_consequence_and_fix(run: Any) -> None:
    """In the manner of compilers."""
    write("r/a.yaml", WRONG)
    code, out, _ = run("r", "--world", "8")
    assert code == 1
    assert out == (
        "r/a.yaml:4:12: error: Device mesh (world_size=3): the mesh needs 3 ranks (tp_size=3), which does not divide "
        "world_size (8) (MS001 mesh-world-size; if ignored, refused with an error before the weights load)\n"
        "    help: set tp_size=8, or start 3 ranks\n"
        "1 error in 1 mesh of 1 file\n"
    )


def test_a_broken_file_exits_with_2_and_the_others_are_told(run: Any) -> None:
    """Both findings stand in the output."""
    write("a.yaml", SOUND + "x: [")
    write("b.yaml", WRONG)
    code, out, _ = run(".", "--world", "8")
    assert code == 2
    assert "a.yaml:5" in out
    assert "b.yaml:4:12" in out
    assert out.endswith("1 error, 1 file that cannot be read in 1 mesh of 1 file\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "'nowhere' does not exist"),
        (("*.none",), "names no file"),
        ((".", "--world", "0"), "--world must be at least 1"),
        ((".", "--engine", "nemoo"), "unknown engine 'nemoo'"),
        ((".", "--model", "nowhere/at-all"), "nowhere/at-all"),
        ((".", "--select", "TP0O2"), "no rule is called 'TP0O2'; did you mean 'TP"),
        ((".", "--ignore", "mesh-world-sise"), "did you mean 'mesh-world-size'?"),
        ((".", "--model-map", "org/name"), "is no ID=FOLDER"),
        ((".", "--model-map", "org/name=none"), "does not exist"),
        ((".", "--baseline", "none.json"), "cannot be read"),
        ((".", "--write-baseline", "none/none.json"), "cannot be written"),
    ],
)
def test_a_mistake_of_the_user_is_one_line(run: Any, arguments: tuple[str, ...], told: str) -> None:
    """On the error stream, with exit code 2."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_patterns_exclusions_and_folders_of_other_programs(run: Any) -> None:
    """A pattern may be quoted; what is excluded or not ours is not entered."""
    for name in ("a/x.yaml", "b/x.yaml", ".git/x.yaml", "node_modules/x.yaml", "b/deep/y.yaml"):
        write(name, WRONG)
    assert "of 3 files" in run(".", "--world", "8")[1]
    assert "of 1 file" in run(".", "--world", "8", "--exclude", "b")[1]
    assert "of 2 files" in run(".", "--world", "8", "--exclude", "y.yaml")[1]
    assert "of 2 files" in run("[ab]/x.yaml", "--world", "8")[1]
    assert "of 3 files" in run("[ab]/**/*.yaml", "b", "b/x.yaml", "--world", "8")[1]


def test_standard_input_has_a_name(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its suffix tells the format; without one the text does."""
    toml = "[parallelism]\ntensor_parallel_degree = 3\n"
    for text, name in ((WRONG, None), (WRONG, "x/a.yaml"), ('{"tp_size": 3, "fsdp_size": 1}', None), (toml, "a.toml")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        code, out, _ = run("-", "--world", "8", *(("--stdin-filename", name) if name else ()))
        assert code == 1
        assert out.startswith(f"{name or '-'}:")
        assert "MS001" in out


def test_the_model_comes_from_the_map_the_folder_the_cache_or_the_option(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By whichever of them knows it; otherwise it is unknown, and said to be so on request."""
    named = SOUND.replace("8", "16") + "model:\n  pretrained_model_name_or_path: org/llama\n"
    write("r/a.yaml", named)
    write("r/b.yaml", SOUND.replace("8", "16"))
    assert run("r")[0] == 0
    assert "model 'org/llama' is not in the hub cache" in run("r", "--show-unknown")[1]
    assert run("r", "--model-map", f"org/llama={MODEL}")[1].count("TP002") == 1
    assert run("r", "--model", MODEL)[1].splitlines()[0].startswith("r/b.yaml:4:12: error: LlamaForCausalLM: Tensor")
    config = (Path(MODEL) / "config.json").read_text(encoding="utf-8")
    write("r/org/llama/config.json", config)
    assert run("r/a.yaml")[1].count("TP002") == 1
    Path("r/org/llama/config.json").unlink()
    write("hub/models--org--llama/refs/main", "abc")
    write("hub/models--org--llama/snapshots/abc/config.json", config)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert run("r/a.yaml")[1].count("TP002") == 1


def test_engine_ranks_and_length_may_be_given(run: Any) -> None:
    """Whatever the files say."""
    write("a.yaml", SOUND)
    assert "TP009" in run(".", "--gpus-per-node", "4")[1]
    assert run(".", "--gpus-per-node", "4")[0] == 0
    assert run(".", "--gpus-per-node", "4", "--strict")[0] == 1
    write("a.yaml", SOUND.replace("tp_size", "cp_size"))
    assert "CP005" in run(".", "--seq-len", "1000", "--engine", "accelerate")[1]


def test_codes_are_selected_and_ignored(run: Any) -> None:
    """By code, by the beginning of one, or by name; a broken file is told in any case."""
    write("a.yaml", WRONG + "  cp_size: 0\n")
    assert "RC002" not in run(".", "--world", "8", "--select", "MS")[1]
    assert run(".", "--ignore", "rc002")[1] == "nothing wrong in 1 mesh of 1 file\n"
    assert run(".", "--ignore", "recipe-bad-size")[0] == 0
    write("b.yaml", WRONG + "x: [")
    assert run("b.yaml", "--ignore", "RC")[0] == 2


@pytest.mark.parametrize(
    ("before", "behind", "code"),
    [
        ("", "  # meshfit: ignore", 0),
        ("", "  # meshfit: ignore[MS001]", 0),
        ("", "  # meshfit: ignore[ms001, TP002] because", 0),
        ("", "  # meshfit: ignore[mesh-world-size]", 0),
        ("  # meshfit: ignore[MS001]\n", "", 0),
        ("", "  # meshfit: ignore[TP002]", 1),
        ("", "  # meshfit: ignored", 1),
        ("# meshfit: ignore\n\n", "", 1),
    ],
)
def test_a_comment_ignores_its_line_or_the_next(run: Any, before: str, behind: str, code: int) -> None:
    """Those codes, or all."""
    write("a.yaml", WRONG.replace("  tp_size: 3", f"{before}  tp_size: 3{behind}"))
    assert run(".", "--world", "8")[0] == code


def test_json_has_comments_of_its_own(run: Any) -> None:
    """With two slashes."""
    write("a.json", '{"fsdp_size": 1,\n "tp_size": 3 // meshfit: ignore[MS001]\n}')
    assert run(".", "--world", "8")[0] == 0


def test_ignores_that_silence_nothing_are_told_on_request(run: Any) -> None:
    """The comment, or the code in it."""
    write("a.yaml", SOUND.replace("8", "8  # meshfit: ignore") + "# meshfit: ignore[TP002, MS001]\n")
    assert run(".")[1] == "nothing wrong in 1 mesh of 1 file\n"
    code, out, _ = run(".", "--unused-ignores")
    assert code == 0
    assert "a.yaml:4:15: warning: unused ignore (RC008" in out
    assert "a.yaml:5:1: warning: unused ignore of MS001, TP002" in out


def test_known_findings_are_not_told_again_when_lines_move(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any working directory; a second one of the kind is new."""
    write("r/a.yaml", WRONG)
    assert run("r", "--world", "8", "--write-baseline", "known.json")[:2] == (0, "known.json knows 1 finding\n")
    write("r/a.yaml", "# one\n# two\n" + WRONG)
    assert run("r", "--world", "8", "--baseline", "known.json")[0] == 0
    write("r/b.yaml", WRONG)
    code, out, _ = run("r", "--world", "8", "--baseline", "known.json")
    assert (code, out.count("MS001")) == (1, 1)
    assert out.startswith("r/b.yaml")
    Path("r/b.yaml").unlink()
    monkeypatch.chdir("r")
    assert run("a.yaml", "--world", "8", "--baseline", "../known.json")[0] == 0
    Path("../known.json").write_text("[]", encoding="utf-8")
    assert run("a.yaml", "--baseline", "../known.json")[0] == 2


def test_a_broken_file_is_never_known(run: Any) -> None:
    """It is told while the baseline is written, and again by it."""
    write("a.yaml", SOUND + "x: [")
    code, out, _ = run("a.yaml", "--write-baseline", "known.json")
    assert code == 2
    assert out == "a.yaml is not YAML: did not find expected node content\nknown.json knows 0 findings\n"
    assert run("a.yaml", "--baseline", "known.json")[0] == 2


def test_statistics_count_rules_and_tools(run: Any) -> None:
    """Most frequent first."""
    write("a.yaml", WRONG)
    write("b.yaml", WRONG + "  cp_size: 0\n")
    write("c.json", '{"zero_optimization": {}, "tensor_parallel": {"autotp_size": 8}}')
    lines = run(".", "--world", "8", "--statistics")[1].splitlines()[-4:]
    assert lines == [
        "     1 MS001 mesh-world-size",
        "     1 RC002 recipe-bad-size",
        "     2 meshes of nemo",
        "     1 mesh of deepspeed",
    ]


def test_json_lists_findings_and_meshes(run: Any) -> None:
    """One object, with every place."""
    write("a.yaml", WRONG)
    code, out, _ = run(".", "--world", "8", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["meshes"] == [
        {"path": "a.yaml", "line": 3, "tool": "nemo", "model": None, "engine": "nemo", "mesh": {"tp": 3}}
    ]
    (finding,) = told["findings"]
    assert (finding["code"], finding["line"], finding["column"], finding["end_column"]) == ("MS001", 4, 12, 13)


def test_sarif_and_github_point_to_the_same_place(run: Any) -> None:
    """The region of the size, and its line as an annotation."""
    write("a.yaml", WRONG)
    (result,) = json.loads(run("a.yaml", "--world", "8", "--format", "sarif")[1])["runs"][0]["results"]
    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == "a.yaml"
    assert where["region"] == {"startLine": 4, "startColumn": 12, "endLine": 4, "endColumn": 13}
    out = run("a.yaml", "--world", "8", "--format", "github")[1]
    assert out.startswith("::error file=a.yaml,line=4,col=12,endColumn=13,title=MS001")


def test_a_thousand_recipes_take_seconds(tmp_path: Path) -> None:
    """Well below twenty, half a gigabyte, and without torch or transformers."""
    for number in range(1000):
        size = 2 ** (number % 5)
        text = f"model:\n  pretrained_model_name_or_path: org/llama\n{SOUND}  pp_size: {size}\n"
        filler = "".join(f"section_{line}:\n  key: value of {line}\n  other: [1, 2]\n" for line in range(20))
        (tmp_path / f"{number}.yaml").write_text(text + filler, encoding="utf-8")
    program = (
        "import resource, sys\n"
        "from meshfit.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        # not ru_maxrss, which begins with what the parent used
        "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(code, int(used.ru_utime + used.ru_stime), int(peak) // 1000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "lint", str(tmp_path), "--model-map", f"org/llama={MODEL}"],
        capture_output=True,
        text=True,
        check=True,
    )
    told, numbers = done.stdout.splitlines()[-2:]
    assert told == "nothing wrong in 1000 meshes of 1000 files"
    code, seconds, megabytes = map(int, numbers.split())
    assert code == 0
    assert seconds < 20
    assert megabytes < 500


def test_a_script_is_told_by_its_suffix_or_its_first_line(run: Any) -> None:
    """One of another program is passed over."""
    script = "vllm serve org/llama -tp 0\n"
    write("a.sh", script)
    write("b", "#!/usr/bin/env bash\n" + script)
    write("c", "#!/usr/bin/env perl\n" + script)
    write("d", script)
    out = run(".")[1]
    assert "a.sh:1:26: error: " in out
    assert "b:2:26: error: " in out
    assert out.endswith("in 2 meshes of 2 files\n")


def test_a_program_is_read_and_not_run(run: Any) -> None:
    """By its suffix or first line; one that is no Python is told of when it holds sizes."""
    program = "from meshfit import MeshSpec\nopen('ran', 'w')\nmesh = MeshSpec(tp_size=0)\n"
    write("a.py", program)
    write("b", "#!/usr/bin/env python3\n" + program)
    code, out, _ = run(".")
    assert code == 1
    assert "a.py:3:8: error: " in out
    assert "b:4:8: error: " in out
    assert not Path("ran").exists()
    write("c.py", "print 'tp_size'\nMeshSpec(tp_size=1)\n")
    code, out, _ = run("c.py")
    assert code == 2
    assert out.startswith("c.py:1:")
