"""What a class says of itself, recorded among the facts that mypy keeps of it.

The hook runs for every class, before names are bound.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from mypy.nodes import (
    ARG_STAR,
    ARG_STAR2,
    AssignmentStmt,
    Block,
    CallExpr,
    ClassDef,
    Decorator,
    DictExpr,
    EllipsisExpr,
    ExpressionStmt,
    FloatExpr,
    FuncDef,
    Import,
    ImportAll,
    ImportFrom,
    IntExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    OverloadedFuncDef,
    PassStmt,
    RaiseStmt,
    ReturnStmt,
    StrExpr,
    SuperExpr,
    TempNode,
    TupleExpr,
    UnaryExpr,
)

from meshfit.readers.class_summary import RELEVANT, TELLING, SummaryBuilder, declared_fields
from meshfit.readers.unknown import UNKNOWN
from meshfit_mypy.class_writes import plain_name, writes_of
from meshfit_mypy.parts import parts, targets
from meshfit_mypy.texts import keep, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy.nodes import Expression, MypyFile, Node, Statement

__all__ = ["HANDS_ON", "KEY", "record", "recorded_classes"]

KEY: Final = "meshfit"
"""Where in `TypeInfo.metadata` the summary lies."""

HANDS_ON: Final = "meshfit_hands_on"
"""There for a class whose own `validate_for_mesh` hands its mesh on to the one it overrides."""

_LIBRARIES: Final = (b"torch", b"transformers", b"meshfit")
_CONSTANTS: Final = {"True": True, "False": False, "None": None}
_VALIDATE: Final = "validate_for_mesh"


def record(cls: ClassDef, tree: MypyFile | None = None) -> None:
    """Put the class's `ClassSummary` into its metadata; called again for a class, it does the same again.

    Args:
        cls: the class, its body as it was parsed.
        tree: the file that holds it; without it, what the file does to the class from outside goes unseen.
    """
    others = {} if tree is None else _of_file(tree)
    if others is None:
        return
    metadata = cls.info.metadata
    metadata.pop(HANDS_ON, None)
    metadata.update(others.get(cls) or _recorded(cls, tree))


def recorded_classes(tree: MypyFile) -> dict[ClassDef, dict[str, dict[str, Any]]] | None:
    """Each class at the top of a file, and the metadata that `record` gives it: all at once takes half the time.

    None for a file in which nothing has to do with models.
    """
    classes = [node for node in tree.defs if type(node) is ClassDef]
    return None if classes and not _has_models(tree) else {node: _recorded(node, tree) for node in classes}


_kept: Final[dict[str, tuple[list[Statement], dict[ClassDef, dict[str, dict[str, Any]]] | None]]] = {}


def _of_file(tree: MypyFile) -> dict[ClassDef, dict[str, dict[str, Any]]] | None:
    """`recorded_classes`, asked once for each file."""
    kept = _kept.get(tree.fullname)
    if kept is None or kept[0] is not tree.defs:
        kept = (tree.defs, recorded_classes(tree))
        keep(_kept, tree.fullname, kept)
    return kept[1]


def _has_models(tree: MypyFile) -> bool:
    """Whether a file may define models: an installed one that names none of their libraries does not."""
    text = text_of(tree) if "site-packages" in tree.path else None
    return text is None or any(word in text.raw for word in _LIBRARIES)


def _recorded(cls: ClassDef, tree: MypyFile | None) -> dict[str, dict[str, Any]]:
    builder = SummaryBuilder(cls.name)
    if cls.decorators or cls.metaclass is not None:
        metaclass = None if cls.metaclass is None else plain_name(cls.metaclass)
        builder.decorate(map(plain_name, cls.decorators), metaclass)
    _read_body(builder, cls.defs.body, sure=True)
    for write in writes_of(tree, cls):
        if write.name is None:
            builder.obscure()
        elif write.outside:
            builder.write_from_outside(write.name, by_name=write.holder == cls.name)
        else:
            builder.write(write.name)
    metadata = {KEY: builder.to_dict()}
    if builder.binds(_VALIDATE) and any(type(node) is FuncDef and _hands_on(node) for node in cls.defs.body):
        metadata[HANDS_ON] = {_VALIDATE: True}
    return metadata


def _hands_on(function: FuncDef) -> bool:
    """Whether an own `validate_for_mesh` is sure to pass the mesh it is given to the one it overrides."""
    if function.name != _VALIDATE or len(function.arguments) < 2:
        return False
    own, mesh = (argument.variable.name for argument in function.arguments[:2])
    for statement in function.body.body:
        for call in parts(statement):
            if isinstance(call, CallExpr) and _is_overridden(call.callee, function.name, own, call.args):
                given = call.args[isinstance(call.callee, MemberExpr) :]
                return any(isinstance(argument, NameExpr) and argument.name == mesh for argument in given)
        if any(_ends_or_binds(node, mesh) for node in _inside(statement)):
            return False
    return False


def _is_overridden(callee: Expression, name: str, own: str, arguments: list[Expression]) -> bool:
    """Whether a call is `super().name(...)` or `Base.name(self, ...)`."""
    if isinstance(callee, SuperExpr):
        return callee.name == name
    first = arguments[0] if arguments else None
    if not isinstance(callee, MemberExpr) or callee.name != name:
        return False
    made = callee.expr.callee if isinstance(callee.expr, CallExpr) else None
    if isinstance(made, NameExpr) and made.name == "super":
        return True
    return isinstance(first, NameExpr) and first.name == own


def _ends_or_binds(node: Node, name: str) -> bool:
    """Whether a node may end the function, or makes something else of a name."""
    if isinstance(node, (ReturnStmt, RaiseStmt)):
        return True
    return any(isinstance(target, NameExpr) and target.name == name for target in targets(node))


def _inside(node: Node) -> Iterator[Node]:
    yield node
    for part in parts(node):
        yield from _inside(part)


def _read_body(builder: SummaryBuilder, body: list[Statement], *, sure: bool) -> None:
    for node in body:
        kind = type(node)
        if kind is FuncDef and sure:
            name = node.name  # type: ignore[attr-defined]
            if name in TELLING:
                builder.define(name, _parameters(node), ())  # type: ignore[arg-type]
            else:
                builder.mention(name)
        elif kind is AssignmentStmt:
            _assign(builder, node, sure=sure)  # type: ignore[arg-type]
        elif isinstance(node, (FuncDef, Decorator, OverloadedFuncDef)):
            _define(builder, node, sure=sure)
        elif isinstance(node, ClassDef):
            if sure:
                builder.nest(node.name, _declared(node) if node.name == "ModelCapabilities" else None)
            else:
                builder.doubt(node.name)
        elif kind is not PassStmt and not _is_text(node):
            # Loops, branches, `del`, `|=`, calls: whatever they name may have changed.
            _doubt(builder, node)
            for block in parts(node):
                if isinstance(block, Block):
                    _read_body(builder, block.body, sure=False)


def _define(builder: SummaryBuilder, node: FuncDef | Decorator | OverloadedFuncDef, *, sure: bool) -> None:
    if isinstance(node, OverloadedFuncDef):
        # A property with its setter, or overloads, which the last item implements.
        first = node.items[0]
        is_property = isinstance(first, Decorator) and "property" in map(plain_name, first.decorators)
        node = first if is_property else node.items[-1] if node.impl is None else node.impl
    function = node.func if isinstance(node, Decorator) else node
    decorators = [plain_name(one) for one in node.original_decorators] if isinstance(node, Decorator) else []
    if sure and isinstance(function, FuncDef):
        builder.define(function.name, _parameters(function), decorators)
    else:
        builder.doubt(function.name)


def _parameters(function: FuncDef) -> list[str]:
    kinds, names = function.arg_kinds, [argument.variable.name for argument in function.arguments]
    if ARG_STAR not in kinds and ARG_STAR2 not in kinds:
        return names
    marks = {ARG_STAR: "*", ARG_STAR2: "**"}
    return [marks.get(kind, "") + name for name, kind in zip(names, kinds, strict=True)]


def _assign(builder: SummaryBuilder, node: AssignmentStmt, *, sure: bool) -> None:
    value = node.rvalue
    is_bound = type(value) is not TempNode
    literal = _literal(value) if is_bound else UNKNOWN
    if is_bound and literal is UNKNOWN:
        _doubt(builder, value)
    for target in node.lvalues:
        if is_bound and sure and type(target) is NameExpr:
            builder.bind(target.name, literal, annotated=node.unanalyzed_type is not None)
        else:
            for name in (target, *parts(target)):
                if isinstance(name, NameExpr):
                    builder.doubt(name.name)
            _doubt(builder, target)


def _doubt(builder: SummaryBuilder, node: Node) -> None:
    """Every attribute of interest that a node names, and every name that it binds; blocks below it are left out."""
    pending: list[Any] = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, NameExpr) and one.name in RELEVANT:
            builder.doubt(one.name)
        elif isinstance(one, (ImportFrom, Import)):
            for imported, alias in _imported(one):
                builder.doubt(alias or imported.partition(".")[0])
        elif isinstance(one, ImportAll):
            builder.obscure()
        for target in targets(one):
            if isinstance(target, NameExpr):
                builder.doubt(target.name)
        pending.extend(part for part in parts(one) if not isinstance(part, Block))


def _imported(node: ImportFrom | Import) -> list[tuple[str, str | None]]:
    return node.names if isinstance(node, ImportFrom) else node.ids


def _declared(node: ClassDef) -> dict[str, bool] | None:
    fields: list[tuple[str, object, bool]] = []
    plain = not (node.base_type_exprs or node.removed_base_type_exprs or node.keywords or node.metaclass)
    for statement in node.defs.body:
        if isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, TempNode):
            continue
        if isinstance(statement, AssignmentStmt) and len(statement.lvalues) == 1:
            target, annotation = statement.lvalues[0], statement.unanalyzed_type
            if isinstance(target, NameExpr):
                in_class = annotation is not None and "ClassVar" in str(annotation)
                value = UNKNOWN if in_class else _literal(statement.rvalue)
                fields.append((target.name, value, annotation is not None))
                continue
        plain = plain and (isinstance(statement, PassStmt) or _is_text(statement))
    marks = [(plain_name(one), _keywords(one)) for one in node.decorators]
    return declared_fields(fields, marks, plain=plain)


def _keywords(decorator: Expression) -> list[str]:
    return [name or "?" for name in decorator.arg_names] if isinstance(decorator, CallExpr) else []


def _is_text(node: Statement) -> bool:
    return isinstance(node, ExpressionStmt) and isinstance(node.expr, (StrExpr, EllipsisExpr))


def _literal(node: Expression) -> Any:
    """The value of a literal, UNKNOWN for anything else."""
    read = _LITERALS.get(type(node))
    return UNKNOWN if read is None else read(node)


def _literal_items(node: ListExpr | TupleExpr) -> Any:
    items = [_literal(item) for item in node.items]
    return UNKNOWN if UNKNOWN in items else items


def _literal_mapping(node: DictExpr) -> Any:
    found: dict[str, Any] = {}
    for key, item in node.items:
        value = _literal(item)
        if value is UNKNOWN or not isinstance(key, StrExpr):
            return UNKNOWN
        found[key.value] = value
    return found


def _negative(node: UnaryExpr) -> Any:
    return -node.expr.value if node.op == "-" and isinstance(node.expr, (IntExpr, FloatExpr)) else UNKNOWN


_LITERALS: Final[dict[type, Callable[[Any], Any]]] = {
    **dict.fromkeys((StrExpr, IntExpr, FloatExpr), attrgetter("value")),
    NameExpr: lambda node: _CONSTANTS.get(node.name, UNKNOWN),
    **dict.fromkeys((ListExpr, TupleExpr), _literal_items),
    DictExpr: _literal_mapping,
    UnaryExpr: _negative,
}
