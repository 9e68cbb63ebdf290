"""What the readers of config files share: sizes and settings of a section, and keys that it does not have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from meshfit.lint.documents import Branch, Leaf, Node, is_unknown_text
from meshfit.lint.recipe import Problem, Spot, Written
from meshfit.readers.spellings import meant_key
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Consequence

__all__ = ["Mesh", "mesh_of", "number", "place", "plain", "settings", "sizes", "text", "whole"]

_UNSET: Final = frozenset({"", "none", "null", "~"})


def sizes(section: Branch, keys: Mapping[str, str], *, strict: bool = False) -> dict[str, Written]:
    """The sizes that a section gives, by axis; one that is null is left out.

    Args:
        section: the mapping.
        keys: its size keys, each with its axis. Of two keys for one axis the first counts.
        strict: the tool refuses what is no positive whole number; else such a value means something of the tool's own
            (`-1`: fill up, `0`: off), and is unknown.
    """
    found: dict[str, Written] = {}
    for key, axis in keys.items():
        written = number(section, key, strict=strict)
        if written is not None:
            found.setdefault(axis, written)
    return found


def number(section: Branch, *path: str, strict: bool = False) -> Written | None:
    """A count as written; None when it is not there or null, `UNKNOWN` when nobody can tell."""
    node = section.find(*path)
    if node is None:
        return None
    value = node.value if isinstance(node, Leaf) else UNKNOWN
    if value is None or (isinstance(value, str) and value.strip().lower() in _UNSET):
        return None
    return Written(_count(value, strict=strict), node.spot, path[-1])


def _count(value: Any, *, strict: bool) -> Any:
    if isinstance(value, str):
        digits = value.strip()
        if digits.isascii() and digits.isdigit() and len(digits) < 10:
            return _count(int(digits), strict=strict)
        return value if strict and not is_unknown_text(value) else UNKNOWN
    if type(value) is int and value >= 1:
        return value
    return value if strict else UNKNOWN


def whole(written: Written | None) -> int | None:
    """The number, where it is a known one."""
    return written.value if written is not None and type(written.value) is int else None


def text(section: Branch, *path: str) -> Written | None:
    """A text as written; None when it is no text, or is filled in later."""
    node = section.find(*path)
    if not isinstance(node, Leaf) or not isinstance(node.value, str) or not node.value:
        return None
    return None if is_unknown_text(node.value) else Written(node.value, node.spot, path[-1])


def settings(section: Branch, names: Collection[str]) -> dict[str, Written]:
    """The settings of these names that the section gives, nulls left out."""
    found = {}
    for name in names:
        if name in section.entries:
            node = section.entries[name].node
            value = plain(node)
            if value is not None:
                found[name] = Written(value if _is_meant(name, value) else UNKNOWN, node.spot, name)
    return found


def _is_meant(name: str, value: Any) -> bool:
    """Whether a setting has a value of its kind. What the tool makes of another one is for the tool to say."""
    if name.endswith("_plan"):
        rules = value.items() if isinstance(value, dict) else ((name, value),)
        return all(isinstance(rule, str) and isinstance(style, str) for rule, style in rules)
    if name.endswith(("_size", "_stage", "_layers")):
        return type(value) is int
    return not isinstance(value, dict)


def plain(node: Node, depth: int = 8) -> Any:
    """The node as plain values; `UNKNOWN` for what is filled in later, or deeper than any setting."""
    if isinstance(node, Leaf):
        return UNKNOWN if isinstance(node.value, str) and "$" in node.value else node.value
    if depth == 0:
        return UNKNOWN
    if isinstance(node, Branch):
        return {key: plain(entry.node, depth - 1) for key, entry in node.entries.items()}
    return [plain(item, depth - 1) for item in node.nodes]


def place(section: Branch, key: str) -> Spot:
    """Where the key stands, or the section where it has no such key."""
    return section.entries[key].key_spot if key in section.entries else section.spot


class Mesh(NamedTuple):
    """What a section says of the mesh: the sizes by axis, and what is wrong with its keys."""

    sizes: dict[str, Written]
    problems: tuple[Problem, ...]


def mesh_of(
    section: Branch,
    keys: Mapping[str, str],
    consequence: Consequence,
    *,
    known: Collection[str] = (),
    strict: bool = False,
    slips: bool = False,
) -> Mesh:
    """The sizes that a section gives, and the keys that were meant to give one.

    Args:
        section: the mapping.
        keys: its size keys, each with its axis.
        consequence: what the tool does with a key that it does not know.
        known: further keys of the section.
        strict: as `sizes`.
        slips: the section holds more than a mesh, so that a key may be of something else: only slips of the fingers
            in long keys count.
    """
    found = sizes(section, keys, strict=strict)
    problems = list(_repeated_keys(section, keys))
    long = {name: axis for name, axis in keys.items() if len(name) > 11}
    does = "refuses" if consequence is Consequence.CLEAN else "drops in silence, so that the axis is not used"
    for key, entry in section.entries.items():
        if key in keys or key in known:
            continue
        meant = meant_key(key, long if slips else keys, slips=slips)
        if meant is not None:
            told = f"unknown key {key!r} of the mesh, which the tool {does}; did you mean {meant!r}?"
            problems.append(Problem("RC001", told, f"write {meant!r}", entry.key_spot, consequence))
            # nobody is told twice: what the mesh lacks without this size is no second mistake
            found.setdefault(keys[meant], Written(UNKNOWN, entry.key_spot, key))
    return Mesh(found, tuple(problems))


def _repeated_keys(section: Branch, keys: Collection[str]) -> Iterator[Problem]:
    """Sizes that are given twice: the last one counts, and nobody is told."""
    for key, spot in section.repeated:
        if key in keys:
            last = section.entries[key].key_spot.line
            yield Problem("RC003", f"{key!r} is given twice: the one on line {last} counts", "remove one of them", spot)
