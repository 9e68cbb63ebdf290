"""What a sweep has done so far: a file of JSON lines that a later sweep goes on from, whatever ended this one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from meshfit.evidence import Evidence, EvidenceError

__all__ = ["Journal"]

_FORMAT: Final = "meshfit-sweep"


class Journal:
    """The lines of a sweep; each is in the file before the next proof begins.

    A line that a crash tore is passed over: its work is done anew. Lines of other versions of the libraries are kept,
    and count for nothing.

    Args:
        path: the file; it is made by the first line.
        versions: of the libraries that this sweep runs.
    """

    def __init__(self, path: Path, versions: Mapping[str, str]) -> None:
        self.path = path
        self.evidence: list[Evidence] = []
        """What was found under the same versions, in the order it was found."""
        self.failures: dict[str, str] = {}
        """Class -> why there is no evidence of it."""
        self._versions = dict(versions)
        self._done: dict[str, set[str]] = {}
        self._file: TextIO | None = None

    def read(self) -> None:
        """Take up what the file holds; nothing where there is none.

        Raises:
            EvidenceError: it cannot be read, or is no journal.
        """
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as fault:
            raise EvidenceError(f"{self.path} cannot be read: {fault.strerror}; check the path") from None
        mine = False
        for number, line in enumerate(lines):
            entry = _entry(line)
            if number == 0 and (entry is None or entry.get("format") != _FORMAT):
                raise EvidenceError(f"{self.path} is no journal of a sweep; delete it, or name another --output")
            if entry is None:
                continue
            if "versions" in entry and "format" in entry:
                mine = entry["versions"] == self._versions
            elif mine:
                self._take(entry)

    def is_done(self, target: str, mesh: str) -> bool:
        """Whether nothing is left to find out for a class on a mesh."""
        return mesh in self._done.get(target, ())

    def add(self, evidence: Evidence) -> None:
        """Write down one evidence."""
        self._write({"evidence": evidence.to_dict()})

    def close_target(self, target: str, meshes: Iterable[str], failure: str = "") -> None:
        """Write down that a class is done on these meshes.

        Args:
            target: the class.
            meshes: what was asked of it, with or without evidence.
            failure: why there is no evidence.
        """
        self._write({"target": target, "meshes": list(meshes), "failure": failure})

    def note_crash(self, target: str, failure: str) -> None:
        """Write down that proving a class ended the prover: it is asked again when the sweep is taken up."""
        self._write({"target": target, "meshes": [], "failure": failure})

    def close(self) -> None:
        """Leave the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the file: the sweep is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _take(self, entry: Mapping[str, Any]) -> None:
        try:
            if "evidence" in entry:
                found = Evidence.from_dict(entry["evidence"])
                self.evidence.append(found)
                self._done.setdefault(found.target, set()).add(str(found.mesh))
                self.failures.pop(found.target, None)
                return
            target, failure = entry["target"], entry["failure"]
            self._done.setdefault(target, set()).update(entry["meshes"])
        except (EvidenceError, KeyError, TypeError, AttributeError):
            return
        if failure:
            self.failures[target] = failure
        else:
            self.failures.pop(target, None)

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            if self._file is None:
                self._file = self._opened()
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        except OSError as fault:
            raise EvidenceError(f"{self.path} cannot be written: {fault.strerror}; name another --output") from None
        self._take(entry)

    def _opened(self) -> TextIO:
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a", encoding="utf-8")
        if torn:
            file.write("\n")
        file.write(json.dumps({"format": _FORMAT, "versions": self._versions}) + "\n")
        return file


def _entry(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
