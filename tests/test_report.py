"""Reports, and their text and JSON: every error with why, what happens, and the fix."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from inline_snapshot import snapshot

from meshfit.errors import MeshfitError
from meshfit.facts import Origin
from meshfit.mesh import MeshSpec
from meshfit.render.json_format import as_json
from meshfit.render.text import error_text, render
from meshfit.report import Consequence, Report, Severity, UnknownFact, UnsupportedMeshError, Violation


def violation(**changes: Any) -> Violation:
    """An error of the tensor axis, with `changes`."""
    values: dict[str, Any] = {
        "code": "TP002",
        "slug": "tp-kv-heads",
        "axis": "tp",
        "size": 16,
        "severity": Severity.ERROR,
        "consequence": Consequence.LATE,
        "message": "num_key_value_heads (8) is not divisible by tp_size (16)",
        "help": "use tp_size 1, 2, 4 or 8",
        "alternatives": (1, 2, 4, 8),
        "origins": (Origin("config.json", line=18, column=26, pointer="/num_key_value_heads"),),
    }
    return Violation(**{**values, **changes})


PIPELINE = violation(
    code="PP006",
    slug="pp-inference-only",
    axis="pp",
    size=2,
    severity=Severity.WARNING,
    consequence=Consequence.WASTE,
    message="the pipeline computes no loss",
    help="use it for inference, or set pp_size 1 to train",
    alternatives=(),
    origins=(),
)


def report(*violations: Violation, **changes: Any) -> Report:
    """A verdict on LlamaForCausalLM over tp=16,pp=2."""
    values = {"target": "LlamaForCausalLM", "mesh": MeshSpec(tp_size=16, pp_size=2), "engine": "transformers"}
    return Report(**{**values, "violations": violations, **changes})


def test_a_report_in_full() -> None:
    """Verdict, bullets, and how many facts were unknown."""
    full = report(violation(), PIPELINE, unknown=(UnknownFact("cp", "supports_sdpa", "CP001"),))
    assert render(full) == snapshot("""\
LlamaForCausalLM does not fit tp=16,pp=2 (engine transformers): 1 error, 1 warning, 1 unknown fact

- Tensor parallelism (tp_size=16): num_key_value_heads (8) is not divisible by tp_size (16)
    error: TP002 tp-kv-heads; if ignored, crashes after the weights have loaded, in the first forward or backward
    read from: config.json:18:26
    help: use tp_size 1, 2, 4 or 8
    sizes that work: tp_size 1, 2, 4, 8
    fix: tp_size=8, as a flag --distributed.tp_size=8, in YAML
        distributed:
          tp_size: 8
- Pipeline parallelism (pp_size=2): the pipeline computes no loss
    warning: PP006 pp-inference-only; if ignored, runs, but wastes devices or time
    help: use it for inference, or set pp_size 1 to train\
""")


def test_the_error_has_one_bullet_for_each_error() -> None:
    """Warnings do not refuse the mesh, so they are not in the error."""
    assert error_text(report(violation(), PIPELINE)) == snapshot("""\
Unsupported mesh for LlamaForCausalLM:
- Tensor parallelism (tp_size=16): num_key_value_heads (8) is not divisible by tp_size (16)
    error: TP002 tp-kv-heads; if ignored, crashes after the weights have loaded, in the first forward or backward
    read from: config.json:18:26
    help: use tp_size 1, 2, 4 or 8
    sizes that work: tp_size 1, 2, 4, 8
    fix: tp_size=8, as a flag --distributed.tp_size=8, in YAML
        distributed:
          tp_size: 8\
""")


def test_a_mesh_that_fits_says_so_in_one_line() -> None:
    """And so does a mesh that uses nothing."""
    assert render(report()) == snapshot("LlamaForCausalLM fits tp=16,pp=2 (engine transformers)")
    assert render(report(mesh=MeshSpec())) == snapshot("LlamaForCausalLM fits one device (engine transformers)")


def test_unknown_facts_are_listed_on_request() -> None:
    """What could not be judged, and by which rule."""
    unknown = (UnknownFact("mesh", "world_size", "MS001"), *(UnknownFact("tp", "tp_plan", c) for c in ("TP1", "TP2")))
    assert render(report(unknown=unknown), show_unknown=True) == snapshot("""\
LlamaForCausalLM fits tp=16,pp=2 (engine transformers), as far as known: 1 unknown fact

Not judged, for want of a fact:
- Device mesh (mesh): world_size was not given, so MS001 is open
- Tensor parallelism (tp): tp_plan is unknown, so TP1 is open
- Tensor parallelism (tp): tp_plan is unknown, so TP2 is open\
""")


def test_what_the_caller_left_out_is_no_unknown_fact() -> None:
    """A mesh fits without the world size; that rule was not asked."""
    assert render(report(unknown=(UnknownFact("mesh", "world_size", "MS001"),))) == render(report())


def test_the_fix_suits_every_error_of_its_axis() -> None:
    """Not a size that the next error refuses."""
    heads, experts = violation(alternatives=(1, 2, 4, 8)), violation(code="TP009", alternatives=(1, 3, 4))
    assert error_text(report(heads, experts)).count("--distributed.tp_size=4") == 2


@pytest.mark.parametrize(("alternatives", "fix"), [((), 1), ((1,), 1), ((1, 4, 32), 4), ((32, 64), 32)])
def test_the_fix_is_the_nearest_size_below(alternatives: tuple[int, ...], fix: int) -> None:
    """One when nothing is known to work; larger only when nothing smaller works."""
    assert f"--distributed.tp_size={fix}," in error_text(report(violation(alternatives=alternatives)))


def test_many_sizes_are_not_all_listed() -> None:
    """The first ones and the last."""
    text = error_text(report(violation(alternatives=tuple(range(1, 65)))))
    assert "sizes that work: tp_size 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... 64" in text


def test_the_sharded_axis_has_the_name_of_its_engine() -> None:
    """Transformers calls it fsdp_size."""
    sharded = violation(axis="dp_shard", size=4, alternatives=())
    assert "fsdp_size: 1" in error_text(report(sharded))
    assert "dp_shard_size: 1" in error_text(report(sharded, engine="nemo"))


@pytest.mark.parametrize(
    ("engine", "axis", "fix"),
    [
        ("megatron", "tp", "fix: tp_size=8, as a flag --tensor-model-parallel-size 8"),
        ("vllm", "pp", "fix: pp_size=1, as a flag --pipeline-parallel-size 1"),
        ("torchtitan", "tp", "fix: tp_size=8, as a flag --parallelism.tensor_parallel_degree 8"),
        ("vllm", "cp", "fix: cp_size=1"),
    ],
)
def test_an_engine_with_flags_of_its_own_is_told_by_them(engine: str, axis: str, fix: str) -> None:
    """And nothing of YAML that it would not read."""
    sizes = {"tp": (1, 8)}.get(axis, ())
    text = error_text(report(violation(axis=axis, alternatives=sizes), engine=engine))
    assert text.splitlines()[-1].strip() == fix


def test_a_fault_of_the_whole_mesh_has_help_but_no_axis_to_set() -> None:
    """The world size is no setting of the mesh."""
    world = violation(axis="mesh", size=32, code="MS001", message="32 ranks, 8 start", help="start 32", alternatives=())
    text = error_text(report(world))
    assert "Device mesh (world_size=32)" in text
    assert "help: start 32" in text
    assert "--distributed" not in text


def test_colours_change_nothing_but_colours() -> None:
    """Escapes only where asked for."""
    import re

    full = report(violation(), PIPELINE)
    coloured = render(full, color=True)
    assert "\033[31m" in coloured
    assert "\033" not in render(full)
    assert re.sub(r"\033\[\d+m", "", coloured) == render(full)


def test_json_is_the_report_with_its_schema() -> None:
    """Every field of a violation, and the number of the schema."""
    decoded = json.loads(as_json(report(violation(), versions={"transformers": "5.23.0"}).to_dict()))
    assert decoded == snapshot(
        {
            "schema": 1,
            "target": "LlamaForCausalLM",
            "mesh": {"tp": 16, "pp": 2},
            "engine": "transformers",
            "ok": False,
            "violations": [
                {
                    "code": "TP002",
                    "slug": "tp-kv-heads",
                    "axis": "tp",
                    "size": 16,
                    "severity": "error",
                    "consequence": "late",
                    "message": "num_key_value_heads (8) is not divisible by tp_size (16)",
                    "help": "use tp_size 1, 2, 4 or 8",
                    "alternatives": [1, 2, 4, 8],
                    "origins": [{"where": "config.json", "line": 18, "column": 26, "pointer": "/num_key_value_heads"}],
                }
            ],
            "unknown": [],
            "versions": {"transformers": "5.23.0"},
            "evidence": [],
        }
    )


def test_strict_promotes_warnings() -> None:
    """The same violations, all errors."""
    assert report(PIPELINE).ok
    assert not report(PIPELINE).strict().ok
    assert report(PIPELINE).warnings == (PIPELINE,)
    assert report(PIPELINE).strict().codes == ("PP006",)


def test_raise_if_any_raises_for_errors_alone() -> None:
    """Once, with the report and its text; a passing report is handed back."""
    passing = report(PIPELINE)
    assert passing.raise_if_any() is passing
    failing = report(violation())
    with pytest.raises(UnsupportedMeshError, match="Unsupported mesh for LlamaForCausalLM:\n- Tensor") as caught:
        failing.raise_if_any()
    assert caught.value.report is failing
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MeshfitError)


def test_the_error_travels_between_processes() -> None:
    """A launcher gets the same text from a rank that raised."""
    error = UnsupportedMeshError(report(violation()))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.report) == (str(error), error.report)


def test_a_report_prints_as_its_text() -> None:
    """`print(report)` is the readable form."""
    assert str(report(violation())) == render(report(violation()))


def test_every_consequence_has_a_sentence() -> None:
    """Reports complete the sentence 'if ignored, ...'."""
    assert all(consequence.sentence for consequence in Consequence)
