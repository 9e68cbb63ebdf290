"""What a file writes onto its classes and their instances, besides what stands in a class's body.

A file's text tells which of its lines name anything of interest; the others are never looked into.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import CallExpr, ClassDef, DictExpr, FuncDef, IndexExpr, MemberExpr, NameExpr, StrExpr

from meshfit.readers.class_summary import MUTATORS, RELEVANT, SETTERS
from meshfit_mypy.parts import WRITING, parts, targets
from meshfit_mypy.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy.nodes import Expression, MypyFile, Node

    from meshfit_mypy.texts import Text

__all__ = ["Write", "plain_name", "spelled", "writes_of"]

_ATTRIBUTE: Final = re.compile(rb"\.(\w+)")
_RELEVANT: Final = frozenset(name.encode() for name in RELEVANT)
_COMMON: Final = frozenset(name.encode() for name in RELEVANT if not name.startswith(("_", "supports_")))
"""Those that other objects have too, so that only writes of them are of interest."""
_MUTATORS: Final = frozenset(name.encode() for name in MUTATORS)
_BY_NAME: Final = rb"setattr|delattr|__dict__|\bvars\("
"""What may write an attribute by a name that is computed."""


class Write:
    """An attribute that is written, or that `__init__` mentions.

    Args:
        line: where.
        holder: the plain name of the object, "" where it is no name.
        name: the attribute; None where it is computed, so that it may be any.
        outside: whether it stands outside the class that was asked for.
    """

    __slots__ = ("holder", "line", "name", "outside")

    def __init__(self, line: int, holder: str, name: str | None, *, outside: bool = False) -> None:
        self.line = line
        self.holder = holder
        self.name = name
        self.outside = outside


class _Scan:
    """The writes in a file, the names of its classes, and lines of interest in bodies that mypy left out."""

    __slots__ = ("classes", "defs", "unseen", "writes")

    def __init__(self, defs: list[Any], writes: list[Write], unseen: list[int], classes: frozenset[str]) -> None:
        self.defs = defs
        self.writes = writes
        self.unseen = unseen
        self.classes = classes


_kept: Final[dict[str, _Scan]] = {}


def writes_of(tree: MypyFile | None, cls: ClassDef) -> Iterator[Write]:
    """What the methods of a class write, and what the rest of its file writes onto it.

    Args:
        tree: the file; None: only the class is looked at.
        cls: the class.
    """
    scan = _scanned(tree) if tree is not None else _Scan([], list(_walk([cls.defs], None, [])), [], frozenset())
    if not scan.writes and not scan.unseen:
        return
    last = cls.end_line or cls.line
    others = ({"self", "cls"} | scan.classes) - {cls.name}
    for write in scan.writes:
        inside = cls.line <= write.line <= last
        if inside:
            if write.name is not None or write.holder in ("self", "cls"):
                yield write
        elif write.holder == cls.name or (write.name is not None and write.holder not in others):
            yield Write(write.line, write.holder, write.name, outside=True)
    if any(cls.line <= line <= last for line in scan.unseen):
        yield Write(cls.line, "self", None)


def plain_name(node: Expression) -> str:
    """`no_grad` of `@torch.no_grad()`."""
    while isinstance(node, CallExpr):
        node = node.callee
    return node.name if isinstance(node, (MemberExpr, NameExpr)) else "?"


def _scanned(tree: MypyFile) -> _Scan:
    kept = _kept.get(tree.fullname)
    # The daemon puts new statements into a file it already has.
    if kept is None or kept.defs is not tree.defs:
        unseen: list[int] = []
        lines = _lines(text_of(tree))
        writes = list(_walk(tree.defs, lines, unseen)) if lines != [] else []
        classes = frozenset(node.name for node in tree.defs if writes and isinstance(node, ClassDef))
        kept = _kept[tree.fullname] = _Scan(tree.defs, writes, unseen, classes)
    return kept


def _lines(known: Text | None) -> list[int] | None:
    """The lines of interest, ascending; None where the text is not to be had."""
    if known is None:
        return None
    text = known.raw
    starts = [
        match.start() for match in spelled(known) if match[1] not in _COMMON or _may_be_written(text, match.end())
    ]
    if b"attr" in text or b"__dict__" in text or b"vars(" in text:  # rare, and sooner told than searched
        starts = sorted([*starts, *(match.start() for match in re.finditer(_BY_NAME, text))])
    return known.lines_of(starts) if starts else []


def spelled(text: Text) -> list[re.Match[bytes]]:
    """Where a text spells an attribute that facts rest on, read or written, with its dot."""
    if text.spelled is None:
        text.spelled = [match for match in _ATTRIBUTE.finditer(text.raw) if match[1] in _RELEVANT]
    return text.spelled


def _may_be_written(text: bytes, end: int) -> bool:
    """Whether what follows an attribute, which ends at a place, leaves room for a write of it."""
    line = text.find(b"\n", end)
    after = text[end : line if line >= 0 else None].lstrip(b" \t")
    if after[:1] == b".":
        method = _ATTRIBUTE.match(after)
        return method is not None and method[1] in _MUTATORS
    at = 1 if after[:1] in (b"-", b"+", b"*", b"/", b"|", b"&") else 0
    assigned = after[at : at + 1] == b"=" and after[at + 1 : at + 2] != b"="
    return not after or assigned or after[:1] in (b"[", b",", b")", b":")


def _walk(body: list[Any], lines: list[int] | None, unseen: list[int]) -> Iterator[Write]:
    pending: list[tuple[Node, str]] = [(node, "") for node in body]
    while pending:
        node, function = pending.pop()
        if lines is not None and node.end_line is not None and node.line > 0:
            start = bisect_left(lines, node.line)
            if start == bisect_right(lines, node.end_line):
                continue
            if isinstance(node, FuncDef) and not node.body.body:
                unseen.append(lines[start])
        kind = type(node)
        if kind is FuncDef:
            function = node.name  # type: ignore[attr-defined]
        elif kind is MemberExpr and function == "__init__" and node.name in RELEVANT:  # type: ignore[attr-defined]
            yield Write(node.line, "self", node.name)  # type: ignore[attr-defined]
        elif kind is CallExpr or kind in WRITING:
            yield from _written(node)
            if function != "__setstate__":
                yield from _computed(node)
        if kind is not DictExpr:  # plans are long, and nothing is written in one
            pending.extend([(part, function) for part in parts(node)])


def _written(node: Node) -> Iterator[Write]:
    for target in targets(node):
        written = target.base if isinstance(target, IndexExpr) else target
        if isinstance(written, MemberExpr):
            yield Write(node.line, _holder(written.expr), written.name)
    if isinstance(node, CallExpr):
        callee = node.callee
        if isinstance(callee, MemberExpr) and callee.name in MUTATORS and isinstance(callee.expr, MemberExpr):
            yield Write(node.line, _holder(callee.expr.expr), callee.expr.name)
        if plain_name(callee) in SETTERS:
            named = isinstance(callee, NameExpr) or len(node.args) > 2
            holder = node.args[0] if named and node.args else callee
            for argument in node.args:
                if isinstance(argument, StrExpr):
                    yield Write(node.line, _holder(holder), argument.value)


def _computed(node: Node) -> Iterator[Write]:
    """Writes of attributes by names that are computed."""
    if isinstance(node, CallExpr):
        callee = node.callee
        if plain_name(callee) in SETTERS:
            arguments = node.args
            if isinstance(callee, MemberExpr) and len(arguments) < 3 and callee.name.startswith("__"):
                arguments = [callee.expr, *arguments]
            if len(arguments) > 1 and not isinstance(arguments[1], StrExpr):
                yield Write(node.line, _holder(arguments[0]), None)
        elif isinstance(callee, MemberExpr) and callee.name in MUTATORS:
            yield from _into_namespace(callee.expr, node.line)
    for target in targets(node):
        if isinstance(target, IndexExpr):
            yield from _into_namespace(target.base, node.line)


def _into_namespace(node: Expression, line: int) -> Iterator[Write]:
    if isinstance(node, MemberExpr) and node.name == "__dict__":
        yield Write(line, _holder(node.expr), None)
    elif isinstance(node, CallExpr) and plain_name(node.callee) == "vars" and node.args:
        yield Write(line, _holder(node.args[0]), None)


def _holder(node: Expression) -> str:
    return node.name if isinstance(node, NameExpr) else ""
