"""Where the violations of a report point."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from meshfit.checking import check
from meshfit.mesh import MeshSpec
from meshfit.notice import Notice, Place
from meshfit.render.notices import notices_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "llama-8b" / "config.json"


def noticed(file: Path, mesh: str) -> dict[str, Notice]:
    """The notices on a config, by code."""
    return {notice.code: notice for notice in notices_of(check(file, MeshSpec.parse(mesh)), str(file))}


def marked(place: Place) -> str:
    """The text of the region."""
    assert place.line == place.end_line
    assert place.line is not None
    line = Path(place.path).read_bytes().decode("utf-8-sig").split("\n")[place.line - 1]
    return line[(place.column or 0) - 1 : (place.end_column or 0) - 1]


def test_a_violation_points_at_the_value_it_rests_on() -> None:
    """From its first character to behind its last."""
    notice = noticed(EXAMPLE, "tp=16")["TP002"]
    assert (marked(notice.place), notice.place.line) == ("8", 18)
    assert notice.message == (
        "LlamaForCausalLM: Tensor parallelism (tp_size=16): num_key_value_heads (8) is not divisible by tp_size (16)"
    )
    assert notice.help == "use tp_size 1, 2, 4 or 8"


def test_a_violation_without_a_value_points_at_the_file() -> None:
    """That the pipeline is for inference stands in no line."""
    assert noticed(EXAMPLE, "pp=2")["PP004"].place == Place(str(EXAMPLE))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_columns_hold_under_every_line_end_and_mark(tmp_path: Path, end: str, mark: str) -> None:
    """A byte-order mark is no character of the line; the text before the value may be in any script."""
    values = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    lines = ["{", *(f'"{key}": {json.dumps(value)},' for key, value in values.items() if key != "num_key_value_heads")]
    file = tmp_path / "config.json"
    text = end.join([*lines, '"имя": "\U0001d4b3", "num_key_value_heads":  8 }'])
    file.write_bytes(f"{mark}{text}".encode())
    place = noticed(file, "tp=16")["TP002"].place
    assert (marked(place), place.line) == ("8", len(lines) + 1)


def test_a_default_of_the_library_is_no_place_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that the config leaves to its class: the file as a whole, never a file that is not here."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.json"
    file.write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    assert noticed(file, "tp=64")["TP002"].place == Place(str(file))


def test_a_class_has_no_file() -> None:
    """The place is empty, and the words remain."""
    (notice,) = (n for n in notices_of(check("LlamaForCausalLM", {"tp_size": 64})) if n.code == "TP002")
    assert notice.place == Place("")


def test_a_file_that_is_gone_still_gives_a_notice(tmp_path: Path) -> None:
    """It was there when the model was judged."""
    file = tmp_path / "config.json"
    file.write_bytes(EXAMPLE.read_bytes())
    report = check(file, {"tp_size": 16})
    os.unlink(file)  # noqa: PTH108
    assert {notice.place for notice in notices_of(report, str(file))} == {Place(str(file))}
