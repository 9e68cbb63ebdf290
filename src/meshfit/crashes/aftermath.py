"""What ranks write that did not fail themselves: they waited for one that did, or lost it."""

from __future__ import annotations

import re
from typing import Final

from meshfit.crashes.pattern import Kind, Reading, Scene, without_rule

__all__ = ["PATTERNS"]


def _collective(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    given = match.groupdict()
    told = f"{given['operation']} number {given['sequence']}"
    if given.get("waited"):
        told += f", waited {int(given['waited']) / 1000:.0f} s"
    return Reading(told)


def _seconds(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    return Reading(f"waited {int(match['waited']) / 1000:.0f} s")


def _clients(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    return Reading(f"{match['joined']} of {match['all']} ranks had started")


PATTERNS: Final = (
    without_rule(
        Kind.HANG,
        "Watchdog caught collective operation timeout",
        r"Watchdog caught collective operation timeout: WorkNCCL\(SeqNum=(?P<sequence>\d{1,15}), "
        r"OpType=(?P<operation>\w{1,60})"
        r"(?:.{0,300}?ran for (?P<waited>\d{1,12}) milliseconds)?",
        "torch ProcessGroupNCCL",
        _collective,
    ),
    without_rule(
        Kind.HANG,
        "operation to complete",
        r"Timed out waiting (?P<waited>\d{1,12})ms for (?:recv|send) operation to complete",
        "gloo, under torch's process groups",
        _seconds,
    ),
    without_rule(
        Kind.HANG,
        "failed to pass monitoredBarrier",
        r"failed to pass monitoredBarrier in (?P<waited>\d{1,12}) ?ms",
        "torch ProcessGroupGloo",
        _seconds,
    ),
    without_rule(
        Kind.HANG,
        "waiting for clients",
        r"Timed out after \d{1,9} seconds waiting for clients\. (?P<joined>\d{1,9})/(?P<all>\d{1,9}) clients joined",
        "torch TCPStore",
        _clients,
    ),
    without_rule(
        Kind.SURVIVOR,
        "onnection closed by peer",
        r"[Cc]onnection closed by peer",
        "gloo, under torch's process groups",
    ),
    without_rule(
        Kind.SURVIVOR,
        "onnection reset by peer",
        r"gloo.{0,200}Connection reset by peer|Connection reset by peer.{0,200}(?:rank|gloo|TCPStore|NCCL)",
        "gloo and TCPStore of torch",
    ),
    without_rule(
        Kind.SURVIVOR,
        "remote process exited or there was a network error",
        r"remote process exited or there was a network error",
        "NCCL",
    ),
    without_rule(Kind.SURVIVOR, "closing signal SIGTERM", r"Sending process \d+ closing signal SIGTERM", "torchrun"),
    without_rule(
        Kind.SURVIVOR,
        "Failed to recv, got 0 bytes",
        r"Failed to recv, got 0 bytes\. Connection was likely closed",
        "torch TCPStore",
    ),
)
