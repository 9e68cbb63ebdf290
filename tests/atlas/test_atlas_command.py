"""`meshfit atlas`: what it prints, in text and JSON, and what it exits with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.atlas.made import evidence

from meshfit.cli.main import main
from meshfit.evidence import COMPARED, Compared, Evidence, Outcome
from meshfit.readers.atlas_file import atlas_bytes

RECORDED = (
    evidence(),
    evidence(mesh="pp=2", placed={"stages": 2, "layers": 4}, compared={"reload": Compared("different", 0.95)}),
    evidence(
        mesh="ep=2,tp=2",
        outcome=Outcome.CLEAN,
        step="load",
        reason="ValueError: no ep_plan",
        rank=1,
        refused_by=("EP001",),
        compared={name: Compared("left out", None, "not reached") for name in COMPARED},
        placed={"experts": 4, "all experts": 8, "tokens": 16, "more": 1},
        notes=("a note",),
    ),
    evidence("Qwen3ForCausalLM", outcome=Outcome.SILENT, step="compare", reason="logits differ"),
    evidence("Qwen3ForCausalLM", mesh="pp=2", refused_by=("PP001",)),
    evidence("Qwen3ForCausalLM", mesh="cp=2", outcome=Outcome.UNDECIDED, reason="memory"),
)
Answer = tuple[int, str, str]


class Command:
    """The command, told to read an atlas of `RECORDED`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.atlas = self.file("recorded.atlas", *RECORDED)

    def file(self, name: str, *recorded: Evidence) -> str:
        """An atlas of that evidence."""
        path = self.folder / name
        path.write_bytes(atlas_bytes(recorded))
        return str(path)

    def __call__(self, action: str, *words: str) -> Answer:
        """Exit code, output, errors."""
        code = main(["atlas", action, *words])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def on_recorded(self, action: str, *words: str) -> Answer:
        """The same, on the atlas of `RECORDED`."""
        return self(action, *words, "--atlas", self.atlas)


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command with its atlas."""
    return Command(tmp_path, capsys)


def listed(text: str) -> list[str]:
    """The first three columns of a table, without its head."""
    return [" ".join(line.split()[:3]) for line in text.splitlines()[1:]]


def test_without_a_class_it_counts(command: Command) -> None:
    """Outcomes by axis, and what the proofs were made with."""
    code, out, err = command.on_recorded("show")
    assert (code, err) == (0, "")
    assert out == (
        "2 classes, 6 proofs; transformers 5.23.0, torch 2.13.0, accelerate 1.15.0, 2026-11-24\n\n"
        "outcome          tp  pp  cp  ep+tp\n"
        "works             1   2   -      -\n"
        "silent mismatch   1   -   -      -\n"
        "clean error       -   -   -      1\n"
        "undecided         -   -   1      -\n"
    )


def test_of_a_class_it_tells_all(command: Command) -> None:
    """Mesh by mesh, and what was compared only where something was."""
    code, out, _ = command.on_recorded("show", "LlamaForCausalLM")
    first, *parts = out.split("\n\n")
    assert (code, first.split(";")[0]) == (0, "LlamaForCausalLM")
    assert [part.splitlines()[0] for part in parts] == ["tp=2: works", "pp=2: works", "tp=2,ep=2: clean error"]
    assert "  placed     28 of 38 body parameters sharded\n" in parts[0]
    assert "  compared   logits equal (1.2e-06) at lm_head.weight\n             gradients equal" in parts[0]
    assert "  placed     2 stages hold a layer of 4\n" in parts[1]
    assert parts[2].splitlines()[1:5] == [
        "  step       load on rank 1",
        "  reason     ValueError: no ep_plan",
        "  placed     4 of 8 experts on the fullest rank, 16 tokens a rank, more 1",
        "  compared   nothing: not reached",
    ]
    assert "  ran        under transformers, 1.4 s, 412 MiB on the largest rank, gloo\n" in parts[2]
    assert parts[2].endswith("  note       a note\n")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["Qwen*"], ["Qwen3ForCausalLM tp=2 silent", "Qwen3ForCausalLM pp=2 works", "Qwen3ForCausalLM cp=2 undecided"]),
        (["--axis", "tp"], ["LlamaForCausalLM tp=2 works", "Qwen3ForCausalLM tp=2 silent"]),
        (["--axis", "tp+ep"], ["LlamaForCausalLM tp=2,ep=2 clean"]),
        (["--outcome", "silent"], ["Qwen3ForCausalLM tp=2 silent"]),
        (["*", "--axis", "pp", "--outcome", "works"], ["LlamaForCausalLM pp=2 works", "Qwen3ForCausalLM pp=2 works"]),
    ],
)
def test_filters_leave_a_line_for_each(command: Command, words: list[str], shown: list[str]) -> None:
    """By pattern, axes, outcome, and all of them."""
    code, out, _ = command.on_recorded("show", *words)
    assert (code, listed(out)) == (0, shown)


def test_a_mesh_that_works_may_have_a_but(command: Command) -> None:
    """Tokens and reloads decide nothing, and are told."""
    assert command.on_recorded("show", "*", "--axis", "pp")[1].splitlines()[1].endswith("works    but reload different")


def test_json_is_the_evidence_itself(command: Command) -> None:
    """Of the same question."""
    code, out, _ = command.on_recorded("show", "--outcome", "silent", "--json")
    answer = json.loads(out)
    assert (code, answer["schema"]) == (0, 1)
    assert [Evidence.from_dict(each) for each in answer["evidence"]] == [RECORDED[3]]


def test_nothing_found_is_said(command: Command) -> None:
    """It is no mistake."""
    assert command.on_recorded("show", "--outcome", "hang")[:2] == (0, "no proof in the atlas answers to all of that\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["show", "LlamaForCausalML"], "unknown class 'LlamaForCausalML'; did you mean LlamaForCausalLM or"),
        (["show", "zzz*"], "unknown class 'zzz*'; meshfit atlas show '*' lists them all"),
        (["show", "--axis", "tq"], "unknown axis 'tq' in 'tq'"),
        (["show", "--outcome", "work"], "invalid choice: 'work'; did you mean works?"),
        (["show", "--josn"], "meshfit atlas show: unrecognized arguments: --josn; did you mean --json?"),
        (["show", "--atlas", "none"], "none cannot be read: No such file or directory; check the path"),
        (["show", "--atlas", "pyproject.toml"], "pyproject.toml"),
        (["diff", "none", "none"], "none cannot be read"),
        (["html", "--output", "pyproject.toml/a"], "pyproject.toml/a cannot be written"),
        (["build", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["build", "--every", "0"], "--every must be at least 1, got 0"),
        (["build", "--axes", "tq"], "unknown axis 'tq' in 'tq'"),
        (["build", "--classes", "LlamaForCausalML"], "defines no class 'LlamaForCausalML'; did you mean"),
        (["shwo"], "invalid choice: 'shwo'; did you mean show?"),
    ],
)
def test_a_mistake_is_told_in_one_line(command: Command, words: list[str], complaint: str) -> None:
    """And exits with 2."""
    given = command.on_recorded if words[0] in ("show", "html") and "--atlas" not in words else command
    code, out, err = given(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_disagreements_are_counted_and_listed(command: Command) -> None:
    """What rules refused and works, and what they let pass and does not; undecided proofs count for nothing."""
    code, out, _ = command.on_recorded("disagreements")
    assert code == 1
    assert out == (
        "axis   decided  rules right  false alarms  misses  ok on silent\n"
        "tp           2        0.500             0       1             1\n"
        "pp           2        0.500             1       0             0\n"
        "cp           0            -             0       0             0\n"
        "ep+tp        1        1.000             0       0             0\n\n"
        "class             mesh  rules say       it               why\n"
        "Qwen3ForCausalLM  tp=2  fits            silent mismatch  compare: logits differ\n"
        "Qwen3ForCausalLM  pp=2  refused: PP001  works\n"
    )
    code, out, _ = command.on_recorded("disagreements", "--axis", "pp", "--json")
    assert (code, [each["target"] for each in json.loads(out)["evidence"]]) == (1, ["Qwen3ForCausalLM"])


def test_agreement_exits_with_nothing_found(command: Command) -> None:
    """And says how often."""
    code, out, _ = command.on_recorded("disagreements", "--axis", "ep+tp")
    assert (code, out.splitlines()[1].split()) == (0, ["ep+tp", "1", "1.000", "0", "0", "0"])


def test_a_change_for_the_worse_is_found(command: Command) -> None:
    """With what it was, what it is now, and why."""
    old = command.file("old", evidence(), evidence("A"), evidence("B", outcome=Outcome.LATE))
    new = command.file("new", evidence(outcome=Outcome.LATE, step="forward", reason="it broke"), evidence("B"))
    code, out, _ = command("diff", old, new)
    assert code == 1
    assert out == (
        "1 worse, 1 better, 1 vanished\n\n"
        "worse: the model runs less well than it did\n"
        "  LlamaForCausalLM  tp=2  works -> late error  forward: it broke\n\n"
        "better: it runs better\n"
        "  B  tp=2  late error -> works\n\n"
        "vanished: only the old atlas has it\n"
        "  A  tp=2  works -> -\n"
    )
    assert command("diff", old, new, "--common")[1].startswith("1 worse, 1 better\n")
    answer = json.loads(command("diff", old, new, "--json")[1])
    assert (answer["changes"][0]["kind"], answer["changes"][0]["target"]) == ("worse", "LlamaForCausalLM")
    assert answer["changes"][-1]["new"] is None


def test_a_change_for_the_better_finds_nothing(command: Command) -> None:
    """Nor does no change."""
    old, new = command.file("old", evidence(outcome=Outcome.LATE)), command.file("new", evidence())
    assert command("diff", old, new)[0] == 0
    assert command("diff", old, old)[:2] == (0, "nothing changed\n")


def test_the_page_is_written_where_it_is_asked_for(command: Command) -> None:
    """And its size told."""
    path = command.folder / "deep" / "page.html"
    code, out, _ = command.on_recorded("html", "--output", str(path))
    assert (code, out) == (0, f"{path}: {len(path.read_bytes()) / 1024:.0f} KiB; open it in a browser\n")


def test_a_journal_is_neither_gone_on_from_nor_written_over_unasked(command: Command) -> None:
    """An hour of work may be in it."""
    journal = command.folder / "a.atlas.journal"
    journal.write_text("an hour of work", encoding="utf-8")
    code, _, err = command("build", "--output", str(command.folder / "a.atlas"))
    assert (code, "is of a run that did not end: go on with --resume, or delete it" in err) == (2, True)
    assert journal.read_text(encoding="utf-8") == "an hour of work"


@pytest.mark.torch
def test_a_build_onto_an_atlas_replaces_what_it_proves(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps the rest; classes without a proof are named."""
    from tests.atlas import provers

    monkeypatch.setattr("meshfit.cli.atlas_build.open_prover", provers.steady)
    monkeypatch.setattr("meshfit.atlas.questions.picked", lambda _, names: tuple(names))
    output = str(command.folder / "b.atlas")
    words = ("--classes", "Qwen3ForCausalLM,Refuses", "--axes", "tp,pp", "--onto", command.atlas)
    code, out, err = command("build", "--output", output, *words)
    assert (code, err) == (0, "")
    assert out.endswith("\n\n1 class without a proof:\n  Refuses: cannot be built\n")
    assert "1 worse" not in command("diff", command.atlas, output)[1]
    shown = listed(command("show", "*", "--atlas", output)[1])
    assert shown[3:5] == ["Qwen3ForCausalLM tp=2 works", "Qwen3ForCausalLM pp=2 works"]
    assert len(shown) == len(RECORDED) + 1


@pytest.mark.torch
def test_only_each_nth_class_is_asked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the offset on."""
    from tests.atlas import provers

    monkeypatch.setattr("meshfit.cli.atlas_build.open_prover", provers.steady)
    monkeypatch.setattr("meshfit.atlas.questions.all_classes", lambda _: tuple("ABCDEFG"))
    output = str(command.folder / "c.atlas")
    command("build", "--output", output, "--axes", "tp", "--every", "3", "--offset", "1")
    assert listed(command("show", "*", "--atlas", output)[1]) == ["B tp=2 works", "E tp=2 works"]


def test_every_action_helps_with_examples_that_are_understood(command: Command) -> None:
    """The options in them exist."""
    from meshfit.cli.arguments import parser

    program = parser(["atlas"])
    for action, words in program.commands["atlas"].commands.items():
        code, out, _ = command(action, "--help")
        lines = [line.strip() for line in out.splitlines() if line.startswith("  meshfit atlas ")]
        assert (code, bool(lines), "exit codes: 0" in out) == (0, True, True)
        for line in lines:
            asked: Any = program.parse_all(line.replace("'", "").split()[1:])
            assert (asked.command, asked.action, words.prog) == ("atlas", action, f"meshfit atlas {action}")
