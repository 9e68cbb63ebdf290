"""Functions that hypothesis writes: a mesh comes to a call one way or another, and something may happen on the way."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st


def indented(lines: list[str], by: int = 4) -> list[str]:
    """The lines of a block."""
    return [" " * by + line for line in lines]


SIZES: Final = (
    *("1", "2", "4", "8", "FOUR", "ONE", "FOUR // 4", "2 ** 3", "FOUR - 3", "four()", "8 if flag else 4"),
    *("8 if flag else 1", "len('abcd')", "int('4')", "min(8, 4)", "FOUR and 1", "FOUR or 1", "-(-4)", "+2", "~-5"),
    *("0x8", "True + 1", "0", "7 & 5", "(lambda: 4)()", "[4][0]", "(2, 4)[-1]", "{'a': 4}['a']", "sum([2, 2])"),
    *("abs(-4)", "round(4.2)", "4 if not flag else 2"),
)
_size = st.sampled_from(SIZES)
_axis = st.sampled_from(["tp", "pp", "cp", "ep", "dp_shard"])
_keywords = st.dictionaries(_axis, _size, max_size=3).map(lambda d: ", ".join(f"{k}_size={v}" for k, v in d.items()))
simple_meshes = st.one_of(
    st.builds("MeshSpec({})".format, _keywords),
    st.builds("MeshSpec({})".format, _keywords),
    st.builds("DistributedConfig(tp_size={})".format, _size),
    st.builds("MeshSpec.of(MeshSpec({}))".format, _keywords),
    st.builds(lambda axis, size: f"MeshSpec.of({{'{axis}': {size}}})", _axis, _size),
    st.builds(lambda axis, size: f"{{'{axis}_size': {size}}}", _axis, _size),
    st.builds(lambda axis, size: f"dict({axis}={size})", _axis, _size),
    st.builds("MeshSpec.parse('tp={}')".format, st.sampled_from(["8", "1", "0", " 4 ", "eight", ""])),
    st.sampled_from(["WIDE", "REBOUND", "None", "wide(flag)", "MeshSpec(**{'tp_size': 4})", "MeshSpec(*())"]),
)
meshes = st.one_of(
    simple_meshes,
    simple_meshes,
    st.builds("{} if flag else {}".format, simple_meshes, simple_meshes),
    st.builds("(found := {})".format, simple_meshes),
    st.builds("({} or {})".format, simple_meshes, simple_meshes),
    st.builds("(lambda: {})()".format, simple_meshes),
    st.builds("[{}][0]".format, simple_meshes),
)

WRITES: Final = (
    "net._tp_plan = PLAN",
    "write(net)",
    "setattr(net, '_tp_plan', PLAN)",
    "vars(net)['_tp_plan'] = PLAN",
    "net.__dict__.update(_tp_plan=PLAN)",
    "object.__setattr__(net, '_tp_plan', PLAN)",
    "same = net; same._tp_plan = PLAN",
    "[write(each) for each in [net]]",
    "for each in (net,): each._tp_plan = PLAN",
    "nets = [net]; nets[0]._tp_plan = PLAN",
    "{'a': net}['a']._tp_plan = PLAN",
    "(lambda each: setattr(each, '_tp_plan', PLAN))(net)",
    "found = (same := net); found._tp_plan = PLAN",
    "same, other = net, None; same._tp_plan = PLAN",
    "type(net)._tp_plan = PLAN",
    "net.__class__._tp_plan = PLAN",
    "net.apply(write)",
    "net.validate_for_mesh = lambda mesh: None",
    "type(net).validate_for_mesh = lambda self, mesh: None",
    "net.__class__ = type('E', (type(net),), {'_tp_plan': PLAN})",
    "net = type('E', (type(net),), {'_tp_plan': PLAN})()",
    "other = net.eval(); other._tp_plan = PLAN",
    "with_plan = write; with_plan(net)",
    "net.child = nn.Linear(2, 2)",
    "net.config = None",
    "net.backend = None",
    "net.ModelCapabilities = None",
    "net._tp_plan, net._pp_plan = PLAN, PLAN",
    "exec('net._tp_plan = PLAN')",
)


def flow(mesh: str, other: str, shape: str, model: str, how: str, written: list[str]) -> list[str]:
    """A function `use{n}(flag)` that makes a model and validates a mesh for it.

    Args:
        mesh: the expression of the mesh.
        other: that of another, which stands in its way.
        shape: how the mesh reaches the call, one of `SHAPES`.
        model: the expression that makes the model.
        how: what is called, or "written": statements of `WRITES` come before the call.
        written: those statements.
    """
    lines = [f"net: Any = {model}" if how == "any" else f"net = {model}"]
    call = {"function": "validate_for_mesh(net, {})", "class": "type(net).validate_for_mesh(net, {})"}.get(
        how, "net.validate_for_mesh({})"
    )
    if how == "written":
        lines += written
    statements = {
        "inline": [call.format(mesh)],
        "name": [f"mesh: Any = {mesh}", call.format("mesh")],
        "inferred": [f"mesh = {mesh}", call.format("mesh")],
        "rebound": [f"mesh: Any = {mesh}", "if flag:", f"    mesh = {other}", call.format("mesh")],
        "loop": [f"for mesh in ({mesh}, {other}):", f"    {call.format('mesh')}"],
        "comprehension": [f"[{call.format('mesh')} for mesh in [{mesh}]]"],
        "inner": ["def inner() -> Any:", f"    return {mesh}", call.format("inner()")],
        "default": [f"def inner(mesh: Any = {mesh}) -> Any:", f"    return {call.format('mesh')}", f"inner({other})"],
        "nonlocal": [
            f"mesh: Any = {mesh}",
            "def change() -> None:",
            "    nonlocal mesh",
            f"    mesh = {other}",
            "change()",
            call.format("mesh"),
        ],
        "mutated": [f"mesh: Any = {mesh}", "if isinstance(mesh, dict): write(mesh)", call.format("mesh")],
        "deleted": [f"mesh: Any = {mesh}", "del mesh", f"mesh = {other}", call.format("mesh")],
        "match": [f"match {mesh}:", "    case mesh:", f"        {call.format('mesh')}"],
        "try": ["try:", f"    mesh: Any = {mesh}", "finally:", "    pass", call.format("mesh")],
        "while": [f"mesh: Any = {mesh}", "while flag:", f"    mesh = {other}", "    break", call.format("mesh")],
        "aliased": [
            f"mesh: Any = {mesh}",
            "same = mesh",
            "if isinstance(same, dict): write(same)",
            call.format("mesh"),
        ],
        "config": [
            f"mesh: Any = {mesh}",
            "if isinstance(mesh, DistributedConfig): mesh.tp_size = 1",
            call.format("mesh"),
        ],
        "config by name": [
            f"mesh = {mesh}",
            "for each in [mesh]:",
            "    if isinstance(each, DistributedConfig): setattr(each, 'tp_size', 1)",
            call.format("mesh"),
        ],
        "frozen": [f"mesh: Any = {mesh}", "object.__setattr__(mesh, 'tp_size', 1) if mesh else 0", call.format("mesh")],
        "swapped": [f"mesh, other = {mesh}, {other}", "mesh, other = other, mesh", call.format("mesh")],
        "starred": [f"*meshes, last = {mesh}, {other}", call.format("meshes[0]")],
        "list": [f"meshes: Any = [{mesh}]", f"meshes[0] = {other}", call.format("meshes[0]")],
        "appended": [f"meshes: Any = [{mesh}]", f"meshes.append({other})", call.format("meshes[-1]")],
        "table": [f"table: Any = {{'a': {mesh}}}", f"table['a'] = {other}", call.format("table['a']")],
        "raised": [
            "try:",
            f"    mesh: Any = {mesh}",
            "    raise KeyError",
            "except KeyError:",
            f"    mesh = {other}",
            call.format("mesh"),
        ],
        "finally": [f"mesh: Any = {mesh}", "try:", "    pass", "finally:", f"    mesh = {other}", call.format("mesh")],
        "after loop": [f"for mesh in ({mesh}, {other}):", "    pass", call.format("mesh")],
        "loop variable": [f"for mesh in ({mesh},):", f"    mesh = {other}", f"    {call.format('mesh')}"],
        "carried": [
            f"mesh: Any = {mesh}",
            "for _ in range(2):",
            "    last = mesh",
            f"    mesh = {other}",
            call.format("last"),
        ],
        "holder": ["class Holder:", f"    mesh: Any = {mesh}", f"Holder.mesh = {other}", call.format("Holder.mesh")],
        "instance": [
            "class Holder:",
            f"    mesh: Any = {mesh}",
            "held = Holder()",
            f"held.mesh = {other}",
            call.format("held.mesh"),
        ],
        "property": [
            "class Holder:",
            "    @property",
            "    def mesh(self) -> Any:",
            f"        return {mesh}",
            call.format("Holder().mesh"),
        ],
        "field": [
            "@dataclass",
            "class Holder:",
            f"    mesh: Any = field(default_factory=lambda: {mesh})",
            call.format(f"Holder({other}).mesh"),
        ],
        "init": [
            "class Holder:",
            "    def __init__(self) -> None:",
            f"        self.mesh: Any = {mesh}",
            "    def change(self) -> None:",
            f"        self.mesh = {other}",
            "held = Holder(); held.change()",
            call.format("held.mesh"),
        ],
        "subclass": [
            "class Holder:",
            f"    mesh: Any = {mesh}",
            "class Other(Holder):",
            f"    mesh = {other}",
            call.format("Other().mesh"),
        ],
        "shadowed": ["MeshSpec = lambda **kw: None", call.format(mesh)],
        "shadowed dict": ["def dict(**kw: Any) -> Any: return {'tp': 1}", call.format(mesh)],
        "generator": ["def made() -> Any:", f"    yield {mesh}", "for mesh in made():", f"    {call.format('mesh')}"],
        "decorated": ["@(lambda f: lambda: None)", "def made() -> Any:", f"    return {mesh}", call.format("made()")],
        "redefined": [
            "def made() -> Any:",
            f"    return {mesh}",
            "def made() -> Any:",
            f"    return {other}",
            call.format("made()"),
        ],
        "argument": ["def made(mesh: Any) -> Any:", "    return mesh", call.format(f"made({mesh})")],
        "comprehension write": [f"mesh: Any = {mesh}", f"[mesh := {other} for _ in range(1)]", call.format("mesh")],
        "lambda": [f"made = lambda: {mesh}", f"made = lambda: {other}", call.format("made()")],
        "conditional": [f"mesh: Any = {mesh}", "if not flag: pass", f"else: mesh = {other}", call.format("mesh")],
        "walrus in test": [f"if (mesh := {mesh}) and not (mesh := {other}): pass", call.format("mesh")],
        "exception name": [
            "try:",
            "    raise KeyError",
            f"except KeyError as mesh: mesh = {other}; {call.format('mesh')}",
        ],
        "unpacked": [f"mesh: Any = {mesh}", "if isinstance(mesh, dict): mesh = {**mesh, 'tp': 1}", call.format("mesh")],
        "replaced": [
            f"mesh: Any = {mesh}",
            "if isinstance(mesh, MeshSpec): mesh = replace(mesh, tp_size=1)",
            call.format("mesh"),
        ],
        "size": ["size = 8", "size //= 8", call.format("MeshSpec(tp_size=size)")],
        "sized": ["size = 8", "for size in (1,): pass", call.format("MeshSpec(tp_size=size)")],
        "augmented": [f"mesh: Any = {mesh}", "if isinstance(mesh, dict): mesh |= {'tp': 1}", call.format("mesh")],
    }
    return ["def use{n}(flag: bool) -> None:", *indented([*lines, *statements[shape]])]


SHAPES: Final = (
    *(
        "inline",
        "name",
        "inferred",
        "rebound",
        "loop",
        "comprehension",
        "inner",
        "default",
        "nonlocal",
        "mutated",
        "deleted",
    ),
    *(
        "match",
        "try",
        "while",
        "augmented",
        "aliased",
        "config",
        "config by name",
        "frozen",
        "swapped",
        "starred",
        "list",
    ),
    *(
        "appended",
        "table",
        "raised",
        "finally",
        "after loop",
        "loop variable",
        "carried",
        "holder",
        "instance",
        "property",
    ),
    *("field", "init", "subclass", "shadowed", "shadowed dict", "generator", "decorated", "redefined", "argument"),
    *(
        "comprehension write",
        "lambda",
        "conditional",
        "walrus in test",
        "exception name",
        "unpacked",
        "replaced",
        "size",
    ),
    "sized",
)
shapes = st.one_of(st.sampled_from(SHAPES[:5]), st.sampled_from(SHAPES))
