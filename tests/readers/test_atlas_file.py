"""The file of an atlas: what goes in comes out, in little space and time, and a broken file is told as such."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from tests.atlas.made import evidence, whole_atlas

from meshfit.evidence import Compared, Evidence, EvidenceError, Outcome
from meshfit.readers.atlas_file import Atlas, atlas_bytes, evidence_in, merged, read_atlas
from meshfit.readers.atlas_rows import rounded

WHOLE = tuple(whole_atlas())


def written(path: Path, *recorded: Evidence) -> Atlas:
    """The atlas of that evidence, from a file."""
    path.write_bytes(atlas_bytes(recorded))
    return read_atlas(path)


def test_all_evidence_of_a_whole_atlas_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """But for figures, which are rounded."""
    found = list(written(tmp_path / "a", *WHOLE))
    assert sorted(found, key=str) == sorted(map(rounded, WHOLE), key=str)


def test_every_field_of_evidence_survives(tmp_path: Path) -> None:
    """None of them at its default, so that a field the file forgot would show."""
    full = evidence(
        outcome=Outcome.LATE,
        mesh="tp=2,ep=2",
        step="forward",
        reason="it failed",
        rank=1,
        backend="nccl",
        notes=("a note",),
        refused_by=("TP002",),
        compared={"logits": Compared("different", 0.5, "rank 1"), "another": Compared("failed")},
    )
    blank = Evidence(target="", mesh=evidence(mesh="pp=3").mesh, engine="", outcome=Outcome.HANG)
    assert all(getattr(full, field.name) != getattr(blank, field.name) for field in fields(Evidence))
    assert written(tmp_path / "a", full).of(full.target) == (full,)


def test_figures_are_rounded_once_and_for_all() -> None:
    """What was rounded is not rounded further."""
    exact = evidence(seconds=1.234, memory=(3 << 20) + 5, compared={"loss": Compared("equal", 1.2345e-7)})
    once = rounded(exact)
    assert (once.seconds, once.memory, once.compared["loss"].error) == (1.2, 3 << 20, 1.2e-7)
    assert rounded(once) == once


def test_the_order_of_the_evidence_makes_no_difference() -> None:
    """The same bytes, so that a file changes only when what it says does."""
    assert atlas_bytes(WHOLE) == atlas_bytes(reversed(WHOLE))


def test_a_whole_atlas_is_small() -> None:
    """330 classes on 6 axes: the wheel carries it."""
    assert len(atlas_bytes(WHOLE)) < 300_000


_COLD = """
import sys, time, json
from pathlib import Path
from meshfit.readers.atlas_file import read_atlas
times = []
for _ in range(9):
    begun = time.perf_counter()
    assert len(read_atlas(Path(sys.argv[1])).of("LlamaForCausalLM")) == 6
    times.append(time.perf_counter() - begun)
print(sorted(times)[4], *{"torch", "transformers", "numpy"} & set(sys.modules))
"""


def test_one_class_is_read_within_five_milliseconds_without_a_framework(tmp_path: Path) -> None:
    """The median of nine first readings."""
    written(tmp_path / "a", *WHOLE)
    command = [sys.executable, "-c", _COLD, str(tmp_path / "a")]
    seconds, *loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert float(seconds) < 0.005
    assert loaded == []


def test_a_class_that_is_not_there_has_no_evidence(tmp_path: Path) -> None:
    """Nothing is known of it, which is no error."""
    assert written(tmp_path / "a", evidence()).of("NoModel") == ()


def test_evidence_comes_in_the_order_of_the_axes(tmp_path: Path) -> None:
    """tp, pp, then experts, however it was found."""
    meshes = ("ep=2,dp_shard=2", "ep=2,tp=2", "pp=2", "tp=4", "tp=2")
    found = written(tmp_path / "a", *(evidence(mesh=mesh) for mesh in meshes)).of("LlamaForCausalLM")
    assert [str(each.mesh) for each in found] == ["tp=2", "tp=4", "pp=2", "tp=2,ep=2", "ep=2,dp_shard=2"]


def test_later_evidence_takes_the_place_of_earlier_on_the_same_question() -> None:
    """And of nothing else."""
    old, new, other = evidence(), evidence(outcome=Outcome.HANG), evidence(mesh="pp=2")
    assert merged([old, other], [new]) == (new, other)


def test_structures_of_one_class_stand_side_by_side() -> None:
    """A tied head is another question than an untied one."""
    assert len(merged([evidence(structure="tied")], [evidence(structure="untied")])) == 2


def test_evidence_of_code_that_is_no_more_goes() -> None:
    """Whatever its structure, once the source of the class has another digest."""
    old = [evidence(class_digest="old", structure=structure) for structure in ("tied", "untied")]
    new = evidence(class_digest="new", structure="tied")
    assert merged(old, [new]) == (new,)


def test_an_atlas_and_lines_of_evidence_are_told_apart(tmp_path: Path) -> None:
    """Whoever reads one reads both."""
    import json

    written(tmp_path / "a", evidence())
    (tmp_path / "b").write_text(json.dumps(evidence().to_dict()) + "\n", encoding="utf-8")
    assert [each.target for path in ("a", "b") for each in evidence_in(tmp_path / path)] == ["LlamaForCausalLM"] * 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "broken"),
        (b"\x00\x01", "broken"),
        (b"[]\n", "is no atlas of meshfit"),
        (b'{"format": "meshfit-index"}\n', "is no atlas of meshfit"),
        (b'{"format": "meshfit-atlas", "schema": 99}\n', "has format 99, this meshfit reads 1"),
        (b'{"format": "meshfit-atlas", "schema": 1}\n', "broken"),
        (b'{"format": "meshfit-atlas", "schema": 1, "contents": 9}\nnot packed', "broken"),
    ],
)
def test_a_file_that_is_no_atlas_is_told_as_such(tmp_path: Path, content: bytes, told: str) -> None:
    """With what to do."""
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(EvidenceError, match=told):
        read_atlas(tmp_path / "a")


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    """By both ways to read one."""
    for read in (read_atlas, evidence_in):
        with pytest.raises(EvidenceError, match="cannot be read: No such file or directory; check the path"):
            read(tmp_path / "none")


def test_no_damage_to_a_file_comes_out_as_anything_but_an_error_of_evidence(tmp_path: Path) -> None:
    """Cut anywhere, or with any byte changed."""
    whole = atlas_bytes([evidence(f"Model{number}") for number in range(30)])
    for place in range(0, len(whole), 37):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :]):
            (tmp_path / "a").write_bytes(damaged)
            try:
                found = list(read_atlas(tmp_path / "a"))
            except EvidenceError:
                continue
            assert all(replace(each, target="") for each in found)
