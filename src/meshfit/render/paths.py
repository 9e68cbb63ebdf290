"""Paths of files as other programs want them: seen from the root of the checkout, with forward slashes."""

from __future__ import annotations

import os
from pathlib import PurePath

__all__ = ["relative_path", "uri"]


def relative_path(path: str) -> str | None:
    """The path as seen from the root, with forward slashes; None for a file that is not below it.

    The root is the working directory, or GitHub's checkout around it: annotations and logs begin there.
    """
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if workspace and _below(".", workspace) is not None:
        return _below(path, workspace)
    return _below(path, ".")


def _below(path: str, root: str) -> str | None:
    try:
        seen = os.path.relpath(path, root)
    except ValueError:  # another drive, or a path that no system has
        return None
    parts = PurePath(seen).parts
    return None if not parts or parts[0] == os.pardir else PurePath(seen).as_posix()


def uri(path: str) -> str:
    """A relative reference for a file below the root, a `file:` URI for another one; percent-encoded."""
    from urllib.parse import quote

    below = relative_path(path)
    if below is not None:
        return quote(os.fsencode(below))
    absolute = PurePath(os.path.abspath(path)).as_posix()  # noqa: PTH100 - links stay what they are
    return f"file://{'' if absolute.startswith('/') else '/'}{quote(os.fsencode(absolute))}"
