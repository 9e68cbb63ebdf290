"""A report as text: what fits, what does not and why, what would happen, and what to set instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from meshfit.mesh import AXIS_WORDS
from meshfit.report import Report, Severity, Violation

if TYPE_CHECKING:
    from meshfit.evidence import Evidence

__all__ = ["advice", "bullets", "error_text", "headline", "proof_lines", "render", "unknown_lines"]

LISTED: Final = 12
"""Sizes that are listed one by one; of more, the first and the last."""

ASKED: Final = frozenset({"world_size", "seq_len", "gpus_per_node"})
"""Facts of the question, not of the model: they are unknown when the caller left them out."""

FLAGS: Final[Mapping[str, Mapping[str, str]]] = {
    "torchtitan": {
        "tp": "--parallelism.tensor_parallel_degree",
        "pp": "--parallelism.pipeline_parallel_degree",
        "cp": "--parallelism.context_parallel_degree",
        "ep": "--parallelism.expert_parallel_degree",
        "dp_shard": "--parallelism.data_parallel_shard_degree",
        "dp_replicate": "--parallelism.data_parallel_replicate_degree",
    },
    "megatron": {
        "tp": "--tensor-model-parallel-size",
        "pp": "--pipeline-model-parallel-size",
        "cp": "--context-parallel-size",
        "ep": "--expert-model-parallel-size",
    },
    "vllm": {"tp": "--tensor-parallel-size", "pp": "--pipeline-parallel-size"},
}
"""What the flags of an axis are called where they are not the setting below `distributed`."""

_RESET, _BOLD, _RED, _GREEN, _YELLOW = "\033[0m", "\033[1m", "\033[31m", "\033[32m", "\033[33m"
Paint = Callable[[str, str], str]


def error_text(report: Report) -> str:
    """The text of `UnsupportedMeshError`: one bullet for each error, each with its fix."""
    return "\n".join([f"Unsupported mesh for {report.target}:", *_bullets(report, report.errors, _plain)])


def render(report: Report, *, show_unknown: bool = False, show_evidence: bool = False, color: bool = False) -> str:
    """The whole report for a reader.

    Args:
        report: what to show.
        show_unknown: list each fact that a rule needed and nobody knew; otherwise they are only counted.
        show_evidence: list each proof by execution; otherwise those alone that rules would contradict.
        color: write ANSI colours.
    """
    paint = _ansi if color else _plain
    lines = [_verdict(report, paint)]
    if report.violations:
        lines += ["", *_bullets(report, report.violations, paint)]
    proofs = [proof for proof in report.evidence if show_evidence or proof.disagrees]
    if proofs:
        lines += ["", *proof_lines(proofs)]
    if report.unknown and show_unknown:
        lines += ["", *unknown_lines(report)]
    return "\n".join(lines)


def bullets(report: Report, *, color: bool = False) -> list[str]:
    """The text on each violation, some lines each, without the verdict."""
    paint = _ansi if color else _plain
    return ["\n".join(_bullet(report, violation, paint)) for violation in report.violations]


def proof_lines(proofs: Iterable[Evidence]) -> list[str]:
    """What was executed of this class and structure, a line for each proof."""
    lines = []
    for proof in proofs:
        reason = f" ({proof.reason})" if proof.reason else ""
        notes = "".join(f"; {note}" for note in proof.notes)
        ran = ", ".join(
            f"{name} {proof.versions[name]}" for name in ("transformers", "torch") if name in proof.versions
        )
        lines.append(f"Executed on a small twin, {ran}: {proof.mesh} {proof.outcome.told}{reason}{notes}")
    return lines


def unknown_lines(report: Report) -> list[str]:
    """Each fact that a rule needed and nobody knew, under a heading; nothing where all were known."""
    lines = []
    for u in report.unknown:
        state = "was not given" if u.fact in ASKED else "is unknown"
        lines.append(f"- {AXIS_WORDS[u.axis]} ({u.axis}): {u.fact} {state}, so {u.code} is open")
    return ["Not judged, for want of a fact:", *lines] if lines else []


def headline(violation: Violation, engine: str) -> str:
    """`Tensor parallelism (tp_size=8): num_key_value_heads (2) is not divisible by tp_size (8)`."""
    size = "" if violation.size is None else f" ({_setting(violation.axis, engine)}={violation.size})"
    return f"{AXIS_WORDS[violation.axis]}{size}: {violation.message}"


def advice(violation: Violation) -> str:
    """What to set instead, and the rule that asks for it, on one line."""
    return f"{violation.help} ({violation.code} {violation.slug}; if ignored, {violation.consequence.sentence})"


def _verdict(report: Report, paint: Paint) -> str:
    mesh = str(report.mesh) if report.mesh.used else "one device"
    word = paint("fits", _GREEN) if report.ok else paint("does not fit", _RED)
    unknown = len({u.fact for u in report.unknown if u.fact not in ASKED})
    counts = (
        _count(len(report.errors), "error"),
        _count(len(report.warnings), "warning"),
        _count(unknown, "unknown fact"),
    )
    told = ", ".join(count for count in counts if count)
    known = ", as far as known" if report.ok and unknown else ""
    verdict = f"{paint(report.target, _BOLD)} {word} {mesh} (engine {report.engine}){known}"
    return f"{verdict}: {told}" if told else verdict


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}" if number else ""


def _bullets(report: Report, violations: Sequence[Violation], paint: Paint) -> Iterator[str]:
    for violation in violations:
        yield from _bullet(report, violation, paint)


def _bullet(report: Report, violation: Violation, paint: Paint) -> Iterator[str]:
    setting = _setting(violation.axis, report.engine)
    error = violation.severity is Severity.ERROR
    label = paint("error", _RED) if error else paint("warning", _YELLOW)
    yield f"- {headline(violation, report.engine)}"
    yield f"    {label}: {violation.code} {violation.slug}; if ignored, {violation.consequence.sentence}"
    if violation.origins:
        yield f"    read from: {', '.join(dict.fromkeys(map(str, violation.origins)))}"
    yield f"    help: {violation.help}"
    if violation.alternatives:
        yield f"    sizes that work: {setting} {_listed(violation.alternatives)}"
    if error and violation.axis != "mesh":
        yield from _fix(report, violation.axis, setting)


def _fix(report: Report, axis: str, setting: str) -> Iterator[str]:
    size = _fixed_size(report, axis)
    flags = FLAGS.get(report.engine)
    if flags is None:
        yield f"    fix: {setting}={size}, as a flag --distributed.{setting}={size}, in YAML"
        yield "        distributed:"
        yield f"          {setting}: {size}"
    elif axis in flags:
        yield f"    fix: {setting}={size}, as a flag {flags[axis]} {size}"
    else:
        yield f"    fix: {setting}={size}"


def _setting(axis: str, engine: str) -> str:
    if axis == "mesh":
        return "world_size"
    return "fsdp_size" if (axis, engine) == ("dp_shard", "transformers") else f"{axis}_size"


def _fixed_size(report: Report, axis: str) -> int:
    """The size nearest below the one asked for that no error of the axis refuses; 1 leaves the axis unused."""
    errors = [v for v in report.errors if v.axis == axis]
    working = set.intersection(*(set(v.alternatives) for v in errors))
    asked = report.mesh.size(axis)
    below = [size for size in working if size < asked]
    return max(below) if below else min(working, default=1)


def _listed(sizes: Sequence[int]) -> str:
    if len(sizes) > LISTED:
        return f"{', '.join(map(str, sizes[: LISTED - 1]))}, ... {sizes[-1]}"
    return ", ".join(map(str, sizes))


def _plain(text: str, _code: str) -> str:
    return text


def _ansi(text: str, code: str) -> str:
    return f"{code}{text}{_RESET}"
