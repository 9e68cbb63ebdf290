"""`meshfit fit`: what it prints, and what it exits with."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import meshfit.checking
from meshfit.checking import check
from meshfit.cli.main import main
from meshfit.cli.progress import progress
from meshfit.mesh import AXES

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "llama-8b")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process: exit code, output, errors."""

    def command(line: str) -> tuple[int, str, str]:
        code = main(["fit", *line.split()])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def decoded(run: Any) -> Any:
    """Run it with `--json`, and read that."""

    def command(line: str) -> dict[str, Any]:
        code, out, err = run(f"{line} --json")
        assert (code, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        return found

    return command


# --- the meshes of a world


def test_the_ten_best_meshes_are_listed(run: Any) -> None:
    """With how many there are, what each rank holds, and how to see the rest."""
    code, out, err = run(f"{EXAMPLE} --world 64")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "LlamaForCausalLM on 64 ranks (engine transformers): 122 meshes fit, the best 10"
    assert lines[2].split() == ["mesh", "weights", "a", "rank", "multiples", "of", "unknown"]
    assert lines[3].split() == ["dp_shard=64", "0.23", "GiB"]
    assert lines[13] == "  112 more with --all"


def test_each_axis_tells_how_far_it_goes_and_why(run: Any) -> None:
    """In the words of the rule that stops it."""
    out = run(f"{EXAMPLE} --world 64")[1]
    assert (
        "largest tp_size that works: 8 (of 1, 2, 4, 8), because at 16: num_key_value_heads (8) is not divisible by "
        "tp_size (16)\n"
    ) in out
    assert "no ep_size above 1 works, because at 2: has no expert plan" in out
    assert "largest pp_size that works: 64 (of 1, 2, 4, 8, 16, 32, 64)\n" in out


def test_all_lists_every_mesh(run: Any, decoded: Any) -> None:
    """In the order that the ten best begin."""
    every = decoded(f"{EXAMPLE} --world 64 --all")["meshes"]
    best = decoded(f"{EXAMPLE} --world 64")
    assert (len(every), best["total"]) == (122, 122)
    assert every[:10] == best["meshes"]
    assert "--all" not in run(f"{EXAMPLE} --world 64 --all")[1]


@pytest.mark.parametrize("engine", ["transformers", "nemo", "accelerate"])
def test_check_says_the_same_of_every_mesh_that_is_listed(engine: str, decoded: Any) -> None:
    """Warnings and unknown facts included."""
    for found in decoded(f"{EXAMPLE} --world 16 --engine {engine} --all")["meshes"]:
        report = check(
            EXAMPLE, {f"{axis}_size": size for axis, size in found["mesh"].items()}, engine=engine, world_size=16
        )
        assert report.ok
        assert [violation.to_dict() for violation in report.warnings] == found["warnings"]
        assert report.to_dict()["unknown"] == found["unknown"]


def test_meshes_with_fewer_warnings_come_first(decoded: Any) -> None:
    """Then those with fewer unknown facts, then smaller tp, pp and cp; by rules alone."""
    meshes = decoded(f"{EXAMPLE} --world 16 --all --no-evidence")["meshes"]
    keys = [
        (len(each["warnings"]), len(each["unknown"]), *(each["mesh"].get(axis, 1) for axis in ("tp", "pp", "cp")))
        for each in meshes
    ]
    assert keys == sorted(keys)
    assert {key[0] for key in keys} == {0, 1}


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != "ep"])
def test_an_option_fixes_an_axis(axis: str, decoded: Any) -> None:
    """Every mesh has that size, and the axis needs no limit."""
    found = decoded(f"{EXAMPLE} --world 16 --{axis.replace('_', '-')} 2 --all")
    assert {each["mesh"][axis] for each in found["meshes"]} == {2}
    assert found["fixed"] == {axis: 2}
    assert axis not in found["axes"]


def test_experts_may_be_fixed_too(decoded: Any) -> None:
    """They are shared by ranks that there are already."""
    found = decoded("MixtralForCausalLM --world 16 --ep 8 --all")
    assert {each["mesh"]["ep"] for each in found["meshes"]} == {8}
    assert {each["multiples"]["num_experts"] for each in found["meshes"]} == {8}


def test_a_mesh_with_a_world_fixes_what_it_says(decoded: Any) -> None:
    """The data axes that it leaves out are sought, the others are not used."""
    found = decoded(f"{EXAMPLE} --world 64 --mesh tp=8 --all")
    assert {each["mesh"].pop("tp") for each in found["meshes"]} == {8}
    assert {axis for each in found["meshes"] for axis in each["mesh"]} == {"dp_shard", "dp_replicate"}


def test_nodes_and_their_devices_are_a_world(decoded: Any) -> None:
    """And tell which tensor groups stay within a node."""
    found = decoded(f"{EXAMPLE} --nodes 2 --gpus-per-node 4 --tp 8")
    assert found["world"] == 8
    assert [warning["code"] for warning in found["meshes"][0]["warnings"]] == ["TP009"]


def test_what_will_be_set_at_load_is_judged(decoded: Any) -> None:
    """Another attention than SDPA leaves no ring; a length leaves rings that divide it."""
    assert decoded(f"{EXAMPLE} --world 16 --attn eager")["axes"]["cp"]["legal"] == [1]
    assert decoded(f"{EXAMPLE} --world 16 --seq-len 24")["axes"]["cp"]["legal"] == [1, 2, 4]
    assert decoded("MixtralForCausalLM --world 64 --experts eager")["axes"]["tp"]["largest"] == 8


def test_a_tied_head_is_judged_as_it_will_be(decoded: Any) -> None:
    """NeMo cannot lay one weight on two stages."""
    assert decoded(f"{EXAMPLE} --world 16 --engine nemo")["axes"]["pp"]["largest"] == 16
    assert decoded(f"{EXAMPLE} --world 16 --engine nemo --tied")["axes"]["pp"]["largest"] == 1


def test_a_model_map_leads_to_the_config(decoded: Any) -> None:
    """For a hub id that is not in the cache."""
    assert decoded(f"some/model --model-map some/model={EXAMPLE} --world 8")["target"] == "LlamaForCausalLM"


def test_strictly_a_warning_leaves_a_mesh_out(decoded: Any) -> None:
    """A pipeline of transformers has one, whatever else is right."""
    assert decoded(f"{EXAMPLE} --world 16")["axes"]["pp"]["largest"] == 16
    assert decoded(f"{EXAMPLE} --world 16 --strict")["axes"]["pp"]["largest"] == 1


def test_where_nothing_fits_the_nearest_mesh_tells_why(run: Any) -> None:
    """Exit 1, the violation and its help."""
    code, out, err = run(f"{EXAMPLE} --world 64 --tp 16")
    assert (code, err) == (1, "")
    assert out.splitlines()[0] == (
        "LlamaForCausalLM on 64 ranks with tp=16 (engine transformers): no mesh fits, the nearest is tp=16,dp_shard=4"
    )
    assert "- Tensor parallelism (tp_size=16): num_key_value_heads (8) is not divisible by tp_size (16)" in out
    assert "use tp_size 1, 2, 4 or 8" in out
    assert json.loads(run(f"{EXAMPLE} --world 64 --tp 16 --json")[1])["refused"]["violations"][0]["code"] == "TP002"


def test_one_device_is_a_world_too(run: Any) -> None:
    """With one mesh, and no size to go further."""
    code, out, _ = run(f"{EXAMPLE} --world 1")
    assert code == 0
    assert out.splitlines() == [
        "LlamaForCausalLM on 1 rank (engine transformers): 1 mesh fits",
        "",
        "  mesh        weights a rank",
        "  one device  14.96 GiB",
    ]


# --- the worlds of a mesh


@pytest.mark.parametrize(
    ("mesh", "told"),
    [
        ("tp=8", "fits every multiple of 8 ranks, up to the 4096 that were tried"),
        ("pp=2", "fits 2 ranks, and no other multiple of 2 up to 4096"),
        ("tp=2,dp_shard=2,dp_replicate=2", "fits 8 ranks"),
    ],
)
def test_a_mesh_alone_is_asked_for_its_worlds(mesh: str, told: str, run: Any) -> None:
    """One line."""
    code, out, _ = run(f"{EXAMPLE} --mesh {mesh}")
    assert (code, out.count("\n")) == (0, 1)
    assert out.endswith(f" (engine transformers): {told}\n")


def test_a_mesh_that_fits_no_world_tells_why(run: Any) -> None:
    """Exit 1."""
    code, out, _ = run(f"{EXAMPLE} --mesh tp=16")
    assert code == 1
    assert "fits no world of up to 4096 ranks" in out
    assert "num_key_value_heads (8) is not divisible by tp_size (16)" in out


def test_worlds_are_json_too(decoded: Any) -> None:
    """Each of them, and the number that they are the multiples of."""
    found = decoded(f"{EXAMPLE} --mesh tp=8,cp=64")
    assert (found["every"], found["tried_up_to"], found["worlds"]) == (512, 4096, list(range(512, 4097, 512)))


# --- mistakes


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "how many ranks? give --world 64"),
        ("--world 0", "--world must be at least 1"),
        ("--world 64 --tp 0", "tp_size must be >= 1"),
        ("--world 64 --tp 6", "no mesh of 64 ranks has tp=6: 64 is not a multiple of 6"),
        ("--world 64 --ep 6", "no mesh of 64 ranks has ep=6"),
        ("--world 64 --mesh tp=8,dp_shard=2,dp_replicate=2", "has 32 ranks, not 64"),
        ("--world 64 --mesh tp=8 --pp 2", "write pp=2 into --mesh"),
        ("--mesh tq=8", "unknown axis 'tq'"),
        ("--world 64 --engine transformer", "did you mean transformers"),
        ("--world 64 --seq-len 0", "seq_len must be an int >= 1"),
        ("--world 10000000", "a world has at most 1000000 ranks"),
        ("--mesh tp=10000000", "a world has at most 1000000 ranks"),
        ("--nodes 2", "add --gpus-per-node"),
    ],
)
def test_a_mistake_is_told_in_one_line(line: str, told: str, run: Any) -> None:
    """Exit 2, on the error stream."""
    code, out, err = run(f"{EXAMPLE} {line}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_a_target_that_nobody_knows_is_a_mistake(run: Any) -> None:
    """As for check."""
    code, out, err = run("NoSuchModel --world 8")
    assert (code, out) == (2, "")
    assert "NoSuchModel" in err


def test_help_says_that_memory_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """And gives examples."""
    assert main(["fit", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Memory is not judged" in out
    assert "meshfit fit examples/llama-8b --mesh pp=2" in out


# --- manners


class _Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_when_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves nothing behind, also when it is interrupted."""
    terminal = _Terminal()
    clock = iter([0.0, 0.1, 0.9, 1.0, 1.1, 1.2])
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with contextlib.suppress(KeyboardInterrupt), progress("judging") as tell:
        for part in (0.2, 0.3, 0.301, 0.4):
            tell(part)
        raise KeyboardInterrupt
    assert terminal.getvalue() == "\rjudging: 30 %\rjudging: 40 %\r\033[K"


def test_progress_is_silent_where_errors_go_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("meshfit.cli.progress.PATIENCE", -1)
    with progress("judging") as tell:
        tell(0.5)
    assert stream.getvalue() == ""


def _process(*arguments: str, code: str = "") -> list[str]:
    return [sys.executable, *(["-c", code] if code else ["-m", "meshfit"]), *arguments]


def test_an_interrupt_ends_a_long_list_quietly() -> None:
    """Exit 130, no traceback."""
    line = ["fit", "MixtralForCausalLM", "--world", "720720", "--engine", "generic"]
    with subprocess.Popen(_process(*line), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def test_neither_torch_nor_transformers_is_imported() -> None:
    """Source is read instead."""
    code = (
        "import sys; from meshfit.cli.main import main; main(sys.argv[1:]);"
        "print({'torch', 'transformers', 'numpy', 'yaml', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        _process("fit", EXAMPLE, "--world", "8", code=code), capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.parametrize("target", [EXAMPLE, "MixtralForCausalLM"])
def test_a_world_of_4096_is_answered_at_once(target: str) -> None:
    """A second on an idle machine, with the interpreter; the benchmark holds that, this holds the order of it."""
    start = time.perf_counter()
    subprocess.run(_process("fit", target, "--world", "4096"), capture_output=True, check=True)
    assert time.perf_counter() - start < 5


def test_colours_are_for_terminals(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piped text is plain."""
    assert "\033" not in run(f"{EXAMPLE} --world 8")[1]
    monkeypatch.setattr("meshfit.cli.fit_output.wants_color", lambda: True)
    colored = run(f"{EXAMPLE} --world 8")[1]
    assert colored.startswith("\033[1mLlamaForCausalLM\033[0m on 8 ranks")
    assert "\n  \033[1mmesh " in colored


def test_the_facts_are_read_once(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many meshes are judged."""
    calls = []
    asked = meshfit.checking.asked_facts
    monkeypatch.setattr(meshfit.checking, "asked_facts", lambda *a, **k: calls.append(a) or asked(*a, **k))
    run(f"{EXAMPLE} --world 16 --all")
    assert calls == [(EXAMPLE,)]
