"""The file of an index: one line that says what it is, a table of contents, and a block for every few model types.

Blocks are compressed JSON, so that a question about one class reads a few kilobytes. Nothing in a file is executed.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from meshfit.errors import TargetError
from meshfit.readers.blocks import LONGEST_HEADER, unpacked, why_not
from meshfit.readers.shipped.expressions import Unanswered
from meshfit.readers.shipped.pooling import pooled, unpooled_model

__all__ = ["SCHEMA", "Index", "Section", "read_index", "written"]

SCHEMA: Final = 1
"""The version of the format; a file of a later one is refused."""
_KIND: Final = "index"
_FILTERS: Final = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 22, "lc": 4}]
_TOGETHER: Final = 6
"""Model types in one block."""


class Section(NamedTuple):
    """One model type: its classes and its configuration classes by name."""

    classes: Mapping[str, Any]
    configs: Mapping[str, Any]


class Index:
    """An index file; its blocks are read when one of their classes is asked for.

    Args:
        path: the file.
        version: of transformers, the index was made from.
        contents: the table of contents.
        start: where in the file the blocks begin.
    """

    def __init__(self, path: Path, version: str, contents: Mapping[str, Any], start: int) -> None:
        self.path = path
        self.version = version
        self.contents = contents
        self._start = start
        self._blocks: dict[int, Mapping[str, Any]] = {}

    @property
    def kinds(self) -> Mapping[str, str]:
        """Name of an activation -> its class."""
        found: Mapping[str, str] = self.contents["kinds"]
        return found

    @property
    def names(self) -> Mapping[str, int]:
        """Every model class, with the block that holds it."""
        found: Mapping[str, int] = self.contents["classes"]
        return found

    def model(self, name: str) -> Mapping[str, Any] | None:
        """What is recorded of a model class; None for a class that is not in the index."""
        block = self.names.get(name)
        return None if block is None else unpooled_model(self._block(block), name)

    def config(self, name: str) -> Mapping[str, Any]:
        """What is recorded of a configuration class, by its name or by "type:" and a model type. Raises Unanswered."""
        if name.startswith("type:"):
            name = self.contents["types"].get(name.removeprefix("type:"), "")
        block = self.contents["configs"].get(name)
        if block is None:
            raise Unanswered
        found: Mapping[str, Any] = self._block(block)["configs"][name]
        return found

    def _block(self, number: int) -> Mapping[str, Any]:
        if number not in self._blocks:
            offset, length = self.contents["blocks"][number]
            try:
                with self.path.open("rb") as file:
                    file.seek(self._start + offset)
                    self._blocks[number] = _unpacked(file.read(length))
            except (OSError, ValueError, lzma.LZMAError) as fault:
                raise _broken(self.path, fault) from None
        return self._blocks[number]


def read_index(path: Path) -> Index:
    """Open an index file.

    Raises:
        TargetError: it cannot be read, is no index, is broken, or was written by a later meshfit.
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(LONGEST_HEADER))
            _refuse_other_formats(header, path)
            contents = _unpacked(file.read(header["contents"]))
            return Index(path, str(header["transformers"]), contents, file.tell())
    except TargetError:
        raise
    except OSError as fault:
        raise TargetError(f"the index {path} cannot be read: {fault.strerror}; check the path") from None
    except (ValueError, KeyError, TypeError, lzma.LZMAError) as fault:
        raise _broken(path, fault) from None


def _refuse_other_formats(header: Any, path: Path) -> None:
    reason = why_not(header, _KIND, SCHEMA)
    if reason:
        raise TargetError(f"{path} {reason} `meshfit index --output {path}`")


def _broken(path: Path, fault: Exception) -> TargetError:
    return TargetError(f"the index {path} is broken ({type(fault).__name__}); make it anew with `meshfit index`")


def _unpacked(raw: bytes) -> dict[str, Any]:
    return unpacked(raw, lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS))


def written(version: str, sections: Iterable[Section], types: Mapping[str, str], kinds: Mapping[str, str]) -> bytes:
    """The bytes of an index file; the same sections give the same bytes.

    Args:
        version: of transformers.
        sections: the model types, in order.
        types: model type -> configuration class.
        kinds: name of an activation -> its class.
    """
    blocks: list[bytes] = []
    places: list[tuple[int, int]] = []
    classes: dict[str, int] = {}
    configs: dict[str, int] = {}
    offset = 0
    for number, section in enumerate(_joined(sections)):
        block = _packed(pooled(section.classes, section.configs))
        classes.update(dict.fromkeys(section.classes, number))
        configs.update(dict.fromkeys(section.configs, number))
        places.append((offset, len(block)))
        offset += len(block)
        blocks.append(block)
    contents = _packed({"blocks": places, "classes": classes, "configs": configs, "types": types, "kinds": kinds})
    header = {"format": f"meshfit-{_KIND}", "schema": SCHEMA, "transformers": version, "contents": len(contents)}
    return b"".join([json.dumps(header).encode(), b"\n", contents, *blocks])


def _joined(sections: Iterable[Section]) -> Iterator[Section]:
    """A few model types together: they share so much that the file is a third smaller."""
    waiting = iter(sections)
    while some := list(islice(waiting, _TOGETHER)):
        yield Section(
            {name: entry for section in reversed(some) for name, entry in section.classes.items()},
            {name: entry for section in reversed(some) for name, entry in section.configs.items()},
        )


def _packed(value: Mapping[str, Any]) -> bytes:
    return lzma.compress(json.dumps(value, separators=(",", ":")).encode(), lzma.FORMAT_RAW, filters=_FILTERS)
