"""From a log to the rules behind it: which lines tell a cause, which only follow one, and which error came first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from meshfit.crashes import aftermath, megatron_patterns, nemo_patterns, own_reports, transformers_patterns
from meshfit.crashes.log import Frame, Line, Log
from meshfit.crashes.pattern import Kind, Pattern, Reading, Scene

__all__ = ["PATTERNS", "Diagnosis", "Found", "diagnose"]

PATTERNS: Final[tuple[Pattern, ...]] = (
    *own_reports.PATTERNS,
    *transformers_patterns.PATTERNS,
    *nemo_patterns.PATTERNS,
    *megatron_patterns.PATTERNS,
    *aftermath.PATTERNS,
)

_MOST: Final = 300
"""Lines that are read for one pattern: every rank may write the same error, and retries write it again."""

_SIZES: Final = (
    ("tp", r"(?:tp_size|tensor_parallel_size|tensor_model_parallel_size|tensor-parallel-size|tensor_parallel_degree)"),
    ("pp", r"(?:pp_size|pipeline_parallel_size|pipeline_model_parallel_size|pipeline_parallel_degree)"),
    ("cp", r"(?:cp_size|context_parallel_size|context_parallel_degree)"),
)
_TOLD: Final = tuple((axis, re.compile(rf"(?<![\w.]){names}['\"`]?\s?[=: ]\s?(\d{{1,6}})\b")) for axis, names in _SIZES)
_TOLD_LITERALS: Final = ("tp_size", "pp_size", "cp_size", "parallel_size", "parallel-size", "parallel_degree")
_CODE_OF_AXIS: Final = (
    ("tp", ("distributed/tensor_parallel.py", "tensor/parallel/")),
    ("pp", ("transformers/distributed/pipeline_parallel.py", "distributed/pipelining/")),
    ("cp", ("context_parallel",)),
)
_ERROR: Final = re.compile(r"^(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
_ROOT: Final = re.compile(r"^\s*rank\s+: (\d{1,6}) \(local_rank")
_SUMMARY: Final = re.compile(r"ChildFailedError|SystemExit|CalledProcessError|ProcessRaisedException")


class Found(NamedTuple):
    """A line that a pattern reads.

    Args:
        line, pattern, reading: which line, by what, and what it says.
        ranks: every rank that wrote the same text, ascending.
        times: how many lines hold it.
    """

    line: Line
    pattern: Pattern
    reading: Reading
    ranks: tuple[int, ...]
    times: int

    @property
    def codes(self) -> tuple[str, ...]:
        """The rules, the most likely first."""
        return self.reading.codes or self.pattern.codes


class Diagnosis(NamedTuple):
    """What a log tells.

    Args:
        lines: how many there are.
        causes: errors with a rule behind them, by line; one entry for each text.
        open: errors that would have a rule behind them if an axis were in use, which nothing tells.
        hangs, survivors: ranks that waited for another, and ranks that lost one.
        first_error: the first error in the log that is neither, whatever it says.
        root: the rank that failed first, as the launcher's summary names it.
        sizes: axis -> size of the mesh, given or told by the log.
    """

    lines: int
    causes: tuple[Found, ...]
    open: tuple[Found, ...]
    hangs: tuple[Found, ...]
    survivors: tuple[Found, ...]
    first_error: Line | None
    root: int | None
    sizes: Mapping[str, int]


def diagnose(raw: bytes, sizes: Mapping[str, int] | None = None) -> Diagnosis:
    """Read a log.

    Args:
        raw: its bytes.
        sizes: axis -> size of the mesh that ran, where the user gives it; the log's own words count otherwise.
    """
    log = Log(raw)
    # what a log prints of its arguments gives numbers a meaning, but does not say that the axis has to do with an error
    given = dict(sizes or {})
    known = given if sizes is not None else _told_sizes(log)
    causes: list[Found] = []
    conditional: list[Found] = []
    after: dict[Kind, list[Found]] = {Kind.HANG: [], Kind.SURVIVOR: []}
    for pattern in PATTERNS:
        for found, in_use in _matches(log, pattern, known, given):
            if pattern.kind is not Kind.CAUSE:
                after[pattern.kind].append(found)
            elif in_use:
                causes.append(found)
            else:
                conditional.append(found)
    taken = {found.line.number for found in (*causes, *conditional)}
    return Diagnosis(
        lines=len(log),
        causes=_in_order(causes),
        open=_in_order(conditional),
        hangs=_in_order(after[Kind.HANG]),
        survivors=_in_order(after[Kind.SURVIVOR]),
        first_error=None if taken else _first_error(log),
        root=_root(log),
        sizes=known,
    )


def _matches(
    log: Log, pattern: Pattern, sizes: Mapping[str, int], given: Mapping[str, int]
) -> Iterator[tuple[Found, bool]]:
    """Each distinct text of the pattern, and whether the axis it needs is in use."""
    lines: dict[str, list[Line]] = {}
    texts: dict[str, re.Match[str]] = {}
    for line in log.find(pattern.literal, most=_MOST):
        match = pattern.regex.search(line.text)
        if match is not None:
            lines.setdefault(match[0], []).append(line)
            texts.setdefault(match[0], match)
    for text, match in texts.items():
        first = lines[text][0]
        frames = log.frames(first) if pattern.kind is Kind.CAUSE else ()
        axes = _axes(frames, given)
        reading = pattern.read(match, Scene(frames, sizes, axes))
        if reading is not None and (reading.certain or not _unused(reading.codes or pattern.codes, sizes)):
            ranks = tuple(sorted({line.rank for line in lines[text] if line.rank is not None}))
            in_use = pattern.needs in {"", *axes}
            if in_use or sizes.get(pattern.needs) != 1:
                yield Found(first, pattern, reading, ranks, len(lines[text])), in_use


def _unused(codes: tuple[str, ...], sizes: Mapping[str, int]) -> bool:
    """Whether the rule is of an axis that the mesh is known not to use."""
    return bool(codes) and sizes.get(codes[0][:2].lower()) == 1


def _axes(frames: Iterable[Frame], given: Mapping[str, int]) -> frozenset[str]:
    used = {axis for axis, size in given.items() if size > 1}
    for frame in frames:
        path = frame.path.replace("\\", "/")
        used.update(axis for axis, parts in _CODE_OF_AXIS if any(part in path for part in parts))
    return frozenset(used)


def _told_sizes(log: Log) -> dict[str, int]:
    """Sizes that the log tells the same wherever it tells them."""
    told: dict[str, set[int]] = {}
    for literal in _TOLD_LITERALS:
        for line in log.find(literal, most=_MOST):
            for axis, pattern in _TOLD:
                told.setdefault(axis, set()).update(int(size) for size in pattern.findall(line.text))
    return {axis: min(found) for axis, found in told.items() if len(found) == 1 and 0 not in found}


def _first_error(log: Log) -> Line | None:
    """The first line that ends a traceback and is neither a survivor's nor the launcher's summary."""
    later = [pattern for pattern in PATTERNS if pattern.kind is not Kind.CAUSE]
    firsts: list[Line] = []
    for word in ("Error", "Exception", "Interrupt"):
        for line in log.find(word, most=_MOST):
            text = line.text
            if not _ERROR.match(text) or _SUMMARY.search(text):
                continue
            if not any(pattern.literal in text and pattern.regex.search(text) for pattern in later):
                firsts.append(line)
                break
    return min(firsts, key=lambda line: line.number, default=None)


def _root(log: Log) -> int | None:
    """The rank below torchrun's `Root Cause (first observed failure)`."""
    for heading in log.find("Root Cause (first observed failure)", most=1):
        for line in log.after(heading, 8):
            named = _ROOT.match(line.text)
            if named:
                return int(named[1])
    return None


def _in_order(found: Iterable[Found]) -> tuple[Found, ...]:
    """By line, the first pattern of each line."""
    by_line: dict[int, Found] = {}
    for one in found:
        by_line.setdefault(one.line.number, one)
    return tuple(by_line[number] for number in sorted(by_line))
