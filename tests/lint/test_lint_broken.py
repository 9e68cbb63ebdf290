"""Broken files: one clear error each, the others are linted, nothing is executed and nothing grows."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from meshfit.lint.documents import DocumentError
from meshfit.lint.files import Found, find_files, read_text
from meshfit.lint.judging import Question
from meshfit.lint.models import Models
from meshfit.lint.reading import SUFFIXES, read_recipes
from meshfit.lint.sweep import Choice, FileResult, lint_file, lint_text
from meshfit.readers.spellings import MESH_KEYS, SETTINGS

LLAMA = str(Path(__file__).parent / "corpus" / "models" / "llama-8b")
QUESTION = Question(models=Models({"org/llama": LLAMA}), world_size=8)
SOUND = "step_scheduler: {}\ndistributed:\n  strategy: fsdp2\n  tp_size: 8\n"
WRONG = SOUND.replace("8", "3")


def lint(text: str, name: str = "recipe.yaml") -> FileResult:
    """Lint a text."""
    return lint_text(text, name, QUESTION, Choice())


def codes(result: FileResult) -> list[tuple[str, int | None]]:
    """Code and line of each notice."""
    return [(notice.code, notice.place.line) for notice in result.notices]


@pytest.mark.parametrize(
    ("name", "text", "line", "told"),
    [
        ("a.yaml", SOUND + "  pp_size: [1,", 5, "is not YAML"),
        ("a.yaml", SOUND + "x: " + "[" * 100_000, 5, "is nested too deeply"),
        ("a.yaml", SOUND + "".join("  " * depth + "a:\n" for depth in range(3000)), 105, "is nested too deeply"),
        ("a.yaml", "distributed:\n\ttp_size: 3\n", 2, "is not YAML"),
        ("a.yaml", SOUND + "  pp_size: *nothing\n", 5, "undefined alias"),
        ("a.yaml", SOUND + "x: \x07\n", None, "is not YAML"),
        ("a.json", '{"tp_size": 3', 1, "ends too early"),
        ("a.json", '{"tp_size": 3\n "pp_size": 2}', 2, "a comma is missing"),
        ("a.json", '{"tp_size" 3}', 1, "a colon is missing"),
        ("a.json", '{"tp_size": three}', 1, "a value is missing"),
        ("a.json", '{"distributed_config":' * 5000, 1, "is nested too deeply"),
        ("a.json", '{"tp_size": "3', 1, "a text does not end"),
        ("a.json", '{"tp_size": 3}}', 1, "more follows"),
        ("a.toml", "[parallelism\ntensor_parallel_degree = 2", 1, "is not TOML"),
        ("a.toml", "[parallelism]\ntensor_parallel_degree =", 2, "a value is missing"),
        ("a.toml", '[parallelism]\nx = """\nabc', 2, "a text does not end"),
        ("a.toml", "[parallelism]\nx = [\n1,", 2, "does not end"),
    ],
)
def test_what_is_not_of_its_format_is_told_once_with_its_line(
    name: str, text: str, line: int | None, told: str
) -> None:
    """And the file counts as broken."""
    result = lint(text, name)
    assert result.broken
    assert codes(result) == [("RC009", line)]
    assert told in result.notices[0].message


def test_line_ends_and_marks_of_windows_change_nothing(tmp_path: Path) -> None:
    """CRLF, and a byte-order mark."""
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + WRONG.replace("\n", "\r\n").encode())
    result = lint_file(Found(str(path), named=False), QUESTION, Choice())
    assert result is not None
    assert codes(result) == [("MS001", 4)]
    assert result.notices[0].place[1:] == lint(WRONG).notices[0].place[1:]


def test_line_ends_of_yaml_alone_are_none_to_an_editor() -> None:
    """Lines are counted as everybody counts them."""
    assert codes(lint("# a\x85b\u2028c\u2029d\n" + WRONG)) == [("MS001", 5)]


def test_aliases_do_not_grow() -> None:
    """A billion laughs are forty lists."""
    laughs = "".join(f"b{i}: &b{i} [{','.join([f'*b{i - 1}' if i else '1'] * 9)}]\n" for i in range(40))
    assert codes(lint(laughs + WRONG)) == [("MS001", 44)]


def test_merged_keys_do_not_multiply() -> None:
    """A text whose mappings merge each other over and over is no config."""
    keys = "a: &a {" + ",".join(f"k{i}: 1" for i in range(5000)) + "}\n"
    merges = "".join(f"b{i}: {{<<: [{','.join(['*a'] * 200)}]}}\n" for i in range(200))
    assert lint(keys + merges + SOUND).broken


def test_a_node_may_hold_itself() -> None:
    """Of such a value nothing is known."""
    text = "distributed_config: &d\n  tp_size: *d\n  fsdp_size: 2\n  tp_plan: *d\n  <<: *d\n"
    assert lint(text).notices == ()
    assert len(lint(text).recipes) == 1


def test_no_tag_makes_an_object(tmp_path: Path) -> None:
    """Its value is unknown, and nothing runs."""
    made = tmp_path / "made"
    text = WRONG.replace("tp_size: 3", f"tp_size: !!python/object/apply:os.mkdir ['{made}']\n  pp_size: !env PP")
    assert lint(text).notices == ()
    assert not made.exists()


def test_no_variable_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says here says nothing of there."""
    monkeypatch.setenv("TP", "3")
    assert lint(WRONG.replace("3", "${TP}")).notices == ()


@pytest.mark.parametrize(
    "value", ["[1, 2]", "{a: 1}", "2.5", "1e3", "0x10", "010", "2026-01-01", "9" * 5000, "'${x}'", "<fill in>", "???"]
)
def test_a_size_of_another_type_is_refused_or_unknown(value: str) -> None:
    """Never a crash, and never a verdict on a size that was not read."""
    assert {code for code, _ in codes(lint(WRONG.replace("3", value)))} <= {"RC002"}


def test_each_broken_file_is_told_and_the_rest_is_linted(tmp_path: Path) -> None:
    """Truncated, binary, not UTF-8, unreadable, too large: a sweep goes on."""
    (tmp_path / "a_sound.yaml").write_text(SOUND)
    (tmp_path / "b_wrong.yaml").write_text(WRONG)
    (tmp_path / "c_cut.yaml").write_text(SOUND + "x: [")
    (tmp_path / "d_binary.yaml").write_bytes(SOUND.encode() + bytes(range(256)))
    (tmp_path / "e_latin.yaml").write_bytes(SOUND.encode() + b"# caf\xe9")
    (tmp_path / "f_null.yaml").write_bytes(SOUND.encode() + b"# \0")
    (tmp_path / "g_large.yaml").write_bytes(SOUND.encode() + b"# fill\n" * 8_000_000)
    (tmp_path / "h_gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "i_other.yaml").write_bytes(bytes(range(256)))
    results = [lint_file(found, QUESTION, Choice()) for found in find_files([str(tmp_path)])]
    told = {Path(r.path).name[0]: [notice.code for notice in r.notices] for r in results if r is not None}
    assert told == {"a": [], "b": ["MS001"], **{name: ["RC009"] for name in "cdefgh"}}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """It would never end."""
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(DocumentError, match="no regular file"):
        read_text(Found(str(tmp_path / "a.yaml"), named=True))


def test_folders_that_hold_themselves_are_entered_once(tmp_path: Path) -> None:
    """By whatever link they are reached; and a file that is linked twice is one file."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "loop").symlink_to(tmp_path)
    (inner / "a.yaml").write_text(WRONG)
    (tmp_path / "again.yaml").symlink_to(inner / "a.yaml")
    assert len(list(find_files([str(tmp_path), str(inner)]))) == 1


def test_data_that_looks_like_a_broken_config_is_let_lie(tmp_path: Path) -> None:
    """A sweep meets templates, lines of JSON and data sets; one that is named is told of."""
    path = tmp_path / "lines.json"
    path.write_text('{"text": "data parallel"}\n{"text": "b"}\n')
    assert lint_file(Found(str(path), named=False), QUESTION, Choice()) is None
    named = lint_file(Found(str(path), named=True), QUESTION, Choice())
    assert named is not None
    assert named.broken


KEYS = st.sampled_from(
    [
        *sorted({key for tool in MESH_KEYS.values() for key in tool}),
        *("distributed", "parallelism_config", "distributed_config", "megatron", "actor_rollout_ref", "actor"),
        *("strategy", "distributed_type", "base_model", "datasets", "zero_optimization", "tensor_parallel", "model"),
        *("trainer", "nnodes", "n_gpus_per_node", "num_processes", "num_machines", "stage", "model_name_or_path"),
        *("parallelism", "training", "vllm", "dist_config", "config", "rollout", "pretrained_model_name_or_path"),
        *SETTINGS,
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 20)
    | st.floats(allow_nan=False)
    | st.sampled_from(
        ["fsdp2", "megatron", "vllm", "auto", "none", "${x}", "", "eight", "8", "org/llama", "\x00", "é"]
    ),
    lambda inner: st.dictionaries(KEYS, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=30,
)


# files of each tool, with a model, so that the settings reach the rules
TOOLS = st.sampled_from(
    [
        lambda keys: {"distributed_config": keys},
        lambda keys: {
            "step_scheduler": {},
            "model": {"pretrained_model_name_or_path": "org/llama"},
            "distributed": keys,
        },
        lambda keys: {"distributed_type": "FSDP", "num_processes": 8, "parallelism_config": keys},
        lambda keys: {"base_model": "org/llama", "datasets": [], **keys},
        lambda keys: {"stage": "sft", "model_name_or_path": "org/llama", **keys},
        lambda keys: {
            "actor_rollout_ref": {"model": {"path": "org/llama"}, "actor": {"megatron": keys}, "rollout": keys}
        },
        lambda keys: {"parallelism": keys},
    ]
)


@given(tool=TOOLS, keys=st.dictionaries(KEYS, VALUES, max_size=8))
@settings(max_examples=100)
def test_settings_of_any_type_reach_no_rule_that_minds(tool: Any, keys: dict[str, Any]) -> None:
    """A rule meets what people write, not what the tool would accept."""
    question = dataclasses.replace(QUESTION, model=LLAMA)
    result = lint_text(json.dumps(tool(keys)), "a.json", question, Choice())
    assert not result.broken


@given(value=VALUES)
@settings(max_examples=300)
def test_any_value_of_any_key_gets_a_verdict(value: Any) -> None:
    """As JSON, which is YAML too: no crash, and every notice lies in the text."""
    text = json.dumps(value, indent=1)
    for name in ("a.json", "a.yaml"):
        result = lint(text, name)
        for notice in result.notices:
            assert 1 <= (notice.place.line or 1) <= text.count("\n") + 1
            assert notice.message
    assert codes(lint(text, "a.json")) == codes(lint(text, "a.yaml")) or "\\" in text


@given(text=st.text() | st.text("[]{}:,&*!|>'\"#-= \n\tab1<?%@"), start=st.sampled_from(["", SOUND, "[parallelism]\n"]))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text: str, start: str) -> None:
    """By every format, with nothing but `DocumentError`."""
    for kind in sorted(set(SUFFIXES.values())):
        with contextlib.suppress(DocumentError):
            assert isinstance(read_recipes(start + text, "a", kind), list)


@given(
    raw=st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    start=st.sampled_from(
        [b"", SOUND.encode(), b"#!/bin/sh\nvllm serve m -tp 2 ", b"MeshSpec(tp_size=2)\n", b'{"tp_size": ']
    ),
    name=st.sampled_from(["a", *(f"a{suffix}" for suffix in SUFFIXES)]),
    named=st.booleans(),
)
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_get_a_result(raw: bytes, start: bytes, name: str, named: bool, tmp_path: Path) -> None:
    """In a file of any format: a broken one has one notice, another one notices within its lines."""
    path = tmp_path / name
    path.write_bytes(start + raw)
    result = lint_file(Found(str(path), named=named), QUESTION, Choice())
    assert result is None or not result.broken or len(result.notices) == 1
    for notice in result.notices if result is not None else ():
        assert (notice.place.line or 1) <= (start + raw).count(b"\n") + (start + raw).count(b"\r") + 1
