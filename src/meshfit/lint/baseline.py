"""A baseline: findings that are known, so that only new ones are told. It holds when lines move."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.notice import Notice

__all__ = ["Baseline", "write_baseline"]

VERSION: Final = 1


class Baseline:
    """Known findings, each as often as it was seen.

    Args:
        path: of the file that `write_baseline` wrote.

    Raises:
        TargetError: it cannot be read, or is no baseline.
    """

    def __init__(self, path: str) -> None:
        self._folder = _folder(path)
        try:
            read = json.loads(Path(path).read_text(encoding="utf-8"))
            known = {str(item["fingerprint"]): int(item["count"]) for item in read["findings"]}
        except OSError as error:
            raise TargetError(
                f"the baseline {path} cannot be read: {error.strerror}; make one with --write-baseline"
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TargetError(f"{path} is no baseline; make one with --write-baseline") from None
        self._left = Counter(known)

    def new(self, notices: Iterable[Notice], lines: Mapping[int, str]) -> Iterator[Notice]:
        """The notices of one file that are not known.

        Args:
            notices: of one file.
            lines: its lines by number.
        """
        for notice in notices:
            mark = fingerprint(notice, lines, self._folder)
            if self._left[mark] > 0:
                self._left[mark] -= 1
            else:
                yield notice


def write_baseline(path: str, findings: Iterable[tuple[Notice, Mapping[int, str]]]) -> int:
    """Write these findings, each with the lines of its file, as known ones; returns how many.

    Raises:
        TargetError: the file cannot be written.
    """
    folder = _folder(path)
    counts: Counter[tuple[str, str, str]] = Counter()
    for notice, lines in findings:
        counts[_relative(notice.place.path, folder), notice.code, fingerprint(notice, lines, folder)] += 1
    listed: list[dict[str, Any]] = [
        {"path": file, "code": code, "fingerprint": mark, "count": count}
        for (file, code, mark), count in sorted(counts.items())
    ]
    try:
        Path(path).write_text(json.dumps({"version": VERSION, "findings": listed}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise TargetError(f"the baseline {path} cannot be written: {error.strerror}; check the folder") from None
    return counts.total()


def fingerprint(notice: Notice, lines: Mapping[int, str], folder: str) -> str:
    """What stays of a finding when lines move: its rule, its file and the text of its line."""
    line = " ".join(lines.get(notice.place.line or 0, "").split())
    told = "\0".join((notice.code, _relative(notice.place.path, folder), line))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _folder(path: str) -> str:
    return str(Path(path).absolute().parent)


def _relative(path: str, folder: str) -> str:
    """The path as seen from the baseline, so that it holds in every working directory."""
    try:
        return PurePath(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return PurePath(path).as_posix()
