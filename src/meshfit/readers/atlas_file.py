"""The file of an atlas: one line that says what it is, a table of contents, and a block for every few classes.

Blocks are compressed JSON, so that a question about one class reads a few kilobytes. Nothing in a file is executed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from meshfit.evidence import Evidence, EvidenceError, read_evidence
from meshfit.mesh import AXES
from meshfit.readers.atlas_rows import Pool, evidence_of, rounded, row_of
from meshfit.readers.blocks import LONGEST_HEADER, unpacked, why_not

__all__ = ["SHIPPED", "Atlas", "atlas_bytes", "evidence_in", "merged", "read_atlas", "shipped_atlas"]

SCHEMA: Final = 1
"""The version of the format; a file of another one is refused."""
SHIPPED: Final = Path(__file__).parents[1] / "data" / "transformers.atlas"
"""The atlas that comes with meshfit."""

_KIND: Final = "atlas"
_TOGETHER: Final = 8
"""Classes in one block: more make the file smaller, and a question about one class slower."""


class Atlas:
    """An atlas file; its blocks are read when one of their classes is asked for.

    Args:
        path: the file.
        contents: the table of contents.
        start: where in the file the blocks begin.
    """

    def __init__(self, path: Path, contents: Mapping[str, Any], start: int) -> None:
        self.path = path
        self._blocks_of: Mapping[str, int] = contents["classes"]
        self._places: Sequence[Sequence[int]] = contents["blocks"]
        self._start = start
        self._blocks: dict[int, Mapping[str, Any]] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Every class that it holds evidence of, by name."""
        return tuple(self._blocks_of)

    def of(self, target: str) -> tuple[Evidence, ...]:
        """The evidence of a class, in the order of the axes; none for a class that it does not hold.

        Raises:
            EvidenceError: the file is broken.
        """
        number = self._blocks_of.get(target)
        if number is None:
            return ()
        try:
            block = self._block(number)
            return tuple(evidence_of(target, row, block["pool"]) for row in block["rows"][target])
        except (OSError, ValueError, LookupError, TypeError, AttributeError, zlib.error) as fault:
            raise _broken(self.path, fault) from None

    def __iter__(self) -> Iterator[Evidence]:
        for target in self._blocks_of:
            yield from self.of(target)

    def _block(self, number: int) -> Mapping[str, Any]:
        if number not in self._blocks:
            offset, length = self._places[number]
            with self.path.open("rb") as file:
                file.seek(self._start + offset)
                self._blocks[number] = _unpacked(file.read(length))
        return self._blocks[number]


def read_atlas(path: str | Path) -> Atlas:
    """Open an atlas file.

    Raises:
        EvidenceError: it cannot be read, is no atlas, is broken, or was written by another meshfit.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(LONGEST_HEADER))
            _refuse_other_formats(header, path)
            contents = _unpacked(file.read(header["contents"]))
            return Atlas(path, contents, file.tell())
    except EvidenceError:
        raise
    except OSError as fault:
        raise EvidenceError(f"the atlas {path} cannot be read: {fault.strerror}; check the path") from None
    except (ValueError, KeyError, TypeError, zlib.error) as fault:
        raise _broken(path, fault) from None


@lru_cache(maxsize=1)
def shipped_atlas() -> Atlas:
    """The atlas that comes with meshfit. Raises EvidenceError where the file was taken away."""
    return read_atlas(SHIPPED)


def evidence_in(path: str | Path) -> tuple[Evidence, ...]:
    """All evidence in a file: an atlas, or the lines that `meshfit verify --output` wrote.

    Raises:
        EvidenceError: it cannot be read, or is neither.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.readline(LONGEST_HEADER)
    except OSError as fault:
        raise EvidenceError(f"{path} cannot be read: {fault.strerror}; check the path") from None
    return tuple(read_atlas(path)) if f"meshfit-{_KIND}".encode() in start else read_evidence(path)


def atlas_bytes(evidence: Iterable[Evidence]) -> bytes:
    """The bytes of an atlas file; the same evidence gives the same bytes, in whatever order it comes.

    Figures are rounded as `rounded` says. Of evidence on the same question the last counts.
    """
    by_target: dict[str, list[Evidence]] = {}
    for each in sorted(merged(evidence), key=_order):
        by_target.setdefault(each.target, []).append(rounded(each))
    blocks: list[bytes] = []
    places: list[tuple[int, int]] = []
    classes: dict[str, int] = {}
    offset = 0
    targets = list(by_target)
    for start in range(0, len(targets), _TOGETHER):
        pool = Pool()
        rows = {name: [row_of(each, pool) for each in by_target[name]] for name in targets[start : start + _TOGETHER]}
        block = _packed({"pool": pool.values, "rows": rows})
        classes.update(dict.fromkeys(rows, len(blocks)))
        places.append((offset, len(block)))
        offset += len(block)
        blocks.append(block)
    contents = _packed({"blocks": places, "classes": classes})
    header = {"format": f"meshfit-{_KIND}", "schema": SCHEMA, "contents": len(contents)}
    return b"".join([json.dumps(header).encode(), b"\n", contents, *blocks])


def merged(*parts: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The evidence of several sources; later evidence takes the place of earlier on the same question.

    The question is the class, the mesh, the engine and the structure of the config. Where the source of the class
    has changed in between, the earlier evidence is of a class that is no more, and goes whatever its structure.
    """
    found: dict[tuple[object, ...], dict[str, Evidence]] = {}
    for part in parts:
        for each in part:
            earlier = found.setdefault((each.target, each.mesh, each.engine), {})
            for structure in [name for name, old in earlier.items() if old.class_digest != each.class_digest]:
                del earlier[structure]
            earlier[each.structure] = each
    return tuple(each for structures in found.values() for each in structures.values())


def _order(evidence: Evidence) -> tuple[object, ...]:
    mesh = evidence.mesh
    first = next((number for number, axis in enumerate(AXES) if axis in mesh.used), len(AXES))
    # an ep mesh also uses tp or fsdp: it follows those
    place = len(AXES) if "ep" in mesh.used else first
    unused = [axis not in mesh.used for axis in AXES]
    return (evidence.target, place, unused, [mesh.size(axis) for axis in AXES], evidence.engine, evidence.structure)


def _refuse_other_formats(header: Any, path: Path) -> None:
    reason = why_not(header, _KIND, SCHEMA)
    if reason:
        raise EvidenceError(f"{path} {reason} `meshfit atlas build --output {path}`")


def _broken(path: Path, fault: Exception) -> EvidenceError:
    return EvidenceError(
        f"the atlas {path} is broken ({type(fault).__name__}); make it anew with `meshfit atlas build`"
    )


def _unpacked(raw: bytes) -> dict[str, Any]:
    return unpacked(raw, zlib.decompressobj())


def _packed(value: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 9)
