"""What a Python file says of a mesh and a model: names followed where they are certain, silence elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from tests.typing.harness import CASES, OURS, expected

from meshfit.lint import registrations
from meshfit.lint.documents import DocumentError
from meshfit.lint.judging import Question, judge_recipe
from meshfit.lint.models import Models
from meshfit.lint.python import read_python
from meshfit.notice import Notice
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Severity

QUESTION = Question(models=Models())
HEAD = """\
from torch import nn
from meshfit import CapabilityMixin, MeshSpec, validate_for_mesh
class Net(CapabilityMixin, nn.Module):
    pass
"""

FOLLOWED = (
    *("flows/inline.py", "flows/variables.py", "flows/device_mesh.py", "flows/texts_and_mappings.py"),
    *("flows/arithmetic.py", "flows/foreign.py", "flows/branches.py", "flows/loops.py"),
    *("flows/functions_and_attributes.py", "receivers/methods.py", "receivers/spellings.py", "receivers/types.py"),
    *("classes/declared.py", "classes/plans.py", "classes/shapes.py", "errors/literals.py", "registered/plans.py"),
    *("silences/bindings.py", "silences/classes_in_doubt.py", "silences/mutation.py", "silences/out_of_reach.py"),
    *("silences/untyped_base.py", "silences/values.py"),
)
"""Cases of the mypy plugin that stand in one file each."""
WHOLLY = (
    *("flows/inline.py", "flows/device_mesh.py", "flows/texts_and_mappings.py", "classes/declared.py"),
    *("classes/plans.py", "errors/literals.py", "registered/plans.py"),
)
"""Those of which everything is found here too."""


def notices(text: str, path: str = "alone/run.py") -> list[Notice]:
    """What is told of a file."""
    return [found for recipe in read_python(text, path) for found in judge_recipe(recipe, path, QUESTION)[0]]


def told(text: str) -> list[tuple[int, str]]:
    """Line and code of each error."""
    return [(found.place.line or 0, found.code) for found in notices(text) if found.severity is Severity.ERROR]


def of_the_plugin(code: str) -> str:
    """The plugin's code for a rule's."""
    axis = {"tp": "tp", "pp": "pp", "cp": "cp", "sp": "cp", "pk": "cp", "ep": "ep"}.get(code[:2].lower(), "mesh")
    return f"meshfit-{axis}"


def both(name: str) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
    """(line, code) of the errors that the plugin tells of a case, and of those told here."""
    path = CASES / name
    plugin = {(mark.line, mark.code) for mark in expected(path) if mark.code in OURS}
    here = {
        (found.place.line or 0, of_the_plugin(found.code))
        for found in notices(path.read_text(encoding="utf-8"))
        if found.severity is Severity.ERROR
    }
    return plugin, here


@pytest.mark.torch
@pytest.mark.parametrize("name", FOLLOWED)
def test_nothing_is_told_that_the_plugin_does_not_tell(name: str) -> None:
    """The same codes on the same lines, or fewer."""
    plugin, here = both(name)
    assert here <= plugin


@pytest.mark.torch
@pytest.mark.parametrize("name", WHOLLY)
def test_what_stands_in_one_file_is_told_as_the_plugin_tells_it(name: str) -> None:
    """All of it."""
    plugin, here = both(name)
    assert here == plugin
    assert plugin


@pytest.mark.torch
def test_most_of_the_plugins_cases_are_found() -> None:
    """Two of three, over the cases that stand in one file."""
    counts = [(len(here & plugin), len(plugin)) for plugin, here in map(both, FOLLOWED)]
    assert sum(here for here, _ in counts) > 0.66 * sum(plugin for _, plugin in counts) > 100


@pytest.mark.parametrize(
    "body",
    [
        "Net().validate_for_mesh(MeshSpec(tp_size=8))",
        "validate_for_mesh(Net(), MeshSpec(tp_size=8))",
        "validate_for_mesh(mesh=MeshSpec(tp_size=8), model=Net().eval())",
        "import meshfit; meshfit.validate_for_mesh(Net(), mesh=MeshSpec(tp_size=2 * 4))",
        "def f(net: 'Net'): net.validate_for_mesh({'tp': 8})",
        "async def f(net: Net): Net.validate_for_mesh(net, MeshSpec.parse('tp=8'))",
        "(net := Net()).validate_for_mesh(MeshSpec(**{'tp_size': 8}))",
    ],
)
def test_a_model_without_a_plan_is_refused(body: str) -> None:
    """However the call is written."""
    assert told(HEAD + body) == [(5, "TP001")]


@pytest.mark.parametrize(
    "body",
    [
        "def f(net): net.validate_for_mesh(MeshSpec(tp_size=8))",
        "def f(tp): Net().validate_for_mesh(MeshSpec(tp_size=tp))",
        "Net().validate_for_mesh(*[MeshSpec(tp_size=8)])",
        "Net().validate_for_mesh(MeshSpec(tp_size=8), **options)",
        "Net().validate_for_mesh(MeshSpec(tp_size=8), engine=name)",
        "import pytest\nwith pytest.raises(ValueError): Net().validate_for_mesh(MeshSpec(tp_size=8))",
        "try: Net().validate_for_mesh(MeshSpec(tp_size=8))\nexcept ValueError: pass",
        "net = Net()\nif net.supports_tp: net.validate_for_mesh(MeshSpec(tp_size=8))",
        "def f(net: Net):\n    assert isinstance(net, X)\n    net.validate_for_mesh(MeshSpec(tp_size=8))",
        "sizes = {'tp': 8}\nsizes['tp'] = 1\nNet().validate_for_mesh(sizes)",
        "sizes = {'tp': 8}\nchange(sizes)\nNet().validate_for_mesh(sizes)",
        "sizes = {'tp': 8}\nother = sizes\nother.update(tp=1)\nNet().validate_for_mesh(sizes)",
        "for Net in models: Net().validate_for_mesh(MeshSpec(tp_size=8))",
        "from elsewhere import *\nNet().validate_for_mesh(MeshSpec(tp_size=8))",
        "def f():\n    global TP\n    TP = 1\nTP = 8\nNet().validate_for_mesh(MeshSpec(tp_size=TP))",
        "[Net().validate_for_mesh(MeshSpec(tp_size=tp)) for tp in (1, 2)]",
        "match x:\n    case tp: Net().validate_for_mesh(MeshSpec(tp_size=tp))",
        "f = lambda tp: Net().validate_for_mesh(MeshSpec(tp_size=tp))",
    ],
)
def test_what_is_not_certain_is_not_told(body: str) -> None:
    """Another model, another size, or a refusal that somebody waits for."""
    assert told(HEAD + body) == []


def test_a_size_is_placed_in_characters() -> None:
    """Behind letters of several bytes, and lines that end in two characters."""
    (found,) = notices(HEAD.replace("\n", "\r\n") + 'x = "é→"; Net().validate_for_mesh(MeshSpec(tp_size=8))')
    assert found.place[1:] == (5, 11, 5, 55)


def test_a_server_of_vllm_is_read_with_its_model() -> None:
    """`LLM(...)`, by the file's imports."""
    (recipe,) = read_python("import vllm as v\nTP = 8\nv.LLM('org/m', tensor_parallel_size=TP)", "run.py")
    assert (recipe.engine, recipe.sizes["tp"].value) == ("vllm", 8)
    assert recipe.model is not None
    assert recipe.model.value == "org/m"
    assert list(read_python("LLM('org/m', tensor_parallel_size=8)", "run.py")) == []


def test_hidden_arguments_leave_sizes_open() -> None:
    """`**options` may hold the other one."""
    (recipe,) = read_python("from vllm import LLM\nLLM('m', tensor_parallel_size=8, **options)", "run.py")
    assert recipe.sizes["pp"].value is UNKNOWN


def test_a_misspelt_argument_is_told() -> None:
    """With the right one, where it stands."""
    (found,) = notices("from vllm import LLM\nLLM('m', tensor_paralell_size=8)")
    assert (found.code, found.help, found.place[1:]) == ("RC001", "write 'tensor_parallel_size'", (2, 10, 2, 30))


def test_two_parallelism_configs_are_told_apart() -> None:
    """Accelerate's and torchtitan's have one name."""
    ours = "ParallelismConfig(tp_size=2, dp_replicate_size=2, dp_shard_size=1, cp_size=1, sp_size=1)"
    assert told(f"from accelerate import ParallelismConfig\n{ours}") == [(2, "MS003")]
    assert told(f"from torchtitan.config import ParallelismConfig\n{ours}") == []
    (recipe,) = read_python(
        "from torchtitan.config import ParallelismConfig as P\nP(tensor_parallel_degree=2)", "run.py"
    )
    assert (recipe.engine, recipe.fill) == ("torchtitan", "dp_shard")


def test_a_mesh_that_is_held_against_a_model_is_told_once() -> None:
    """The config by itself, and in the call."""
    made = "DistributedConfig(pp_size=2, fsdp_size=2)"
    text = f"from transformers import AutoModel, DistributedConfig\nC = {made}\n"
    assert told(text) == [(2, "MS002")]
    assert told(f"{text}AutoModel.from_pretrained('org/none', distributed_config=C)") == [(3, "MS002")]


@pytest.mark.parametrize(
    ("text", "line"),
    [("mesh = 1\nprint 'mesh'", 2), ("mesh(\n", 1), ("mesh = '", 1), ("if mesh:\nx", 2), ("mesh" + "(" * 5000, 1)],
)
def test_what_does_not_parse_is_one_clear_error(text: str, line: int) -> None:
    """Python 2, a file cut off, too many brackets."""
    with pytest.raises(DocumentError, match="is no Python") as caught:
        list(read_python(text, "run.py"))
    assert caught.value.line in (line, None)


def outcome(text: str) -> str:
    """Codes of what is told, or why the file is refused."""
    try:
        return ",".join(code for _, code in told(text))
    except DocumentError as error:
        return str(error)


def test_deep_expressions_are_read_or_refused() -> None:
    """No RecursionError."""
    for text in ("mesh = " + "-" * 50_000 + "1", "mesh = " + "1+" * 50_000 + "1", "mesh" + ".a" * 50_000):
        assert outcome(text) in ("", "is no Python: it is nested too deeply")


def test_names_that_lead_to_themselves_end() -> None:
    """Each of them."""
    assert told(f"{HEAD}a = b\nb = a\nNet().validate_for_mesh(a)\nb.validate_for_mesh(MeshSpec(tp_size=a))") == []


PIECES = st.sampled_from(
    [
        *("Net()", "net", "net = Net()", "MESH = MeshSpec(tp_size=8)", "MeshSpec(tp_size=8)", "MESH", "{'tp': 8}"),
        *("net.validate_for_mesh(MESH)", "validate_for_mesh(net, {'tp': 8})", "if net:", "    pass", "else:", "try:"),
        *("def f(net: Net):", "    net.validate_for_mesh(MESH)", "    MESH = 1", "    global MESH", "class A(Net):"),
        *("    tp_size = 8", "for MESH in x:", "MESH, net = 1, 2", "del MESH", "MeshSpec(tp_size=0)", "lambda MESH: 1"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=20))
def test_any_lines_are_read_to_their_end(lines: list[str]) -> None:
    """Notices or a clear error, each at a place of the file."""
    text = HEAD + "\n".join(lines)
    try:
        found = notices(text)
    except DocumentError:
        with pytest.raises(SyntaxError):
            ast.parse(text)
        return
    rows = text.split("\n")
    for one in found:
        assert one.place.line is not None
        assert one.place.column is not None
        assert one.place.column <= len(rows[one.place.line - 1])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=100))
def test_any_characters_are_read_to_their_end(text: str) -> None:
    """Whatever they are."""
    assert outcome(f"mesh = 1\n{text}") == "" or outcome(f"mesh = 1\n{text}").startswith("is no Python")


def test_the_files_of_the_project_have_no_mistakes() -> None:
    """Its own sources and examples, which hold many meshes."""
    root = Path(__file__).parents[2]
    for folder in ("src", "examples", "benchmarks", "mypy_plugin"):
        for path in (root / folder).rglob("*.py"):
            assert notices(path.read_text(encoding="utf-8"), str(path)) == []


def test_a_plan_that_another_file_may_register_counts(tmp_path: Path) -> None:
    """A class without a plan is refused only where no file of the program names a registry."""
    script = tmp_path / "run.py"
    script.write_text(HEAD + "Net().validate_for_mesh(MeshSpec(tp_size=8))\n")
    assert len(notices(script.read_text(), str(script))) == 1
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "ours.py").write_text("from meshfit import tp_plans\n")
    registrations._registers_below.cache_clear()
    assert notices(script.read_text(), str(script)) == []
