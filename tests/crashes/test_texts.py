"""A text that an engine writes names its rule, with its numbers; one that resembles it names none."""

from __future__ import annotations

import pytest
from texts import NAMED, OTHER, WITH_AN_AXIS

from meshfit.crashes.diagnosis import PATTERNS, diagnose
from meshfit.crashes.pattern import Kind, Pattern
from meshfit.crashes.telling import rule_of, tell, to_dict, verdict
from meshfit.mesh import AXES, MeshSpec
from meshfit.rules.registry import find_rules


def _sizes(mesh: str) -> dict[str, int]:
    spec = MeshSpec.parse(mesh)
    return {axis: spec.size(axis) for axis in AXES}


@pytest.mark.parametrize(("text", "code", "numbers"), NAMED, ids=[f"{n}-{row[1]}" for n, row in enumerate(NAMED)])
def test_a_text_names_its_rule_and_its_numbers(text: str, code: str, numbers: str) -> None:
    """Alone, as somebody would paste it."""
    (found,) = diagnose(text.encode()).causes
    assert found.codes[0] == code
    assert numbers in found.reading.numbers


@pytest.mark.parametrize(("text", "mesh", "code"), WITH_AN_AXIS)
def test_a_text_with_other_causes_too_names_its_rule_where_the_axis_is_in_use(text: str, mesh: str, code: str) -> None:
    """And not on a mesh that does not use it."""
    assert [found.codes[0] for found in diagnose(text.encode(), _sizes(mesh)).causes] == [code]
    unused = diagnose(text.encode(), _sizes("tp=1"))
    assert [found.codes[0] for found in (*unused.causes, *unused.open)] in (
        [],
        [{"CP006": "MS003", "DP002": "DP001"}.get(code)],
    )


@pytest.mark.parametrize("text", OTHER)
@pytest.mark.parametrize("mesh", ["", "tp=1"])
def test_another_text_names_nothing(text: str, mesh: str) -> None:
    """A wrong attribution sends people to change what was right."""
    assert diagnose(text.encode(), _sizes(mesh) if mesh else None).causes == ()


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.literal[:40])
def test_a_pattern_names_rules_that_exist(pattern: Pattern) -> None:
    """Its codes are registered, and it says where its text comes from."""
    assert all(find_rules(code) for code in pattern.codes)
    assert len(pattern.source) > 3
    assert pattern.codes or pattern.kind is not Kind.CAUSE or not pattern.engine


def test_every_pattern_of_a_cause_reads_a_text() -> None:
    """A pattern without a text is one nobody has seen match."""
    texts = "\n".join([*(row[0] for row in (*NAMED, *WITH_AN_AXIS)), *_UNNAMED])
    unread = [
        p.regex.pattern for p in PATTERNS if p.kind is Kind.CAUSE and not any(map(p.regex.search, texts.split("\n")))
    ]
    assert unread == []


_UNNAMED = (
    "ValueError: WORLD_SIZE (6) must be divisible by dp_replicate_size * fsdp_size * pp_size (4) to derive tp_size.",
    "AssertionError: Hugging Face tp plan is not supported for <class 'X'>, please set",
    "AssertionError: 12 is not divisible by 8",
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Total number of attention heads (52) must be divisible by tensor parallel size (8)",
            "num_attention_heads (52) is not divisible by tp_size (8)",
        ),
        ("ValueError: `tp_size=2` was requested, but `X` has no `tp_plan`", "has no TP plan"),
        (
            "Cannot evenly shard 6 experts across 4 expert-parallel ranks",
            "num_experts (6) is not divisible by ep_size (4)",
        ),
        ("Number of stages (16) cannot exceed number of layers (8)", "num_hidden_layers (8) is less than pp_size (16)"),
        ("`tp_plan` keys ['nope'] match nothing in X", "tp_plan keys ['nope'] match nothing"),
        ("Unsupported `tp_plan` styles: {'zzz'}. Supported styles are []", "styles transformers does not know: zzz"),
        ("Got cp_size=2 and sp_size=4", ""),
        (
            "Attention head count 12 is not divisible by SP size 8",
            "num_attention_heads (12) is not divisible by sp_size (8)",
        ),
    ],
)
def test_the_rule_speaks_of_the_numbers_in_the_text(text: str, message: str) -> None:
    """The numbers are facts, and the rule judges them as it judges a config."""
    said = [verdict(found) for found in diagnose(text.encode()).causes]
    assert [message in violation.message and bool(violation.help) for violation in said if violation] == [True] * bool(
        message
    )


@pytest.mark.parametrize(("text", "count"), [(256, 1), (768, 3), (1280, 5)])
def test_the_heads_of_a_model_are_worked_out_from_the_view(text: int, count: int) -> None:
    """Batch 2, sequence 16 and head_dim 16 over two ranks: half a head, one and a half, two and a half."""
    line = f"RuntimeError: shape '[2, 16, -1, 16]' is invalid for input of size {text}"
    (found,) = diagnose(line.encode(), _sizes("tp=2")).causes
    said = verdict(found)
    assert said is not None
    assert said.message == f"num_key_value_heads ({count}) is not divisible by tp_size (2)"


def test_a_view_that_no_cut_explains_is_not_named() -> None:
    """Three columns of sixteen are no half of anything on two ranks."""
    line = "RuntimeError: shape '[2, 16, -1, 16]' is invalid for input of size 96"
    assert diagnose(line.encode(), _sizes("tp=2")).causes == ()


@pytest.mark.parametrize(("text", "code"), [(row[0], row[1]) for row in NAMED])
def test_the_telling_holds_rule_and_line(text: str, code: str) -> None:
    """In words and as JSON."""
    diagnosis = diagnose(text.encode())
    assert code in tell(diagnosis)
    (cause,) = to_dict(diagnosis)["causes"]
    assert cause["rules"][0] == {"code": code, "slug": find_rules(code)[0].slug}
    assert rule_of(diagnosis.causes[0], code).code == code


def test_huge_numbers_are_read_without_counting_to_them() -> None:
    """And sizes of zero are none."""
    huge = "Total number of attention heads (999999999) must be divisible by tensor parallel size (999999998)"
    assert diagnose(huge.encode()).causes
    assert "TP003" in tell(diagnose(huge.encode()))
    none = "Total number of attention heads (0) must be divisible by tensor parallel size (0)"
    assert "TP003" in tell(diagnose(none.encode()))
