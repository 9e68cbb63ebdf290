"""How every command behaves: its help, its complaints, what it loads, how a shell completes it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meshfit.cli.arguments import COMMANDS, command_module, parser

ROOT = Path(__file__).parents[2]
EXAMPLE = "examples/llama-8b"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_examples(run: Any, name: str) -> None:
    """What it does first, then lines to copy; a purpose of one line in the list of all."""
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert f"\n  meshfit {name} " in out or f"$(meshfit {name} " in out
    assert "exit codes: 0" in out
    assert COMMANDS[name] in " ".join(run("--help")[1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_a_help_is_understood(name: str) -> None:
    """The options in it exist; nothing is run."""
    lines = [
        line.partition("   ")[0] for line in command_module(name).DESCRIPTION.splitlines() if line.startswith("  ")
    ]
    commands = [part.strip() for line in lines for part in line.strip().split("; ") if part.startswith("meshfit ")]
    program = parser([name])
    for command in commands:
        words = command.partition("|")[0].partition(">")[0].replace("'", "").split()[1:]
        assert program.parse_all(words).command == name


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("chekc x", "meshfit: argument COMMAND: invalid choice: 'chekc'; did you mean check?"),
        ("zzzzzz", "meshfit: argument COMMAND: invalid choice: 'zzzzzz'; choose from check, "),
        ("--versoin", "meshfit: unrecognized arguments: --versoin; did you mean --version?"),
        (
            "check x -m tp=2 --enigne=nemo",
            "meshfit check: unrecognized arguments: --enigne=nemo; did you mean --engine?",
        ),
        ("check x -m tp=2 --wrld 8", "meshfit check: unrecognized arguments: --wrld 8; did you mean --world?"),
        ("check x -m tp=2 --zzzzzz", "meshfit check: unrecognized arguments: --zzzzzz; meshfit check --help lists"),
        ("check x -m tp=2 -f sarf", "meshfit check: argument -f/--format: invalid choice: 'sarf'; did you mean sarif?"),
        ("check x", "meshfit check: the following arguments are required: -m/--mesh; meshfit check --help shows how"),
        ("check x -m", "meshfit check: argument -m/--mesh: expected one argument"),
        ("check x -m tp=2 --engine torchtitn", "meshfit: unknown engine 'torchtitn'; did you mean torchtitan?"),
        (
            "check x -m tpp=2",
            "meshfit: unknown axis 'tpp' in 'tpp=2'; axes are tp, pp, cp, ep, dp_shard, dp_replicate, sp",
        ),
        ("check x -m tp=two", "meshfit: size 'two' of axis 'tp' in 'tp=two' is not a whole number >= 1"),
        ("check LlamaForCausalML -m tp=2", "did you mean LlamaForCausalLM?"),
        ("completion fish", "meshfit completion: argument SHELL: invalid choice: 'fish'; choose from bash, zsh, tcsh"),
    ],
)
def test_a_slip_is_told_in_one_line_with_what_was_meant(run: Any, line: str, complaint: str) -> None:
    """Of a command, an option, a choice, an engine, an axis, a class."""
    code, out, err = run(*line.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_a_complaint_stays_on_one_line_whatever_was_written(run: Any) -> None:
    """A line end in a word is no line of the complaint."""
    assert run("check", "x", "-m", "tp=2", "--a\nb")[2].count("\n") == 1


def test_an_interrupt_ends_the_program_at_once_and_quietly(tmp_path: Path) -> None:
    """Here while it waits for a server: 130, as shells report it, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "HF_HUB_CACHE": str(tmp_path),
            "HF_HUB_OFFLINE": "0",
            "no_proxy": "*",
        }
        command = [sys.executable, "-m", "meshfit", "check", "org/model", "--download", "-m", "tp=2"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
            connection, _ = silent.accept()
            with connection:
                program.send_signal(signal.SIGINT)
                out, err = program.communicate(timeout=10)
    assert (program.returncode, out, err) == (130, b"", b"")


# --- what is loaded

_PROBE = """
import sys
from meshfit.cli.main import main
code = main(sys.argv[1:])
heavy = {"torch", "transformers", "accelerate", "numpy", "huggingface_hub", "mypy", "pydantic", "typer"}
print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def loaded(*words: str) -> str:
    """The frameworks that a command of these words loads."""
    ended = subprocess.run([sys.executable, "-c", _PROBE, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "line",
    [
        f"check {EXAMPLE} -m tp=2 --engine all --show-unknown",
        f"check {EXAMPLE} LlamaForCausalLM no/where examples.own_class:MyLlamaForCausalLM -m tp=16 --tied",
        f"check {EXAMPLE} -m tp=16 --format sarif",
        f"check {EXAMPLE} -m tp=16 --format github",
        f"fit {EXAMPLE} --world 8",
        "explain TP002",
        "rules",
        "lint examples",
        "completion bash",
        "--help",
        "--version",
    ],
)
def test_no_command_loads_a_framework(line: str) -> None:
    """In a process of its own."""
    assert loaded(*line.split()) == ""


@pytest.mark.torch
def test_a_framework_would_be_seen() -> None:
    """`--live` is the option that loads one."""
    assert loaded("check", EXAMPLE, "-m", "tp=2", "--live").split()[-2:] == ["torch", "transformers"]


@pytest.mark.parametrize(("command", "told"), [("explain-error", "0 a rule is named"), ("fit", "0 something fits")])
def test_help_tells_the_exit_codes_of_its_command(run: Any, command: str, told: str) -> None:
    """What 0 and 1 mean is not the same for all."""
    assert told in run(command, "--help")[1]
