"""`config.json`: its values as transformers decodes them, and where in the file each one stands.

Nothing is executed and no tag builds an object: values are what `json` gives. Positions cost nothing until asked for.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.facts import Origin

__all__ = ["ConfigSource", "read_config"]

CONFIG_NAME: Final = "config.json"

MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest file that is read; the largest published config.json is below 1 MB."""

_SPECIAL_FLOATS: Final = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True)
class ConfigSource:
    """The values of one config and where they came from.

    Args:
        values: the decoded config.
        where: the file as the caller wrote it, or "config" for a mapping.
        text: the file's text; None for a mapping.
    """

    values: Mapping[str, Any]
    where: str
    text: str | None = field(default=None, repr=False, compare=False)

    def origin(self, pointer: str) -> Origin:
        """Where the value of a JSON pointer ("/text_config/num_attention_heads") stands, line and column 1-based.

        A pointer to nothing, or into a mapping, has no position. Of a repeated key the last one counts, as in `json`.
        """
        start = self._positions.find(pointer) if self._positions is not None else None
        if self.text is None or start is None:
            return Origin(self.where, pointer=pointer)
        line = self.text.count("\n", 0, start) + 1
        return Origin(self.where, line=line, column=start - self.text.rfind("\n", 0, start), pointer=pointer)

    @cached_property
    def _positions(self) -> _Positions | None:
        return None if self.text is None else _Positions(self.text)


def read_config(target: Mapping[str, Any] | str | os.PathLike[str]) -> ConfigSource:
    """The config in a mapping, in a file, or in the `config.json` of a folder.

    A mapping is decoded exactly as a file is: `{"__float__": "Infinity"}` is the float.

    Raises:
        TargetError: there is no such file, it is no regular file of UTF-8 text, or it does not hold a JSON object.
    """
    if isinstance(target, Mapping):
        return _from_mapping(target)
    path = _existing_file(target)
    text = _text(path)
    return ConfigSource(values=_decoded(text, path), where=str(path), text=text)


def _from_mapping(target: Mapping[Any, Any]) -> ConfigSource:
    stranger = next((key for key in target if not isinstance(key, str)), None)
    if stranger is not None:
        raise TargetError(f"key {stranger!r} of the config is not a str; write keys as config.json does")
    try:
        values = _special_floats(dict(target))
    except RecursionError:
        raise TargetError("the config mapping is nested too deeply, or holds itself; pass plain JSON values") from None
    if not isinstance(values, dict):
        raise TargetError("the config mapping is one float; pass the whole config")
    return ConfigSource(values=values, where="config")


def _existing_file(target: object) -> Path:
    try:
        path = Path(os.fsdecode(os.fspath(target)))  # type: ignore[call-overload]
    except TypeError:
        kind = type(target).__name__
        raise TargetError(f"a config is a mapping, or the path of a config.json or of its folder, not {kind}") from None
    if not str(target):
        raise TargetError("the path of the config is empty; name a config.json, or a folder that holds one")
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            path /= CONFIG_NAME
            mode = path.stat().st_mode if path.exists() else 0
    except FileNotFoundError:
        raise TargetError(
            f"{target} does not exist; name a {CONFIG_NAME} or a folder that holds one "
            f"(nothing is downloaded: fetch the {CONFIG_NAME} of a hub model first)"
        ) from None
    except (OSError, ValueError) as error:
        raise TargetError(f"{str(target)[:200]!r} cannot be read: {_reason(error)}; check the path") from None
    if not mode:
        raise TargetError(f"{path.parent} holds no {CONFIG_NAME}; name the folder that the model was saved to")
    if not stat.S_ISREG(mode):
        raise TargetError(f"{path} is not a regular file; name a {CONFIG_NAME} or a folder that holds one")
    return path


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TargetError(
                f"{path} has {size} bytes, more than the {MAX_BYTES} of any config; name a {CONFIG_NAME}, not weights"
            )
        raw = path.read_bytes()
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {_reason(error)}; check its permissions") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TargetError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if not text.strip():
        raise TargetError(f"{path} is empty; save the model's config there again")
    return text


def _decoded(text: str, path: Path) -> dict[str, Any]:
    try:
        values = _special_floats(json.loads(text))
    except json.JSONDecodeError as error:
        raise TargetError(f"{path}:{error.lineno}:{error.colno} is not JSON: {error.msg}; correct it there") from None
    except RecursionError:
        raise TargetError(f"{path} is nested too deeply to be a config; name a {CONFIG_NAME}") from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise TargetError(f"{path} holds a number that cannot be read: {error}; correct it") from None
    if not isinstance(values, dict):
        raise TargetError(f"{path} holds {_kind(values)}, not an object of settings; name the {CONFIG_NAME} of a model")
    return values


def _special_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(tag := value.get("__float__"), str):
            return _SPECIAL_FLOATS.get(tag, value)
        return {key: _special_floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_special_floats(inner) for inner in value]
    return value


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"the single value {str(value)[:40]!r}"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


class _Positions:
    """Offsets of values in JSON text that is known to be valid; each object is indexed once, when first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._indexed: dict[int, dict[str, int]] = {}

    def find(self, pointer: str) -> int | None:
        """The offset of the value, None when the pointer leads nowhere."""
        at = self._skip(0)
        if not pointer:
            return at
        for part in pointer.removeprefix("/").split("/"):
            if at not in self._indexed:
                try:
                    self._indexed[at] = self._members(at)
                except RecursionError:
                    return None
            inner = self._indexed[at].get(part.replace("~1", "/").replace("~0", "~"))
            if inner is None:
                return None
            at = inner
        return at

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def _members(self, at: int) -> dict[str, int]:
        """Key, or index in a list -> offset of its value; `{}` when the value at `at` has no members."""
        text = self._text
        members: dict[str, int] = {}
        opening = text[at]
        if opening not in "{[":
            return {}
        at = self._skip(at + 1)
        while text[at] not in "}]":
            key = str(len(members))
            if opening == "{":
                key, at = _DECODER.raw_decode(text, at)
                at = self._skip(self._skip(at) + 1)  # the colon
            members[key] = at
            at = self._skip(_DECODER.raw_decode(text, at)[1])
            if text[at] == ",":
                at = self._skip(at + 1)
        return members
