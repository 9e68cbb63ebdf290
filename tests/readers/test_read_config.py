"""`config.json` as values and positions, and every way in which a file is none."""

from __future__ import annotations

import json
import os
import time
import timeit
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from meshfit.errors import TargetError
from meshfit.readers import config as config_module
from meshfit.readers.config import ConfigSource, read_config

TEXT = """{
  "architectures": ["LlamaForCausalLM"],
  "num_attention_heads": 32,
    "num_key_value_heads" :
      8,
  "text_config": {"layer_types": ["full", "sliding"], "a/b": {"~": 1}},
  "rope": {"factor": 1.5, "__float__": "Infinity"}
}"""


def write(folder: Path, content: str | bytes, name: str = "config.json") -> Path:
    """A file in `folder` that holds `content`."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_and_its_folder_read_alike(tmp_path: Path) -> None:
    """A folder stands for the config.json in it; text paths and Path objects are the same."""
    path = write(tmp_path, TEXT)
    sources = [read_config(target) for target in (path, str(path), tmp_path, str(tmp_path))]
    assert all(source == ConfigSource(json.loads(TEXT), str(path)) for source in sources)


def test_a_path_is_named_as_the_caller_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path stays relative, so an editor can follow it."""
    write(tmp_path, TEXT)
    monkeypatch.chdir(tmp_path)
    assert str(read_config("config.json").origin("/num_attention_heads")) == "config.json:3:26"


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ("", 1, 1),
        ("/architectures", 2, 20),
        ("/architectures/0", 2, 21),
        ("/num_attention_heads", 3, 26),
        ("/num_key_value_heads", 5, 7),
        ("/text_config/layer_types/1", 6, 43),
        ("/text_config/a~1b/~0", 6, 68),
    ],
)
def test_each_value_has_a_position(tmp_path: Path, pointer: str, line: int, column: int) -> None:
    """Line and column of the value, 1-based, as editors count."""
    origin = read_config(write(tmp_path, TEXT)).origin(pointer)
    assert (origin.line, origin.column, origin.pointer) == (line, column, pointer)


@pytest.mark.parametrize("pointer", ["/absent", "/architectures/7", "/architectures/x", "/num_attention_heads/0"])
def test_a_pointer_to_nothing_has_no_position(tmp_path: Path, pointer: str) -> None:
    """The place is still named: the file and the pointer."""
    origin = read_config(write(tmp_path, TEXT)).origin(pointer)
    assert (origin.line, origin.pointer) == (None, pointer)


def test_a_mapping_has_no_positions() -> None:
    """What was never a file is called "config"."""
    assert str(read_config({"num_attention_heads": 8}).origin("/num_attention_heads")) == "config /num_attention_heads"


def test_the_last_of_a_repeated_key_counts(tmp_path: Path) -> None:
    """As in json; the position is that of the value in force."""
    source = read_config(write(tmp_path, '{"heads": 8,\n "heads": 16}'))
    assert (source.values["heads"], source.origin("/heads").line) == (16, 2)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Some editors write one; columns do not count it."""
    source = read_config(write(tmp_path, b"\xef\xbb\xbf" + b'{"heads": 8}'))
    assert (source.values["heads"], source.origin("/heads").column) == (8, 11)


_TAGS = {"a": {"__float__": "Infinity"}, "b": [{"__float__": "-Infinity"}], "c": {"__float__": "x"}, "d": 1}


def test_tagged_floats_are_decoded(tmp_path: Path) -> None:
    """As transformers decodes them, from a file and from a mapping."""
    expected = {"a": float("inf"), "b": [float("-inf")], "c": {"__float__": "x"}, "d": 1}
    assert read_config(write(tmp_path, json.dumps(_TAGS))).values == expected
    assert read_config(_TAGS).values == expected


@pytest.mark.torch
def test_values_are_those_of_transformers(tmp_path: Path) -> None:
    """Its own reader of a config file gives the same values."""
    from transformers import PretrainedConfig

    path = write(tmp_path, json.dumps({**_TAGS, "e": None, "f": {"g": [1, 2.5, "x", True]}}))
    assert read_config(path).values == PretrainedConfig._dict_from_json_file(path)


def test_a_read_mapping_is_a_copy() -> None:
    """A later change of the caller's mapping does not reach what was read."""
    mine: dict[str, Any] = {"text_config": {"heads": [1]}}
    source = read_config(mine)
    mine["text_config"]["heads"].append(2)
    assert source.values == {"text_config": {"heads": [1]}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "config.json is empty"),
        (" \n", "config.json is empty"),
        ('{"a" 1}', r"config.json:1:6 is not JSON: .*correct it there"),
        ('{"a": 1\n "b": 2}', "config.json:2:2 is not JSON"),
        ("model: llama\n", "config.json:1:1 is not JSON"),
        ("[1, 2]", "holds a list, not an object"),
        ("null", "holds null, not an object"),
        ("3", "holds the single value '3', not an object"),
        ('{"__float__": "NaN"}', "holds the single value 'nan', not an object"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "holds a number that cannot be read"),
        (b'{"a": "\xff"}', r"is not UTF-8 text \(byte 7\)"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8 text"),
        (b"\x00\x01\x02\x80", "is not UTF-8 text"),
    ],
)
def test_files_that_hold_no_config(tmp_path: Path, content: str | bytes, message: str) -> None:
    """Each has its own message; nothing else escapes."""
    with pytest.raises(TargetError, match=message):
        read_config(write(tmp_path, content))


def test_a_deep_but_readable_file_is_read(tmp_path: Path) -> None:
    """Depth alone is no mistake."""
    assert read_config(write(tmp_path, '{"a": ' + "[" * 100 + "]" * 100 + "}")).origin("/a/0/0").line == 1


def test_a_missing_file_says_that_nothing_is_downloaded(tmp_path: Path) -> None:
    """The name of a hub model is a natural mistake."""
    with pytest.raises(TargetError, match=r"org/model does not exist.*nothing is downloaded"):
        read_config("org/model")
    with pytest.raises(TargetError, match="does not exist"):
        read_config(tmp_path / "absent" / "config.json")


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    """The message names the folder and what was looked for."""
    with pytest.raises(TargetError, match=r"holds no config.json"):
        read_config(tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights named by mistake are refused by their size alone."""
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.truncate(config_module.MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(TargetError, match=r"has 67108865 bytes, more than the 67108864"):
        read_config(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening a pipe without a writer would hang."""
    pipe = tmp_path / "config.json"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        with pytest.raises(TargetError, match="is not a regular file"):
            read_config(target)


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of links, a name of 5000 letters, a null byte, a file without permission."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for target in (loop, "x" * 5000, "a\0b", write(tmp_path, "{}") / "config.json"):
        with pytest.raises(TargetError, match="cannot be read"):
            read_config(target)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TargetError, match="cannot be read: Permission denied; check its permissions"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (3, "not int"),
        (None, "not NoneType"),
        ("", "path of the config is empty"),
        ({1: 2}, "key 1 of the config is not a str"),
        ({"__float__": "NaN"}, "is one float"),
    ],
)
def test_targets_that_are_no_config(target: Any, message: str) -> None:
    """What is neither a mapping nor a path is named."""
    with pytest.raises(TargetError, match=message):
        read_config(target)


def test_a_mapping_that_holds_itself_is_refused() -> None:
    """No RecursionError escapes."""
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    with pytest.raises(TargetError, match="holds itself"):
        read_config(loop)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), _JSON, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_every_position_is_that_of_its_value(tmp_path_factory: Any, values: dict[str, Any], indent: int | None) -> None:
    """From the line and the column that a pointer gives, the text decodes to the value it points to."""
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    source = ConfigSource(values, "config.json", text)
    lines = text.split("\n")
    for key, value in values.items():
        origin = source.origin("/" + key.replace("~", "~0").replace("/", "~1"))
        assert origin.line is not None
        assert origin.column is not None
        rest = "\n".join([lines[origin.line - 1][origin.column - 1 :], *lines[origin.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value


def test_positions_are_cheap(tmp_path: Path) -> None:
    """A large config with a hundred positions stays far below what a command may take."""
    values = {f"key_{n}": {"inner": list(range(10)), "text": "x" * 20} for n in range(600)}
    path = write(tmp_path, json.dumps(values, indent=2))
    assert path.stat().st_size > 50_000

    def read() -> None:
        source = read_config(path)
        for n in range(100):
            assert source.origin(f"/key_{n}/inner").line is not None

    assert min(timeit.repeat(read, timer=time.process_time, number=1, repeat=5)) < 0.03
