"""How much of a long work is done, for whoever waits at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["progress"]

PATIENCE: Final = 0.5
"""Seconds before anything is shown; most answers come sooner."""


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """A function to call with the part that is done, 0 to 1; a line on a terminal that is gone at the end.

    Nothing is written where errors go to a file or a pipe.
    """
    begun = time.monotonic()
    shown = -1

    def tell(part: float) -> None:
        nonlocal shown
        percent = int(100 * part)
        if percent > shown and time.monotonic() - begun > PATIENCE:
            shown = percent
            sys.stderr.write(f"\r{what}: {percent} %")
            sys.stderr.flush()

    try:
        yield tell if sys.stderr.isatty() else lambda _: None
    finally:
        if shown >= 0:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
