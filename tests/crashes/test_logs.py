"""Logs of real runs on two ranks, and what wraps them: colours, prefixes, encodings, progress bars, sheer size."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from meshfit.crashes.diagnosis import Diagnosis, diagnose
from meshfit.crashes.log import Log
from meshfit.crashes.telling import tell, to_dict

LOGS = Path(__file__).parent / "logs"
EXAMPLE = Path(__file__).parents[2] / "examples" / "crash.log"
VIEW = "RuntimeError: shape '[2, 16, -1, 16]' is invalid for input of size 256"
LOST = "RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:57248"
WATCHDOG = (
    "[rank{0}]:[E1206 18:44:12.715 ProcessGroupNCCL.cpp:607] [Rank {0}] Watchdog caught collective operation timeout: "
    "WorkNCCL(SeqNum={1}, OpType={2}, NumelIn=5, NumelOut=6, Timeout(ms)=600000) ran for 600061 milliseconds before"
)


def _raw(name: str) -> bytes:
    return (EXAMPLE if name == "kv_heads" else LOGS / f"{name}.txt").read_bytes()


def _log(name: str) -> Diagnosis:
    return diagnose(_raw(name))


@pytest.mark.parametrize(
    ("name", "codes", "line"),
    [
        ("kv_heads", ("TP002",), 56),
        ("heads", ("TP003", "TP002"), 56),
        ("no_plan", ("TP001",), 18),
        ("no_layers", ("PP002",), 21),
        ("grouped", ("TP012",), 80),
    ],
)
def test_the_log_of_a_run_names_the_rule_that_was_broken(name: str, codes: tuple[str, ...], line: int) -> None:
    """By both ranks, once, at the line where the first of them wrote it."""
    (found,) = _log(name).causes
    assert (found.codes, found.ranks, found.times) == (codes, (0, 1), 2)
    assert found.line.number == line
    assert found.line.text in _raw(name).decode().split("\n")[line - 1]


def test_the_rank_that_failed_first_is_found_when_nothing_is_recognised() -> None:
    """The other one only says that the connection was closed."""
    found = _log("one_rank")
    assert found.causes == ()
    assert found.first_error is not None
    assert (found.first_error.rank, found.first_error.text) == (1, "KeyError: 'labels'")
    assert found.survivors[0].ranks == (0,)
    assert found.root == 1
    assert "No rule is recognised" in tell(found)
    assert "rank 1: KeyError: 'labels'" in tell(found)


def test_a_survivor_alone_points_to_the_other_ranks() -> None:
    """Its own log cannot tell why."""
    found = diagnose(f"[rank3]: {LOST}".encode())
    assert found.causes == ()
    assert found.first_error is None
    assert "at the log of another rank" in tell(found)
    assert to_dict(found)["survivors"][0]["ranks"] == [3]


def test_a_rule_is_explained_once() -> None:
    """Ranks that hold uneven slices write the same error with other numbers."""
    told = tell(diagnose(f"[rank0]: {VIEW}\n[rank1]: {VIEW.replace('256', '768')}\n".encode()))
    assert told.count("meshfit explain TP002") == 1
    assert "1.5 heads" in told
    assert "TP002, as above" in told


def test_a_survivor_beside_the_cause_is_no_cause() -> None:
    """The line that names the rule comes later in the log, and still is the cause."""
    found = diagnose(f"[rank0]: {LOST}\n[rank1]: {VIEW}\n".encode())
    assert [cause.line.number for cause in found.causes] == [2]
    assert "line 1, rank 0 only follows" in tell(found)


def test_ranks_that_waited_in_different_operations_are_told_apart() -> None:
    """They took different ways through the program."""
    text = "\n".join([WATCHDOG.format(0, 57, "ALLREDUCE"), WATCHDOG.format(1, 216, "ALLTOALL_BASE")])
    found = diagnose(text.encode())
    assert found.causes == ()
    assert [hang.reading.numbers for hang in found.hangs] == [
        "ALLREDUCE number 57, waited 600 s",
        "ALLTOALL_BASE number 216, waited 600 s",
    ]
    assert "rank 0 in ALLREDUCE number 57; rank 1 in ALLTOALL_BASE number 216" in " ".join(tell(found).split())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (
            "RuntimeError: [unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation to complete",
            "waited 1800 s",
        ),
        ("RuntimeError: Rank 1 failed to pass monitoredBarrier in 30000 ms", "waited 30 s"),
        (
            "DistStoreError: Timed out after 601 seconds waiting for clients. 3/8 clients joined.",
            "3 of 8 ranks had started",
        ),
    ],
)
def test_a_timeout_is_told_as_one(text: str, numbers: str) -> None:
    """It has no rule behind it that the text could name."""
    (hang,) = diagnose(text.encode()).hangs
    assert hang.reading.numbers == numbers


@pytest.mark.parametrize(
    ("prefix", "rank"),
    [
        ("[rank3]: ", 3),
        ("[rank12]:", 12),
        ("[default3]:", 3),
        ("3: ", 3),
        (" 12: ", 12),
        ("[1,3]<stderr>:", 3),
        ("(VllmWorkerProcess pid=29708) ERROR 09-03 12:08:10 multiproc_worker_utils.py:226] ", None),
        ("(EngineCore_DP0 pid=415) ", None),
        ("2026-11-24T13:40:48.163Z ", None),
        ("worker-1  | ", None),
        ("\x1b[31m[rank3]:\x1b[0m ", 3),
        ("", None),
    ],
)
def test_what_launchers_write_in_front_is_taken_off(prefix: str, rank: int | None) -> None:
    """And the rank is read from it."""
    (found,) = diagnose(f"{prefix}{VIEW}\n".encode()).causes
    assert (found.line.text, found.line.rank) == (VIEW, rank)


@pytest.mark.parametrize(
    "raw",
    [
        VIEW.encode("utf-8-sig"),
        VIEW.encode("utf-16"),
        VIEW.encode("utf-32"),
        b"\xff\xfe\x00 not this" + b"\n" + b"x",
        f"gr\xfc\xdfe\n{VIEW}".encode("latin-1"),
        f"\u4ed6\n{VIEW}".encode(),
        f"\x1b[1;31m{VIEW}\x1b[0m\r\n".encode(),
        VIEW.replace("input", "\x1b[1minput\x1b[0m").encode(),
        b"\0\0\0" + VIEW.encode(),
        b"Loading: 10%\rLoading: 100%\r" + VIEW.encode() + b"\n",
        b"Loading\r" * 2000 + VIEW.encode() + b"\n",
        VIEW.encode() + b"\ncut \xe4\xbb",
    ],
)
def test_any_encoding_is_read(raw: bytes) -> None:
    """With and without a mark, with colours, with line ends of Windows, behind a progress bar, cut in a character."""
    found = diagnose(raw).causes
    assert [cause.codes[0] for cause in found] == ([] if b"not this" in raw else ["TP002"])


def test_an_error_deep_in_a_long_line_is_found() -> None:
    """Some logs hold a whole traceback in one line of JSON; the rank stands at its beginning."""
    line = '[rank3]: {"msg": "' + "x" * 9000 + "\\n" + VIEW + "\\n" + "y" * 9000 + '"}'
    (found,) = diagnose(line.encode()).causes
    assert (found.codes[0], found.ranks, found.line.number) == ("TP002", (3,), 1)


def test_nothing_that_steers_a_terminal_is_shown() -> None:
    """A log is somebody else's text."""
    steering = f"\x1b]0;title\x07\x1b[2J\x9b2J\x08\u202e{VIEW}\x1b"
    told = tell(diagnose(steering.encode()))
    assert VIEW in told
    assert told.replace("\n", "").isprintable()


def test_interleaved_ranks_keep_their_own_traceback() -> None:
    """The frame above a line may be another rank's."""
    lines = [
        "[rank0]: Traceback (most recent call last):",
        '[rank0]:   File "modeling_x.py", line 1, in forward',
        "[rank1]: Traceback (most recent call last):",
        "[rank0]:     q = self.q_proj(x).view(shape)",
        '[rank1]:   File "modeling_x.py", line 2, in forward',
        "[rank1]:     k = self.k_proj(x).view(shape)",
        f"[rank0]: {VIEW}",
        f"[rank1]: {VIEW}",
    ]
    (found,) = diagnose("\n".join(lines).encode()).causes
    log = Log("\n".join(lines).encode())
    first, second = log.find("RuntimeError", most=9)
    assert [frame.code for frame in log.frames(first)] == ["q = self.q_proj(x).view(shape)"]
    assert [frame.code for frame in log.frames(second)] == ["k = self.k_proj(x).view(shape)"]
    assert found.codes == ("TP003", "TP002")


def test_rows_of_another_grouped_matmul_are_not_named() -> None:
    """Eight-bit training cuts its tokens into groups that must be aligned too, with or without tensor parallelism."""
    frame = (
        'Traceback (most recent call last):\n  File "torchao/scaled_grouped_mm.py", line 3, in forward\n    y = mm(x)\n'
    )
    text = f"{frame}RuntimeError: strides should be multiple of 16 bytes"
    assert diagnose(text.encode(), {"tp": 2}).causes == ()


def test_a_view_in_a_line_that_is_no_attention_is_not_named() -> None:
    """The same numbers come from anybody's reshape."""
    text = f'Traceback (most recent call last):\n  File "data.py", line 3, in pack\n    x = y.view(a, b, -1, c)\n{VIEW}'
    assert diagnose(text.encode()).causes == ()


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("self.num_heads = divide(self.total_num_heads, tp_size)", "TP003"),
        ("self.num_kv_heads = divide(self.total_num_kv_heads, tp_size)", "TP002"),
        ("self.local = divide(num_moe_experts, ep)", "EP003"),
        ("self.size = divide(input_size, tp_size)", None),
        ("self.num_heads_of_visual_tower = divide(num_heads, tp_size)", None),
    ],
)
def test_a_bare_division_is_named_by_the_code_that_divided(code: str, named: str | None) -> None:
    """Engines divide many sizes with one function; the text alone has no name in it."""
    text = (
        'Traceback (most recent call last):\n  File "attention.py", line 3, in __init__\n'
        f'    {code}\n  File "utils.py", line 9, in divide\n    ensure_divisibility(numerator, denominator)\n'
        "AssertionError: 12 is not divisible by 8"
    )
    assert [found.codes[0] for found in diagnose(text.encode()).causes] == ([named] if named else [])


def test_sizes_that_the_log_tells_are_used() -> None:
    """A run prints its arguments; where they disagree with one another they tell nothing."""
    told = f"args: tensor_parallel_size=2, pp_size: 1\n{VIEW}\n"
    assert diagnose(told.encode()).sizes == {"tp": 2, "pp": 1}
    assert "num_key_value_heads is 1 over tp_size 2" in diagnose(told.encode()).causes[0].reading.numbers
    assert diagnose(f"tp_size=2\ntp_size=4\n{VIEW}".encode()).sizes == {}


def _large(megabytes: int, line: str) -> bytes:
    return (line * (megabytes * 1024 * 1024 // len(line))).encode()


@pytest.mark.parametrize(
    "line",
    [
        "[rank1]: step 1203 loss 2.31 lr 1e-4 tp_size=2 has no attribute 'x' Error is not divisible by , world_size\n",
        "AttributeError: 'Foo' object has no attribute 'bar'\n",
        "RuntimeError: shape '[" + "1, " * 300,
        "\x1b[31m" * 20 + "\n",
        "Loading 10%\r",
        f"[rank0]: {VIEW}\n",
        "x" * 99,
    ],
    ids=["words", "attributes", "one long line", "colours", "progress", "errors", "no line end"],
)
def test_twenty_megabytes_are_read_in_seconds(line: str) -> None:
    """Whatever they repeat, and the cause at the end is still found."""
    raw = _large(20, line) + f"\n{VIEW}\n".encode()
    start = time.process_time()
    found = diagnose(raw)
    assert time.process_time() - start < 8
    assert [cause.codes[0] for cause in found.causes] == ["TP002"]


def test_a_log_costs_a_few_times_its_size() -> None:
    """Below half a gigabyte for one of tens of megabytes."""
    raw = _large(20, "[rank1]: step 1203 loss 2.31 lr 1e-4\n")
    tracemalloc.start()
    diagnose(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(raw)


TRACEBACK = 'Traceback (most recent call last):\n  File "x", line 1, in f'
PIECES = [VIEW, LOST, TRACEBACK, "[rank0]: ", "\n", "\r", "\x1b["]
PARTS = st.one_of(st.sampled_from([piece.encode() for piece in PIECES]), st.binary(max_size=40))


@given(st.lists(PARTS, max_size=30))
def test_nothing_in_a_log_is_a_fault(parts: list[bytes]) -> None:
    """Any bytes are told in words and in JSON."""
    found = diagnose(b"".join(parts))
    assert tell(found)
    assert to_dict(found)["lines"] == len(Log(b"".join(parts)))
