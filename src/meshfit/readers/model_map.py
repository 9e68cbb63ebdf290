"""Where the configs of models are that are named by an id: pairs, or files of pairs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from meshfit.errors import TargetError

__all__ = ["read_model_map"]

ADVICE = "write for example meta-llama/Llama-3.1-8B=models/llama, or name a JSON, YAML or plain file of such pairs"


def read_model_map(given: Iterable[str]) -> dict[str, str]:
    """What each item says, the last one counting where an id comes twice.

    Args:
        given: `ID=FOLDER`, or the path of a file: an object in JSON or YAML, or a line `ID=FOLDER` for each model
            with comments after `#`. Folders in a file are seen from the file.

    Raises:
        TargetError: an item is neither, a file cannot be read, or a folder does not exist.
    """
    folders: dict[str, str] = {}
    for item in given:
        file = Path(item)
        pairs = _in_file(file) if _is_file(file) else [_pair(item)]
        for name, folder in pairs:
            if not _exists(folder):
                raise TargetError(f"{folder} of the model map does not exist; name a config.json, or its folder")
            folders[name] = folder
    return folders


def _pair(item: str) -> tuple[str, str]:
    name, _, folder = (part.strip() for part in item.partition("="))
    if not name or not folder:
        raise TargetError(f"{item!r} is no ID=FOLDER and no file; {ADVICE}")
    return name, folder


def _in_file(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TargetError(f"the model map {file} cannot be read: {error.strerror}; check the path") from None
    except ValueError:
        raise TargetError(f"the model map {file} is not UTF-8 text; save it as UTF-8") from None
    if file.suffix.lower() in (".json", ".yaml", ".yml"):
        pairs = list(_mapping(text, file).items())
    else:
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        pairs = [_pair(line) for line in lines if line]
    for name, folder in pairs:
        if not (isinstance(name, str) and isinstance(folder, str) and name and folder):
            raise TargetError(f"{name!r}: {folder!r} in the model map {file} is no id and folder; {ADVICE}")
        yield name, str(file.parent / Path(folder))


def _mapping(text: str, file: Path) -> Mapping[Any, Any]:
    if file.suffix.lower() == ".json":
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TargetError(f"the model map {file} is not JSON: {error}; correct it there") from None
    else:
        import yaml

        try:
            values = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            told = " ".join(str(error).split())
            raise TargetError(f"the model map {file} is not YAML: {told}; correct it there") from None
    if not isinstance(values, Mapping):
        raise TargetError(f"the model map {file} holds no object of ids and folders; {ADVICE}")
    return values


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _exists(folder: str) -> bool:
    try:
        return Path(folder).exists()
    except (OSError, ValueError):
        return False
