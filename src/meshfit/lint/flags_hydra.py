"""Overrides of a Hydra config on the command line of verl, read as the file that they amount to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from meshfit.lint.documents import Branch, Entry, Leaf
from meshfit.lint.flags import Flags
from meshfit.lint.recipe import Recipe, Spot
from meshfit.lint.shell_text import Places, Run
from meshfit.lint.verl_configs import read_verl
from meshfit.readers.unknown import UNKNOWN

__all__ = ["read_overrides"]

_NOWHERE: Final = Spot(1, 1, 1, 1)
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}


def read_overrides(flags: Flags, assumed: Callable[[Run], bool], places: Places) -> Iterator[Recipe]:
    """The meshes that `key.path=value` overrides give; what they leave out is the config's, so unknown.

    Args:
        flags: of the command, pairs included.
        assumed: whether a text is a default of the script that may be another.
        places: of the script.
    """
    root = Branch(_NOWHERE)
    # as in a file that is completed from others
    root.put("defaults", Entry(_NOWHERE, Leaf(UNKNOWN, _NOWHERE)))
    for flag in flags.given:
        path = flag.name.split(".")
        if flag.value is None or len(path) > 8 or flag.key.text.startswith("-"):
            continue
        branch = root
        for key in path[:-1]:
            entry = branch.entries.get(key)
            if entry is None:
                entry = Entry(places.spot(flag.key), Branch(places.spot(flag.key)))
                branch.put(key, entry)
            if not isinstance(entry.node, Branch):
                break
            branch = entry.node
        else:
            counted = path[0] == "trainer"
            value = UNKNOWN if counted and assumed(flag.value) else _value(flag.value)
            branch.put(path[-1], Entry(places.spot(flag.key), Leaf(value, places.spot(flag.value))))
    yield from read_verl(root)


def _value(run: Run) -> Any:
    if not run.known:
        return UNKNOWN
    text = run.text
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return _WORDS.get(text.lower(), text)
