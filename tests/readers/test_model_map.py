"""Where the configs of models are that are named by an id."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshfit.errors import TargetError
from meshfit.readers.model_map import read_model_map


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two folders."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "maps" / "b").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.json", '{"org/b": "b", "org/a": "../a"}'),
        ("map.yaml", "org/b: b  # here\norg/a: ../a\n"),
        ("map.txt", "\ufeff# ours\norg/b = b\r\n\norg/a=../a  # there\n"),
    ],
)
def test_a_file_maps_ids_to_folders_beside_it(here: Path, name: str, text: str) -> None:
    """JSON, YAML or plain lines; what an option says after it counts."""
    (here / "maps" / name).write_text(text, encoding="utf-8")
    assert read_model_map([f"maps/{name}"]) == {"org/b": "maps/b", "org/a": "maps/../a"}
    assert read_model_map([f"maps/{name}", "org/b=a"])["org/b"] == "a"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.json", "{", "is not JSON"),
        ("m.json", "[" * 100_000, "is not JSON"),
        ("m.json", "[]", "holds no object"),
        ("m.json", '{"a": 3}', "is no id and folder"),
        ("m.yaml", "a: [", "is not YAML"),
        ("m.yaml", "!!python/object/apply:os.getcwd []", "is not YAML"),
        ("m.yaml", "", "holds no object"),
        ("m.yaml", "3: a", "is no id and folder"),
        ("m.txt", "org/a a", "is no ID=FOLDER"),
        ("m.txt", "org/a=nowhere", "does not exist"),
        ("m.txt", "org/a=\0", "does not exist"),
    ],
)
def test_a_broken_file_is_told(here: Path, name: str, text: str, message: str) -> None:
    """In one line, and nothing in it is run."""
    (here / name).write_text(text)
    with pytest.raises(TargetError, match=message) as caught:
        read_model_map([name])
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("item", ["", "org/a", "=a", "org/a=", "org/a=nowhere", "a", "org/a=\0"])
def test_an_item_is_a_pair_or_a_file(item: str) -> None:
    """A folder alone is neither."""
    with pytest.raises(TargetError):
        read_model_map([item])


def test_a_file_in_another_encoding_is_told(here: Path) -> None:
    """Not guessed."""
    (here / "m.txt").write_bytes(b"org/a=\xff\n")
    with pytest.raises(TargetError, match="not UTF-8"):
        read_model_map(["m.txt"])
