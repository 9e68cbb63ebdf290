"""Files of compressed JSON blocks behind one line that says what they are: how both of them are read."""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

__all__ = ["LONGEST_HEADER", "unpacked", "why_not"]

LONGEST_HEADER: Final = 4096
"""Bytes of the first line, at most."""
_LONGEST_BLOCK: Final = 64 * 1024 * 1024


class Decompressor(Protocol):
    """What `lzma` and `zlib` decompress with."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes of what the data holds."""


def unpacked(raw: bytes, decompressor: Decompressor) -> dict[str, Any]:
    """The JSON object of one block.

    Raises:
        ValueError: it is cut off, too large, or holds anything else.
    """
    text = decompressor.decompress(raw, _LONGEST_BLOCK)
    if not decompressor.eof:
        raise ValueError("truncated")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - a broken file, whatever it holds
    return found


def why_not(header: Any, kind: str, schema: int) -> str:
    """Why a file of that kind (`index`) cannot be read by its first line; empty where it can.

    Args:
        header: the decoded line.
        kind: the file says `meshfit-<kind>`.
        schema: the version of the format that is read here.
    """
    if not isinstance(header, dict) or header.get("format") != f"meshfit-{kind}":
        return f"is no {kind} of meshfit; make one with"
    if header.get("schema") != schema:
        return f"has format {header.get('schema')!r}, this meshfit reads {schema}; make it anew with"
    return ""
