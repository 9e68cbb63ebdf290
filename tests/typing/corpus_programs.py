"""Programs that hypothesis makes: a class written one way or another, and a mesh it is given.

They run too: `PRELUDE` and a program's text are executed, and `use(True)` and `use(False)` validate the mesh.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hypothesis import strategies as st
from tests.typing.corpus_flows import WRITES, flow, indented, meshes, shapes, simple_meshes

PRELUDE: Final = """\
from abc import ABC
from dataclasses import dataclass, field, replace
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
    lambda head, body: [*head, *indented(body)],
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
        # mypy itself ends with an internal error where a method or a class in a dataclass is assigned anew
        body = [member for member in body if not member[0].startswith(("def ", "class _"))]
    lines = [line for member in body for line in member] or ["pass"]
    if "Linear" in bases:
        lines += ["def __init__(self) -> None:", "    super().__init__(2, 2)"]
    made = [*decorator, f"class C{{n}}({bases}):", *indented(lines)]
    if child is not None and "@final" not in decorator:
        own = [line for member in child for line in member] or ["pass"]
        made += ["B{n}: Any = C{n}" if not own else "", "class D{n}(C{n}):", *indented(own)]
    return [*made, *after]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A class, perhaps with a child, and a function that validates a mesh for one of the two."""
    child = draw(st.one_of(st.none(), st.none(), _body))
    decorator = draw(_decorator)
    afterwards = draw(st.one_of(st.just([]), st.just([]), _afterwards))
    made = _class(draw(_bases), draw(_body), decorator, child, afterwards)
    model = "D{n}()" if child is not None and "@final" not in decorator else "C{n}()"
    how = draw(st.sampled_from(["method", "method", "method", "function", "class", "any", "written"]))
    written = draw(st.lists(st.sampled_from(WRITES), min_size=1, max_size=2))
    use = flow(draw(meshes), draw(simple_meshes), draw(shapes), model, how, written)
    return Program((*made, "", *use))
