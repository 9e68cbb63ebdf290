"""Programs that hypothesis makes: a class written one way or another, and a mesh it is given.

They run too: `PRELUDE` and a program's text are executed, and `use(True)` and `use(False)` validate the mesh.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hypothesis import strategies as st

PRELUDE: Final = """\
from abc import ABC
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, final

from torch import nn
from transformers.distributed import DistributedConfig

from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh

T = TypeVar("T")
PLAN: Any = {"up": "colwise"}
EMPTY: Any = {}
FOUR = 4
ONE = 1
WIDE = MeshSpec(tp_size=8)
REBOUND = MeshSpec(tp_size=8)
REBOUND = MeshSpec()


class MoEFSDPSyncMixin:
    pass


class PlanMixin:
    _tp_plan: Any = PLAN


class Second(CapabilityMixin):
    pass


class Meta(type):
    def __new__(mcs: Any, name: Any, bases: Any, body: Any) -> Any:
        return type.__new__(mcs, name, bases, {"_tp_plan": PLAN, **body})


def keeps(cls: Any) -> Any:
    return cls


def plans(cls: Any) -> Any:
    cls._tp_plan = PLAN
    return cls


def write(value: Any) -> None:
    if isinstance(value, dict):
        value.clear()
        value["tp"] = 1
    else:
        value._tp_plan = PLAN


def four() -> int:
    return 4


def wide(flag: bool) -> Any:
    if flag:
        return MeshSpec(tp_size=4)
    return MeshSpec(tp_size=2)
"""


class Program(NamedTuple):
    """A class and a function, as lines; `{n}` stands for the program's number."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        """Short: a report of a batch lists every program of it, and names the one at fault besides."""
        return f"<{self.lines[0]}>"

    def text(self, number: int) -> str:
        """The source, with names of its own."""
        return "\n".join(self.lines).replace("{n}", str(number)) + "\n"


def _indented(lines: list[str], by: int = 4) -> list[str]:
    return [" " * by + line for line in lines]


PLAN_VALUES: Final = ("PLAN", "EMPTY", "None", "{}", '{"up": "colwise"}', "dict(PLAN)", "{**EMPTY}", "PLAN or {}", "()")
ATTRIBUTES: Final = ("_tp_plan", "_pp_plan", "_ep_plan")
FLAGS: Final = ("_supports_sdpa", "_owns_cp_attention", "is_hybrid_model")

_attribute = st.sampled_from(ATTRIBUTES)
_plan = st.sampled_from(PLAN_VALUES[:8])
_assignment = st.builds(lambda name, value: [f"{name}: Any = {value}"], _attribute, _plan)
_flag = st.builds(
    lambda name, value: [f"{name}: Any = {value}"],
    st.sampled_from(FLAGS),
    st.sampled_from(["True", "False", "1", "None"]),
)


def _twice(name: str, first: str, then: str) -> list[str]:
    return [f"{name}: Any = {first}", then.format(name=name)]


_changed = st.builds(
    _twice,
    _attribute,
    st.sampled_from(["{}", "dict(EMPTY)"]),
    st.sampled_from(
        [
            "{name} |= PLAN",
            "{name}.update(PLAN)",
            '{name}["up"] = "colwise"',
            "{name} = PLAN",
            "{name}, other = PLAN, None",
            "write({name})",
            "del {name}",
            "alias = {name}; alias['up'] = 'rowwise'",
            "for {name} in (EMPTY, PLAN): pass",
            "with open(__file__) as file: {name} = PLAN",
            "[{name}.setdefault('up', 'colwise') for _ in range(1)]",
            "({name} := PLAN)",
            "locals()['{name}'] = PLAN",
            "exec('{name} = PLAN')",
        ]
    ),
)


def _in_branch(name: str, value: str, head: str) -> list[str]:
    lines = [head, f"    {name}: Any = {value}"]
    return [*lines, "except ValueError:", "    pass"] if head == "try:" else lines


_branched = st.builds(
    _in_branch,
    _attribute,
    _plan,
    st.sampled_from(
        ["if FOUR > 3:", "if len(PLAN) > 5:", "try:", "while True:\n    break", "for _ in range(2):"]
    ).filter(lambda head: "\n" not in head),
)
_method = st.builds(
    lambda head, body: [*head, *_indented(body)],
    st.sampled_from(
        [
            ["def __init__(self) -> None:", "    super().__init__()"],
            ["def __init__(self, *args: Any, **kw: Any) -> None:", "    super().__init__(*args, **kw)"],
            ["def __post_init__(self) -> None:"],
            ["def prepare(self) -> Any:"],
        ]
    ),
    st.lists(
        st.sampled_from(
            [
                "self._tp_plan = PLAN",
                "self._pp_plan = dict(PLAN)",
                "setattr(self, '_tp_plan', PLAN)",
                "self.__dict__['_tp_plan'] = PLAN",
                "self.child = nn.Linear(2, 2)",
                "self.backend: Any = None",
                "type(self)._tp_plan = PLAN",
                "write(self)",
                "vars(self).update(_tp_plan=PLAN)",
                "self.config: Any = None",
                "pass",
            ]
        ),
        min_size=1,
        max_size=3,
    ),
)
_whole = st.sampled_from(
    [
        ["@property", "def _tp_plan(self) -> Any:", "    return PLAN"],
        ["@property", "def _pp_plan(self) -> Any:", "    return None"],
        ["@classmethod", "def _tp_plan(cls) -> Any:", "    return PLAN"],
        [
            "def __getattr__(self, name: str) -> Any:",
            "    return PLAN if name == '_ep_plan' else super().__getattr__(name)",
        ],
        [
            "def __getattribute__(self, name: str) -> Any:",
            "    return PLAN if name == '_tp_plan' else object.__getattribute__(self, name)",
        ],
        ["@dataclass(frozen=True)", "class ModelCapabilities:", "    supports_tp: bool = False"],
        [
            "@dataclass(frozen=True)",
            "class ModelCapabilities:",
            "    supports_cp: bool = True",
            "    supports_pp: bool = True",
        ],
        ["class ModelCapabilities:", "    supports_tp = True"],
        ["@classmethod", "def get_capabilities(cls, config: Any) -> Any:", "    return {'supports_tp': True}"],
        ["def forward(self, x: Any, seq_lens: Any = None, **kwargs: Any) -> Any:", "    return x"],
        ["def _tp_plan(self) -> Any: ..."],
        ["_tp_plan: Any"],
        ["class _tp_plan: pass"],
        ["import os as _tp_plan"],
        ["lambda_: Any = lambda self: self"],
        ["__slots__ = ()"],
        ['"""Words."""'],
        ["async def later(self) -> None:", "    await self.later()"],
    ]
)
_body = st.lists(st.one_of(_assignment, _assignment, _flag, _changed, _branched, _method, _whole), max_size=3)
_bases = st.sampled_from(
    [
        "CapabilityMixin, nn.Module",
        "CapabilityMixin, nn.Module",
        "CapabilityMixin, nn.Linear",
        "CapabilityMixin, PlanMixin, nn.Module",
        "CapabilityMixin, nn.Module, PlanMixin",
        "Second, nn.Module",
        "CapabilityMixin, MoEFSDPSyncMixin, nn.Module",
        "CapabilityMixin, nn.Module, Generic[T]",
        "CapabilityMixin, nn.Module, ABC",
        "CapabilityMixin, nn.Module, metaclass=Meta",
    ]
)
_decorator = st.sampled_from([[], [], [], [], ["@final"], ["@keeps"], ["@plans"], ["@dataclass(eq=False)"]])
_afterwards = st.lists(
    st.sampled_from(
        [
            "C{n}._tp_plan = PLAN",
            "setattr(C{n}, '_tp_plan', PLAN)",
            "Alias{n} = C{n}; Alias{n}._tp_plan = PLAN",
            "write(C{n})",
            "for Each{n} in (C{n},): Each{n}._tp_plan = PLAN",
            "type.__setattr__(C{n}, '_tp_plan', PLAN)",
            "[Named{n} := C{n}]; Named{n}._tp_plan = PLAN",
            "C{n}.__init_subclass__()",
        ]
    ),
    max_size=1,
)


def _class(
    bases: str, body: list[list[str]], decorator: list[str], child: list[list[str]] | None, after: list[str]
) -> list[str]:
    if any("dataclass" in line for line in decorator):
        # mypy itself ends with an internal error where a method of a dataclass is assigned anew
        body = [member for member in body if not member[0].startswith("def ")]
    lines = [line for member in body for line in member] or ["pass"]
    if "Linear" in bases:
        lines += ["def __init__(self) -> None:", "    super().__init__(2, 2)"]
    made = [*decorator, f"class C{{n}}({bases}):", *_indented(lines)]
    if child is not None and "@final" not in decorator:
        own = [line for member in child for line in member] or ["pass"]
        made += ["B{n}: Any = C{n}" if not own else "", "class D{n}(C{n}):", *_indented(own)]
    return [*made, *after]


SIZES: Final = (
    *("1", "2", "4", "8", "FOUR", "ONE", "FOUR // 4", "2 ** 3", "FOUR - 3", "four()", "8 if flag else 4"),
    *("8 if flag else 1", "len('abcd')", "int('4')", "min(8, 4)", "FOUR and 1", "FOUR or 1", "-(-4)", "+2", "~-5"),
    *("0x8", "True + 1", "0", "7 & 5", "(lambda: 4)()", "[4][0]", "(2, 4)[-1]", "{'a': 4}['a']", "sum([2, 2])"),
    *("abs(-4)", "round(4.2)", "4 if not flag else 2"),
)
_size = st.sampled_from(SIZES)
_axis = st.sampled_from(["tp", "pp", "cp", "ep", "dp_shard"])
_keywords = st.dictionaries(_axis, _size, max_size=3).map(lambda d: ", ".join(f"{k}_size={v}" for k, v in d.items()))
_simple = st.one_of(
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
_mesh = st.one_of(
    _simple,
    _simple,
    st.builds("{} if flag else {}".format, _simple, _simple),
    st.builds("(found := {})".format, _simple),
    st.builds("({} or {})".format, _simple, _simple),
    st.builds("(lambda: {})()".format, _simple),
    st.builds("[{}][0]".format, _simple),
)


def _flow(mesh: str, other: str, shape: str, model: str, how: str) -> list[str]:
    lines = [f"net: Any = {model}" if how == "any" else f"net = {model}"]
    call = {"function": "validate_for_mesh(net, {})", "class": "type(net).validate_for_mesh(net, {})"}.get(
        how, "net.validate_for_mesh({})"
    )
    if how == "written":
        lines.append("net._tp_plan = PLAN")
    if how == "passed on":
        lines.append("write(net)")
    shapes = {
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
        "augmented": [f"mesh: Any = {mesh}", "if isinstance(mesh, dict): mesh |= {'tp': 1}", call.format("mesh")],
    }
    return ["def use{n}(flag: bool) -> None:", *_indented([*lines, *shapes[shape]])]


SHAPES: Final = (
    *(
        "inline",
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
    ),
    *("deleted", "match", "try", "while", "augmented"),
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A class, perhaps with a child, and a function that validates a mesh for one of the two."""
    child = draw(st.one_of(st.none(), st.none(), _body))
    decorator = draw(_decorator)
    afterwards = draw(st.one_of(st.just([]), st.just([]), _afterwards))
    made = _class(draw(_bases), draw(_body), decorator, child, afterwards)
    model = "D{n}()" if child is not None and "@final" not in decorator else "C{n}()"
    how = draw(st.sampled_from(["method", "method", "method", "function", "class", "any", "written", "passed on"]))
    flow = _flow(draw(_mesh), draw(_simple), draw(st.sampled_from(SHAPES)), model, how)
    return Program((*made, "", *flow))
