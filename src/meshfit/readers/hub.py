"""Models named by their hub id, found where the hub's own tools keep what they fetched; nothing is fetched here.

Source: huggingface_hub 2.4, constants.py (where the cache is) and file_download.py `try_to_load_from_cache` (layout).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from meshfit.errors import TargetError
from meshfit.readers.config import CONFIG_NAME

__all__ = ["HubId", "absent", "cached_config", "hub_id", "repository_folder"]

MAIN: Final = "main"
"""The revision that is meant when none is named."""

_PART: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_ID: Final = re.compile(rf"({_PART}(?:/{_PART})?)(?:@([A-Za-z0-9_][A-Za-z0-9_./-]{{0,198}}))?", re.ASCII)


class HubId(NamedTuple):
    """A model on the hub.

    Args:
        name: "organisation/model", or the bare name of an old model.
        revision: branch, tag or commit.
    """

    name: str
    revision: str = MAIN

    def __str__(self) -> str:
        return self.name if self.revision == MAIN else f"{self.name}@{self.revision}"


def hub_id(text: str) -> HubId | None:
    """The id that `text` may be, `organisation/model@revision` included; None for what no id can look like."""
    found = _ID.fullmatch(text)
    if found is None or "--" in text or ".." in text or "//" in text:
        return None
    return HubId(found[1], found[2] or MAIN)


def cached_config(model: HubId) -> Path | None:
    """The `config.json` of the model as it was fetched to this machine; None where it was not."""
    folder = repository_folder(model)
    try:
        # a commit names its snapshot itself, a branch or tag by a file
        reference = folder / "refs" / model.revision
        commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else model.revision
        path = folder / "snapshots" / commit / CONFIG_NAME
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def repository_folder(model: HubId) -> Path:
    """Where the cache keeps everything of a model, whether there is anything or not."""
    return _cache() / f"models--{model.name.replace('/', '--')}"


def absent(model: HubId) -> TargetError:
    """The error for a model that was never fetched, with what to run."""
    revision = "" if model.revision == MAIN else f" --revision {model.revision}"
    return TargetError(
        f"{model} is no file or folder here, and not in the hub cache {_cache()}; to fetch its {CONFIG_NAME}, run "
        f"meshfit check with --download, or: hf download {model.name} {CONFIG_NAME}{revision}"
    )


def _cache() -> Path:
    """Read anew each time: the variables may be set after the import."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return _expanded(given)
    home = os.environ.get("HF_HOME")
    if home:
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(text)))  # noqa: PTH111 - never fails, unlike Path.expanduser
