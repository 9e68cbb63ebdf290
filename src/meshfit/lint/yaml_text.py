"""YAML as a tree of places, built from the events of libyaml's parser.

Events, not `yaml.load` nor `yaml.compose`: both recurse, and a file of brackets would end the process. No tag is
followed, and an alias is the very node it names, so that a file cannot grow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from meshfit.lint.documents import MAX_DEPTH, Branch, DocumentError, Entry, Items, Leaf, Node
from meshfit.lint.recipe import Spot
from meshfit.readers.unknown import UNKNOWN

__all__ = ["read_yaml"]

MAX_MERGED: Final = 100_000
"""Keys that `<<` may bring into the mappings of a text."""

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_LINE_ENDS_OF_YAML: Final = str.maketrans({"\x85": " ", "\u2028": " ", "\u2029": " "})
"""Line ends to YAML 1.1 and to no editor: with them the lines would be counted differently."""
_NUMBER: Final = re.compile(r"[-+]?[0-9][0-9_]*")
_RESOLVERS: Final[Any] = yaml.SafeLoader.yaml_implicit_resolvers


_TOO_DEEP: Final = "is nested too deeply for a config"


def read_yaml(text: str) -> Iterator[Node]:
    """The documents of a text, each as a tree.

    Raises:
        DocumentError: the text is no YAML, or nested too deeply.
    """
    try:
        loader = _Loader(text.translate(_LINE_ENDS_OF_YAML))
    except yaml.YAMLError as error:  # characters that YAML forbids
        raise DocumentError(f"is not YAML: {_plain(error)}") from None
    except UnicodeEncodeError:
        raise DocumentError("is not YAML: half of a character stands alone") from None
    try:
        yield from _documents(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = _in_text(mark.line, mark.column, text) if mark else (None, None)
        if "nesting depth" in str(error.problem):  # libyaml may have a limit of its own
            raise DocumentError(_TOO_DEEP, *at) from None
        raise DocumentError(f"is not YAML: {_plain(error.problem or error.context)}", *at) from None
    except yaml.YAMLError as error:
        raise DocumentError(f"is not YAML: {_plain(error)}") from None
    finally:
        loader.dispose()


def _in_text(line: int, column: int, text: str) -> tuple[int, int]:
    """The place as editors count; to libyaml a text ends on the line behind its last one."""
    lines = text.split("\n")
    if line < len(lines):
        return line + 1, column + 1
    return len(lines), len(lines[-1]) + 1


def _plain(problem: object) -> str:
    return " ".join(str(problem).split())[:200]


class _Open:
    """A collection that is still being read."""

    __slots__ = ("key", "merged", "node")

    def __init__(self, node: Branch | Items) -> None:
        self.node = node
        self.key: tuple[str, Spot] | None = None
        self.merged: list[Node] = []


def _documents(loader: Any) -> Iterator[Node]:
    anchors: dict[str, Node] = {}
    stack: list[_Open] = []
    left = MAX_MERGED
    while loader.check_event():
        event = loader.get_event()
        kind = type(event)
        if kind is yaml.DocumentStartEvent:
            anchors = {}
            continue
        if kind in (yaml.SequenceEndEvent, yaml.MappingEndEvent):
            done = stack.pop()
            done.node.spot = _joined(done.node.spot, _spot(event))
            if isinstance(done.node, Branch):
                left = _merge(done.node, done.merged, left)
            if not stack:
                yield done.node
            continue
        node = _node(event, kind, anchors)
        if node is None:
            continue
        if stack:
            _add(stack[-1], node, _spot(event))
        if kind in (yaml.SequenceStartEvent, yaml.MappingStartEvent):
            if len(stack) >= MAX_DEPTH:
                raise DocumentError(_TOO_DEEP, event.start_mark.line + 1)
            stack.append(_Open(node))  # type: ignore[arg-type]
        elif not stack:
            yield node


def _node(event: Any, kind: type, anchors: dict[str, Node]) -> Node | None:
    node: Node
    if kind is yaml.AliasEvent:
        found = anchors.get(event.anchor)
        if found is None:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            raise DocumentError(f"is not YAML: undefined alias {event.anchor[:60]!r}", line, column)
        return found
    if kind is yaml.ScalarEvent:
        quoted = not event.implicit[0] and event.tag is None
        node = Leaf(_value(event), _spot(event), quoted=quoted)
    elif kind is yaml.SequenceStartEvent:
        node = Items(_spot(event))
    elif kind is yaml.MappingStartEvent:
        node = Branch(_spot(event))
    else:
        return None
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _add(parent: _Open, node: Node, spot: Spot) -> None:
    if isinstance(parent.node, Items):
        parent.node.nodes.append(node)
        return
    if parent.key is None:
        # a key that is no text cannot be one of a tool's
        name = node.value if isinstance(node, Leaf) and isinstance(node.value, str) else ""
        parent.key = (name, spot)
        return
    (name, key_spot), parent.key = parent.key, None
    if name == "<<":
        parent.merged.append(node)
    elif name:
        parent.node.put(name, Entry(key_spot, node))


def _merge(branch: Branch, merged: list[Node], left: int) -> int:
    """Take in what `<<` names; own keys come first, then the earlier of several mappings.

    Returns how many keys of the document may still be merged, of `left`: mappings that merge each other multiply.
    """
    for node in merged:
        for source in node.nodes if isinstance(node, Items) else [node]:
            if isinstance(source, Branch):
                left -= len(source.entries)
                if left < 0:
                    raise DocumentError("merges more keys than any config has", branch.spot.line)
                for key, entry in tuple(source.entries.items()):
                    branch.entries.setdefault(key, entry)
    return left


def _spot(event: Any) -> Spot:
    start, end = event.start_mark, event.end_mark
    return Spot(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _joined(start: Spot, end: Spot) -> Spot:
    return Spot(start.line, start.column, end.end_line, end.end_column)


def _value(event: Any) -> Any:
    """What YAML 1.1 makes of a scalar; `UNKNOWN` where a tag of some program decides."""
    text: str = event.value
    tag = event.tag
    if tag is not None and tag not in ("!", f"{_CORE}str"):
        return _typed(tag, text) if tag.startswith(_CORE) else UNKNOWN
    if tag is not None or not event.implicit[0]:
        return text
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return _typed(tag, text)
    return text


def _typed(tag: str, text: str) -> Any:
    kind = tag.removeprefix(_CORE)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    if kind == "int":
        return _int(text)
    if kind == "float":
        try:
            return float(text.replace("_", ""))
        except ValueError:
            return text
    return text


def _int(text: str) -> Any:
    """A decimal number; of other bases, which no size is written in, nothing is known."""
    digits = text.replace("_", "")
    if not _NUMBER.fullmatch(text) or len(digits) > 18 or (len(digits) > 1 and digits.lstrip("+-")[:1] == "0"):
        return UNKNOWN
    return int(digits)
