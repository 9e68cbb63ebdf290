"""`meshfit explain-error`: where it reads, what it exits with, and the verdict of check beside it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from meshfit.cli import explain_error_command
from meshfit.cli.main import main

ROOT = Path(__file__).parents[2]
LOG = ROOT / "examples" / "crash.log"
EXAMPLE = str(ROOT / "examples" / "llama-8b")
NAMES_NOTHING = "KeyError: 'labels'\n"


class _Piped:
    """What stands in for a standard input that is piped."""

    def __init__(self, text: str) -> None:
        self.buffer = io.BytesIO(text.encode())

    def isatty(self) -> bool:
        return False


def test_a_named_rule_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The text has the line, the rank, the numbers and the rule."""
    assert main(["explain-error", str(LOG)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("line 56, ranks 0, 1: RuntimeError: shape '[2, 16, -1, 16]'")
    assert "0.5 heads" in text
    assert "TP002 tp-kv-heads" in text


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_a_piped_log_is_read(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing recognised exits with 1, and says so."""
    monkeypatch.setattr(sys, "stdin", _Piped(NAMES_NOTHING))
    assert main(["explain-error", *arguments]) == 1
    assert capsys.readouterr().out == (
        "No rule is recognised in 1 lines.\nThe first error is in line 1: KeyError: 'labels'\n"
    )


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With the numbers, the rules and the mesh."""
    assert main(["explain-error", str(LOG), "--mesh", "tp=2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (cause,) = shown["causes"]
    assert (cause["line"], cause["ranks"], cause["rules"]) == (56, [0, 1], [{"code": "TP002", "slug": "tp-kv-heads"}])
    assert cause["message"] == "num_key_value_heads (1) is not divisible by tp_size (2)"
    assert shown["mesh"]["tp"] == 2
    assert shown["check"] is None


@pytest.mark.parametrize(("mesh", "agrees"), [("tp=16", True), ("tp=8", False)])
def test_the_verdict_of_check_stands_beside_it(mesh: str, agrees: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight key/value heads are not cut over sixteen ranks, over eight they are."""
    assert main(["explain-error", str(LOG), "--target", EXAMPLE, "--mesh", mesh, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["check"]["agrees"] is agrees
    main(["explain-error", str(LOG), "--target", EXAMPLE, "--mesh", mesh])
    assert ("check agrees" if agrees else "check does not report it") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.log"], "cannot read 'missing.log'"),
        (["."], "cannot read '.'"),
        (["\0"], "cannot read"),
        ([str(LOG), "--mesh", "xy=2"], "unknown axis"),
        ([str(LOG), "--target", EXAMPLE], "--mesh"),
        ([str(LOG), "--target", "NoSuchModel", "--mesh", "tp=2"], "NoSuchModel"),
        ([str(LOG), "--target", EXAMPLE, "--mesh", "tp=2", "--engine", "trnsformers"], "did you mean transformers?"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And exits with 2."""
    assert main(["explain-error", *arguments]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert says in told.err


def test_the_logs_of_several_ranks_are_told_with_the_cause_first(capsys: pytest.CaptureFixture[str]) -> None:
    """A launcher may write a file for each rank; the one that lost the other stands last."""
    follows = ROOT / "tests" / "crashes" / "logs" / "one_rank.txt"
    assert main(["explain-error", str(follows), str(LOG)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{LOG}:\nline 56, ranks 0, 1")
    assert text.index(f"\n{follows}:\nNo rule is recognised") > 0
    assert main(["explain-error", str(follows), str(LOG), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["files"]
    assert [(each["file"], len(each["causes"])) for each in shown] == [(str(follows), 0), (str(LOG), 1)]


def test_one_file_of_several_that_cannot_be_read_is_a_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are read all the same."""
    assert main(["explain-error", "missing.log", str(LOG), str(LOG)]) == 2
    told = capsys.readouterr()
    assert told.out.count("TP002 tp-kv-heads") == 1
    assert told.err == "meshfit: cannot read 'missing.log': No such file or directory\n"
    assert main(["explain-error", "missing.log", str(LOG), "--json"]) == 2
    assert [each["file"] for each in json.loads(capsys.readouterr().out)["files"]] == [str(LOG), "missing.log"]


def test_check_speaks_where_no_rule_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to agree with."""
    (tmp_path / "x.log").write_text(NAMES_NOTHING)
    assert main(["explain-error", str(tmp_path / "x.log"), "--target", EXAMPLE, "--mesh", "tp=16"]) == 1
    assert "check says:\nLlamaForCausalLM does not fit tp=16" in capsys.readouterr().out


def test_an_empty_log_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So is one of blanks."""
    (tmp_path / "empty.log").write_text(" \n\n")
    assert main(["explain-error", str(tmp_path / "empty.log")]) == 2
    assert "the log is empty" in capsys.readouterr().err


def test_a_log_that_is_too_large_says_how_to_shorten_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Instead of filling the memory."""
    monkeypatch.setattr(explain_error_command, "LARGEST", 100)
    assert main(["explain-error", str(LOG)]) == 2
    assert "tail -c" in capsys.readouterr().err


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody types a log."""
    piped = _Piped("")
    piped.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", piped)
    assert main(["explain-error"]) == 2
    assert "no log" in capsys.readouterr().err


def test_no_framework_is_loaded() -> None:
    """Not even to confirm by check."""
    code = (
        "import sys; from meshfit.cli.main import main; "
        f"main(['explain-error', {str(LOG)!r}, '--target', {EXAMPLE!r}, '--mesh', 'tp=16']); "
        "sys.exit(bool({'torch', 'transformers'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
