"""`meshfit check`: what it prints, and what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import meshfit.checking
from meshfit.cli.main import main
from meshfit.errors import TargetError
from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Report, Severity, UnknownFact, Violation

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "llama-8b")

Answer = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process: exit code, output, errors."""

    def command(*arguments: str) -> Answer:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the command passes on; the answer has one warning and one unknown fact."""
    calls: list[tuple[Any, ...]] = []
    waste = Violation(
        code="PP007",
        slug="pp-uneven",
        axis="pp",
        size=2,
        severity=Severity.WARNING,
        consequence=Consequence.WASTE,
        message="num_hidden_layers (33) is not divisible by pp_size (2)",
        help="use pp_size 1 or 3",
    )

    def asked_facts(target: Any, **question: Any) -> ModelFacts:
        calls.append((target, {name: value for name, value in question.items() if value is not None}))
        return ModelFacts()

    def judged(_: ModelFacts, mesh: MeshSpec, *, engine: str | None, strict: bool) -> Report:
        calls.append((mesh, engine, strict))
        report = Report(
            target="Tiny",
            mesh=mesh,
            engine="generic",
            violations=(waste,),
            unknown=(UnknownFact("pp", "tied_head", "PP009"),),
        )
        return report.strict() if strict else report

    monkeypatch.setattr(meshfit.checking, "asked_facts", asked_facts)
    monkeypatch.setattr(meshfit.checking, "judged", judged)
    return calls


# --- verdicts on the shipped example


def test_a_mesh_that_fits_exits_with_0(run: Any) -> None:
    """One line, and nothing among the errors."""
    code, out, err = run("check", EXAMPLE, "--mesh", "tp=8")
    assert (code, err) == (0, "")
    assert out.startswith("LlamaForCausalLM fits tp=8 (engine transformers)")


def test_a_mesh_that_does_not_fit_exits_with_1(run: Any) -> None:
    """Both numbers, where they were read, and what would work."""
    code, out, err = run("check", EXAMPLE, "--mesh", "tp=16")
    assert (code, err) == (1, "")
    assert "num_key_value_heads (8) is not divisible by tp_size (16)" in out
    assert f"{EXAMPLE}/config.json:18:26" in out
    assert "--distributed.tp_size=8" in out


def test_json_holds_the_same_verdict(run: Any) -> None:
    """`--json` is short for `--format json`."""
    code, out, _ = run("check", EXAMPLE, "--mesh", "tp=16", "--json")
    assert (code, out) == run("check", EXAMPLE, "--mesh", "tp=16", "--format", "json")[:2]
    decoded = json.loads(out)
    assert (code, decoded["schema"], decoded["ok"], decoded["mesh"]) == (1, 1, False, {"tp": 16})
    heads = next(v for v in decoded["violations"] if "num_key_value_heads" in v["message"])
    assert {"where": f"{EXAMPLE}/config.json", "line": 18, "column": 26, "pointer": "/num_key_value_heads"} in (
        heads["origins"]
    )


# --- options


def test_every_option_reaches_the_check(run: Any, asked: list[tuple[Any, ...]]) -> None:
    """By the names `check` gives them."""
    line = (
        "check T -m tp=2 --engine nemo --world 8 --gpus-per-node 4 --seq-len 64 --attn sdpa --experts eager --no-tied"
    )
    assert run(*line.split())[0] == 0
    question = {
        "world_size": 8,
        "seq_len": 64,
        "gpus_per_node": 4,
        "attn_implementation": "sdpa",
        "experts_implementation": "eager",
        "tied": False,
    }
    assert asked == [("T", question), (MeshSpec(tp_size=2), "nemo", False)]


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("--nodes 4 --gpus-per-node 8", (32, 8)),
        ("--nodes 4 --world 32", (32, 8)),
        ("--nodes 4 --world 32 --gpus-per-node 8", (32, 8)),
        ("--world 32", (32, None)),
        ("", (None, None)),
    ],
)
def test_nodes_and_their_devices_tell_the_world(
    run: Any, asked: list[tuple[Any, ...]], line: str, numbers: tuple[int | None, int | None]
) -> None:
    """Two of the three numbers tell the third."""
    assert run("check", "T", "-m", "tp=2", *line.split())[0] == 0
    assert (asked[0][1].get("world_size"), asked[0][1].get("gpus_per_node")) == numbers


def test_a_tensor_axis_that_leaves_its_node_is_a_warning(run: Any) -> None:
    """Eight ranks over nodes of four devices: it runs, slowly."""
    code, out, _ = run("check", EXAMPLE, "-m", "tp=8", "--gpus-per-node", "4")
    assert code == 0
    assert "TP009" in out


@pytest.mark.usefixtures("asked")
def test_strict_turns_a_warning_into_a_refusal(run: Any) -> None:
    """Exit code and words follow."""
    assert run("check", "T", "-m", "pp=2")[0] == 0
    code, out, _ = run("check", "T", "-m", "pp=2", "--strict")
    assert code == 1
    assert "does not fit" in out


@pytest.mark.usefixtures("asked")
def test_unknown_facts_are_counted_and_shown_on_request(run: Any) -> None:
    """The count always, the list with the flag."""
    out = run("check", "T", "-m", "pp=2")[1]
    assert "1 unknown fact" in out
    assert "tied_head" not in out
    assert "tied_head is unknown" in run("check", "T", "-m", "pp=2", "--show-unknown")[1]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("terminal", "environment", "colored"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    run: Any, monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], colored: bool
) -> None:
    """NO_COLOR counts when it is not empty."""
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert ("\033[" in run("check", "T", "-m", "pp=2")[1]) is colored


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("check T", "the following arguments are required: -m/--mesh"),
        ("check --mesh tp=2", "the following arguments are required: TARGET"),
        ("check T --mesh tp=2 --world two", "argument --world: invalid int value: 'two'"),
        ("check T --mesh tp=2 --format xml", "argument -f/--format: invalid choice"),
        ("check T --mesh tp=2 --enigne nemo", "unrecognized arguments: --enigne nemo"),
        ("check T --me tp=2", "the following arguments are required: -m/--mesh"),
        ("chekc T --mesh tp=2", "invalid choice: 'chekc'"),
        ("", "usage: meshfit"),
        ("check T --mesh tp:2", "meshfit: 'tp:2' in 'tp:2' is not axis=size"),
        ("check T --mesh tp=0", "meshfit: tp_size must be >= 1, got 0"),
        ("check T --mesh tp=2,tp=2", "meshfit: axis 'tp' appears twice"),
        ("check no/such/config.json --mesh tp=2", "no/such/config.json"),
        (f"check {EXAMPLE} --mesh tp=2 --engine nmo", "nmo"),
        (f"check {EXAMPLE} --mesh tp=2 --world 0", "--world must be at least 1, got 0"),
        (f"check {EXAMPLE} --mesh tp=2 --seq-len -1", "--seq-len must be at least 1"),
        ("check T --mesh tp=2 --nodes 2", "--nodes 2 alone tells no number of ranks"),
        ("check T --mesh tp=2 --nodes 0 --world 2", "--nodes must be at least 1, got 0"),
        ("check T --mesh tp=2 --nodes 3 --world 8", "--world 8 cannot be spread over --nodes 3 evenly"),
        ("check T --mesh tp=2 --nodes 2 --gpus-per-node 8 --world 8", "are 16 ranks, not --world 8"),
        ("check T --mesh tp=2 --live --tied", "leave out --tied and --no-tied, or --live"),
        ("check T --mesh tp=2 --model-map x", "'x' is no ID=FOLDER"),
    ],
)
def test_a_mistake_exits_with_2_and_one_message(run: Any, arguments: str, message: str) -> None:
    """Nothing on the output, no traceback among the errors."""
    code, out, err = run(*arguments.split())
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ("[]", "holds a list"),
        ("{}", "architectures"),
        ('{"architectures": ["NoSuchClass"]}', "NoSuchClass"),
        ('{"architectures": []}', "architectures"),
        ('{"architectures": 3}', "architectures"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_config_exits_with_2(run: Any, tmp_path: Path, content: str, message: str) -> None:
    """Also when the mesh is trivial, since the target is still unresolved."""
    (tmp_path / "config.json").write_text(content)
    for mesh in ("tp=2", "tp=1"):
        code, out, err = run("check", str(tmp_path), "--mesh", mesh)
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


# --- faults


def _failing(monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    def asked_facts(*args: Any, **question: Any) -> ModelFacts:
        raise fault

    monkeypatch.setattr(meshfit.checking, "asked_facts", asked_facts)


def test_a_fault_of_meshfit_exits_with_3_and_one_line(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict and a fault are never confused."""
    _failing(monkeypatch, ZeroDivisionError("a\nb"))
    code, out, err = run("check", "T", "-m", "tp=2")
    assert (code, out) == (3, "")
    assert err == "meshfit: internal fault: ZeroDivisionError: a b (set MESHFIT_DEBUG=1 to see where)\n"


def test_a_fault_shows_its_traceback_on_request(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MESHFIT_DEBUG lets it through."""
    _failing(monkeypatch, ZeroDivisionError())
    monkeypatch.setenv("MESHFIT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("check", "T", "-m", "tp=2")


def test_an_error_of_meshfit_is_the_users_to_mend(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any MeshfitError exits with 2."""
    _failing(monkeypatch, TargetError("no such thing"))
    assert run("check", "T", "-m", "tp=2") == (2, "", "meshfit: no such thing\n")


def test_an_interrupt_is_quiet(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as shells report it."""
    _failing(monkeypatch, KeyboardInterrupt())
    code, _, err = run("check", "T", "-m", "tp=2")
    assert code == 130
    assert "Traceback" not in err


# --- the program


def _program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meshfit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_module_runs_as_a_program() -> None:
    """`python -m meshfit` is the command, its exit code that of the verdict."""
    assert _program("check", EXAMPLE, "--mesh", "tp=8").returncode == 0
    assert _program("check", EXAMPLE, "--mesh", "tp=16").returncode == 1
    assert _program("check", EXAMPLE, "--mesh", "zz=16").returncode == 2


def test_help_teaches_and_the_version_is_told(run: Any) -> None:
    """Examples, axes and exit codes are in the help."""
    code, out, _ = run("check", "--help")
    assert code == 0
    for taught in ("meshfit check config.json --mesh tp=8,pp=2", "exit codes: 0", "tp, pp, cp, ep, dp_shard"):
        assert taught in out
    from importlib.metadata import version

    assert run("--version")[:2] == (0, f"meshfit {version('meshfit')}\n")


def test_a_reader_that_leaves_is_no_verdict() -> None:
    """The pipe is closed before anything is written: 141, and no complaint."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        command = [sys.executable, "-m", "meshfit", "check", EXAMPLE, "--mesh", "tp=16"]
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_an_output_that_cannot_hold_a_letter_still_gets_the_verdict(tmp_path: Path) -> None:
    """A path in another script, on a terminal of plain ASCII."""
    folder = tmp_path / "модель"
    folder.mkdir()
    (folder / "config.json").write_text((Path(EXAMPLE) / "config.json").read_text())
    ended = _program("check", str(folder), "--mesh", "tp=16", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ended.returncode == 1
    assert "config.json:18:26" in ended.stdout


_PROBE = """
import sys
from meshfit.cli.main import main
code = main(["check", sys.argv[1], "--mesh", "tp=2"])
slow = {"torch", "transformers", "accelerate", "rich", "yaml", "importlib.metadata"}
print(code, *sorted(slow & set(sys.modules)))
"""


def test_a_check_of_a_config_loads_no_framework() -> None:
    """The source of transformers is read, never run, and nothing slow is loaded beside it."""
    command = [sys.executable, "-c", _PROBE, EXAMPLE]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "0"
