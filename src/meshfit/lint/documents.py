"""Text of a config file as a tree in which every key and value knows its place: YAML, JSON and TOML.

Nothing is constructed: a tag builds no object, an alias is the node it names, so that nothing grows. The tree is built
without recursion, and what is nested deeper than any config is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from meshfit.errors import MeshfitError
from meshfit.lint.recipe import Spot

__all__ = ["MAX_DEPTH", "Branch", "DocumentError", "Entry", "Items", "Leaf", "Node", "branches", "is_unknown_text"]

MAX_DEPTH: Final = 100
"""Levels of nesting; configs have ten."""


class DocumentError(MeshfitError, ValueError):
    """The text is not of its format, or is not a config's."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class Leaf:
    """A single value.

    Args:
        value: what the format makes of it; `UNKNOWN` where a tag of some program decides.
        spot: where it stands.
        quoted: a text in quotes.
    """

    __slots__ = ("quoted", "spot", "value")

    def __init__(self, value: Any, spot: Spot, *, quoted: bool = False) -> None:
        self.value: Any = value
        self.spot: Spot = spot
        self.quoted: bool = quoted


class Items:
    """A list."""

    __slots__ = ("nodes", "spot")

    def __init__(self, spot: Spot) -> None:
        self.nodes: list[Node] = []
        self.spot: Spot = spot


class Entry(NamedTuple):
    """A key's place and its value."""

    key_spot: Spot
    node: Leaf | Items | Branch


class Branch:
    """A mapping; of a repeated key the last one counts, and `repeated` has the earlier ones."""

    __slots__ = ("entries", "repeated", "spot")

    def __init__(self, spot: Spot) -> None:
        self.entries: dict[str, Entry] = {}
        self.repeated: list[tuple[str, Spot]] = []
        self.spot: Spot = spot

    def put(self, key: str, entry: Entry) -> None:
        """Set a key, keeping record of one that was set before."""
        if key in self.entries:
            self.repeated.append((key, self.entries[key].key_spot))
        self.entries[key] = entry

    def find(self, *path: str) -> Leaf | Items | Branch | None:
        """The node below the path of keys; a key with dots in it (`a.b: 1`) is not taken apart."""
        node: Node | None = self
        for key in path:
            if not isinstance(node, Branch) or key not in node.entries:
                return None
            node = node.entries[key].node
        return node

    def branch(self, *path: str) -> Branch | None:
        """The mapping below the path, None when there is none."""
        node = self.find(*path)
        return node if isinstance(node, Branch) else None

    def value(self, *path: str) -> Any:
        """The single value below the path, None when there is none."""
        node = self.find(*path)
        return node.value if isinstance(node, Leaf) else None

    def text(self, *path: str) -> str | None:
        """The text below the path, None when it is no text."""
        value = self.value(*path)
        return value if isinstance(value, str) else None

    def has(self, key: str) -> bool:
        """Whether the mapping has the key."""
        return key in self.entries


Node = Leaf | Items | Branch


def branches(root: Node, limit: int = 20_000) -> Iterator[tuple[str, Branch]]:
    """Every mapping of the tree once, with the key it stands under, outer ones first; aliases do not repeat it.

    Args:
        root: where to begin.
        limit: nodes that are looked at; no config has so many.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Node]] = [("", root)]
    for at_key, node in waiting:
        if isinstance(node, Leaf) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Branch):
            yield at_key, node
            below = [(key, entry.node) for key, entry in node.entries.items()]
        else:
            below = [(at_key, item) for item in node.nodes]
        waiting += below[: limit - len(waiting)]


def is_unknown_text(text: str) -> bool:
    """Whether something fills the text in before it is read: `${TP}`, `{{ tp }}`, `<size>`, `$TP`, `%(tp)s`."""
    return any(mark in text for mark in ("$", "{", "<", "%")) or text in ("???", "auto")
